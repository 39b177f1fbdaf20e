"""A metadata load that knows what was promised: who was told 200 finds that value, or a later one.

Each writer owns one twin and writes rising numbers into a few rotating keys, one request at a time,
so for every key the last acknowledged number is a floor for what the twin must hold in the end.
"""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import aiohttp

from tests.support.rest import Operator, Twin

KEYS = 7
_PAUSE_AFTER_FAILURE_S = 0.05
_REFUSED = "no connection"


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
            outcome = await self._update(key, self._number)
            self.outcomes[outcome] += 1
            if outcome == 200:
                self.acknowledged[key] = self._number
            else:
                await asyncio.sleep(_PAUSE_AFTER_FAILURE_S)

    async def _update(self, key: str, number: int) -> int | str:
        began = time.monotonic()
        try:
            return (await self.twin.update(**{key: number})).status
        except (aiohttp.ClientConnectionError, aiohttp.ClientPayloadError):
            return _REFUSED
        finally:
            self.slowest_s = max(self.slowest_s, time.monotonic() - began)


class Load:
    """All writers of one test."""

    def __init__(self, writers: Sequence[Writer]) -> None:
        self._writers = writers

    @property
    def outcomes(self) -> Counter[int | str]:
        """What the writers were answered so far, by status; ``no connection`` for a broken socket."""
        return sum((writer.outcomes for writer in self._writers), Counter())

    @property
    def successes(self) -> int:
        """How many updates were acknowledged so far."""
        return self.outcomes[200]

    def least_served(self) -> int:
        """How many updates the unluckiest writer got through."""
        return min(writer.outcomes[200] for writer in self._writers)

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
async def metadata_load(rest: Operator, *, twins: int) -> AsyncIterator[Load]:
    """Keep ``twins`` devices updating until the block ends."""
    version = await rest.new_version()
    writers = [Writer(await rest.new_twin(version)) for _ in range(twins)]
    async with asyncio.TaskGroup() as running:
        tasks = [running.create_task(writer.run(), name=writer.twin.endpoint_id) for writer in writers]
        try:
            yield Load(writers)
        finally:
            for task in tasks:
                task.cancel()
