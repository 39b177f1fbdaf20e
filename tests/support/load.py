"""A metadata load that knows what was promised: who was told 200 finds that value, or a later one.

Each writer owns one twin and writes rising numbers into a few rotating keys, one request at a time,
so for every key the last acknowledged number is a floor for what the twin must hold in the end.
"""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

import aiohttp

from tests.support.rest import Operator, Twin
from tests.support.waiting import eventually

KEYS = 7
_PAUSE_AFTER_FAILURE_S = 0.05
REFUSED = "no connection"


class Writer:
    """One device that never stops updating."""

    def __init__(self, twin: Twin) -> None:
        self.twin = twin
        self.acknowledged: dict[str, int] = {}
        self.outcomes: Counter[int | str] = Counter()
        self.slowest_s = 0.0
        self._number = 0

    async def run(self) -> None:
        """Update until cancelled."""
        while True:
            self._number += 1
            key = f"k{self._number % KEYS}"
            began = time.monotonic()
            outcome = await self.update(key, self._number)
            self.slowest_s = max(self.slowest_s, time.monotonic() - began)
            self.outcomes[outcome] += 1
            if outcome == 200:
                self.acknowledged[key] = self._number
            else:
                await asyncio.sleep(_PAUSE_AFTER_FAILURE_S)

    async def update(self, key: str, number: int) -> int | str:
        """Make one update; returns the status, or what happened instead of one."""
        try:
            return (await self.twin.update(**{key: number})).status
        except (aiohttp.ClientConnectionError, aiohttp.ClientPayloadError):
            return REFUSED


class Newcomer:
    """An operator who never stops creating endpoints, and each one's device saying hello."""

    def __init__(self, rest: Operator, version: str) -> None:
        self._rest = rest
        self._version = version
        self.outcomes: Counter[int | str] = Counter()

    async def run(self) -> None:
        """Create and use until cancelled."""
        while True:
            outcome = await self._create_and_use()
            self.outcomes[outcome] += 1
            if outcome != 200:
                await asyncio.sleep(_PAUSE_AFTER_FAILURE_S)

    async def _create_and_use(self) -> int | str:
        try:
            body = {"appVersion": {"name": self._version}}
            created = await self._rest.call("POST", "/epr/api/v1/endpoints", body)
            if created.status != 201:
                return created.status
            twin = self._rest.twin(created.body["endpointId"], created.body["token"], self._version)
            return (await twin.get()).status
        except (aiohttp.ClientConnectionError, aiohttp.ClientPayloadError):
            return REFUSED


class Load:
    """All writers of one test."""

    def __init__(self, writers: Sequence[Writer], newcomers: Sequence[Newcomer]) -> None:
        self._writers = writers
        self._newcomers = newcomers

    @property
    def outcomes(self) -> Counter[int | str]:
        """What everyone was answered so far, by status; ``no connection`` for a broken socket."""
        return sum((each.outcomes for each in self._everyone()), Counter())

    @property
    def successes(self) -> int:
        """How many updates were acknowledged so far."""
        return sum(writer.outcomes[200] for writer in self._writers)

    def least_served(self) -> int:
        """How many updates the unluckiest writer got through."""
        return min(writer.outcomes[200] for writer in self._writers)

    async def everyone_is_served_again(self, *, after: str, deadline_s: float = 30.0) -> None:
        """Wait until each writer has got another update through, and each operator another endpoint."""
        before = [(each, each.outcomes[200]) for each in self._everyone()]

        async def served() -> bool:
            return all(each.outcomes[200] > count for each, count in before)

        await eventually(served, what=f"every device is served after {after}", deadline_s=deadline_s)

    def _everyone(self) -> list[Writer | Newcomer]:
        return [*self._writers, *self._newcomers]

    async def lost(self, rest: Operator) -> list[str]:
        """Compare what was acknowledged with what the twins hold; one line for each loss."""
        losses = []
        for writer in self._writers:
            held = await rest.metadata(writer.twin)
            losses += [
                f"{writer.twin.endpoint_id} {key}: acknowledged {number}, found {held.get(key)}"
                for key, number in writer.acknowledged.items()
                if held.get(key, -1) < number
            ]
        return losses


@asynccontextmanager
async def metadata_load(
    rest: Operator, *, twins: int, newcomers: int = 0, make_writer: Callable[[Twin], Writer] = Writer
) -> AsyncIterator[Load]:
    """Keep ``twins`` devices updating, and ``newcomers`` operators creating, until the block ends."""
    version = await rest.new_version()
    writers = [make_writer(await rest.new_twin(version)) for _ in range(twins)]
    operators = [Newcomer(rest, version) for _ in range(newcomers)]
    async with asyncio.TaskGroup() as running:
        everyone: list[Writer | Newcomer] = [*writers, *operators]
        tasks = [running.create_task(each.run(), name="load") for each in everyone]
        try:
            yield Load(writers, operators)
        finally:
            for task in tasks:
                task.cancel()
