"""Who is connected and which transports hold them, in memory; tests/contract holds both to their ports."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import replace

from libs.contracts.errors import GroveError
from libs.contracts.ids import EndpointId
from services.endpoint_register.domain.connectivity import (
    Connectivity,
    Known,
    Run,
    RunState,
    Sighting,
    Statement,
    applied,
    seen,
)


async def nothing() -> None:
    """Happen, and change nothing."""


class InMemoryConnectivityRepository:
    """Shows what a process holds in two steps; ``before_step`` lets others in between."""

    def __init__(self) -> None:
        self.kept: dict[EndpointId, Connectivity] = {}
        self.before_step: Callable[[], Awaitable[None]] = nothing
        self.failure: GroveError | None = None
        self.ending_failure: GroveError | None = None
        self.writes = 0

    async def find_many(self, endpoint_ids: Sequence[EndpointId]) -> dict[EndpointId, Connectivity]:
        self._check()
        return {each: self.kept[each] for each in endpoint_ids if each in self.kept}

    async def apply(self, known: Sequence[Known]) -> None:
        self._check()
        for each in known:
            after = applied(self.kept.get(each.statement.endpoint_id), each)
            if after is not None:
                self._keep(after)

    async def settle(self, record: Connectivity) -> None:
        self._check()
        kept = self.kept.get(record.endpoint_id)
        if kept is not None and kept.key == record.key:
            self._keep(replace(kept, is_settled=True))

    async def see(self, sightings: Sequence[tuple[Connectivity | None, Sighting]]) -> None:
        self._check()
        for found, sighting in sightings:
            kept = self.kept.get(sighting.endpoint_id)
            if (kept is None) == (found is None):
                self._keep(seen(kept, sighting))

    async def forget(self, endpoint_id: EndpointId, *, incarnation: str) -> None:
        self._check()
        kept = self.kept.get(endpoint_id)
        if kept is not None and kept.incarnation == incarnation:
            del self.kept[endpoint_id]

    async def forget_older(self, statements: Sequence[Statement]) -> None:
        self._check()
        for each in statements:
            kept = self.kept.get(each.endpoint_id)
            if kept is not None and kept.key < each.key:
                del self.kept[each.endpoint_id]

    async def held(self, run_id: str) -> AsyncIterator[list[Connectivity]]:
        self._check()
        for odd in (False, True):
            await self.before_step()
            yield [
                each
                for each in self.kept.values()
                if each.run_id == run_id and (len(each.endpoint_id) % 2) == odd
            ]

    async def end(self, records: Sequence[Connectivity]) -> None:
        await self.before_step()
        if self.ending_failure is not None:
            raise self.ending_failure
        for each in records:
            kept = self.kept.get(each.endpoint_id)
            if kept is not None and (kept.key, kept.run_id) == (each.key, each.run_id):
                self._keep(kept.ended())

    async def holds_any(self, run_id: str) -> bool:
        self._check()
        return any(each.run_id == run_id for each in self.kept.values())

    def _keep(self, record: Connectivity) -> None:
        self.kept[record.endpoint_id] = record
        self.writes += 1

    def _check(self) -> None:
        if self.failure is not None:
            raise self.failure


class InMemoryRunRepository:
    def __init__(self) -> None:
        self.kept: dict[str, Run] = {}
        self.failure: GroveError | None = None

    async def all(self) -> list[Run]:
        if self.failure is not None:
            raise self.failure
        return list(self.kept.values())

    async def ending(self) -> set[str]:
        return {each.run_id for each in self.kept.values() if each.state is RunState.ENDING}

    async def find(self, run_id: str) -> Run | None:
        return self.kept.get(run_id)

    async def add(self, run: Run) -> None:
        self.kept.setdefault(run.run_id, run)

    async def replace(self, before: Run, after: Run) -> bool:
        if not self._is_still(before):
            return False
        self.kept[before.run_id] = after
        return True

    async def remove(self, run: Run) -> None:
        if self._is_still(run):
            del self.kept[run.run_id]

    def _is_still(self, run: Run) -> bool:
        kept = self.kept.get(run.run_id)
        return kept is not None and (kept.stamp, kept.state) == (run.stamp, run.state)
