"""Endpoints and their listing in memory, held to the contract of the real ones in tests/contract."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace
from datetime import datetime

from libs.contracts.errors import GroveError, PayloadTooLargeError
from libs.contracts.ids import AppVersionName, EndpointId
from libs.contracts.payload import JsonValue
from services.endpoint_register.domain.endpoint import Endpoint, EndpointState
from services.endpoint_register.domain.listing import Listed, Range
from tests.unit.endpoint_register.time_and_chance import Hook, ManualClock, nothing


class InMemoryEndpointRepository:
    """Others may be let in before an insert or a compare-and-set; what they change makes the latter lose."""

    def __init__(self, *, clock: ManualClock) -> None:
        self._clock = clock
        self.kept: dict[EndpointId, Endpoint] = {}
        self.due: dict[EndpointId, datetime] = {}
        self.before_add: Hook = nothing
        self.before_values: Hook = nothing
        self.before_replace: Callable[[Endpoint], None] = lambda _endpoint: None
        self.failure: GroveError | None = None
        self.writes = 0
        self.too_large = False

    async def add(self, endpoint: Endpoint) -> bool:
        self._check()
        await self.before_add()
        kept = self.kept.setdefault(endpoint.id, endpoint)
        if kept.incarnation == endpoint.incarnation:
            self.due[endpoint.id] = self._clock.now()
        return kept.incarnation == endpoint.incarnation

    async def add_many(self, endpoints: Sequence[Endpoint]) -> set[EndpointId]:
        return {endpoint.id for endpoint in endpoints if await self.add(endpoint)}

    async def find(
        self, endpoint_id: EndpointId, *, metadata: bool = True, outbox: bool = False
    ) -> Endpoint | None:
        self._check()
        await asyncio.sleep(0)
        endpoint = self.kept.get(endpoint_id)
        return None if endpoint is None else _seen(endpoint, metadata=metadata, outbox=outbox)

    async def find_many(self, endpoint_ids: Sequence[EndpointId], *, metadata: bool) -> list[Endpoint]:
        if self.too_large and metadata:
            raise PayloadTooLargeError
        found = (self.kept.get(endpoint_id) for endpoint_id in endpoint_ids)
        return [_seen(each, metadata=metadata, outbox=False) for each in found if each is not None]

    async def metadata_values(
        self, endpoint_ids: Sequence[EndpointId], key: str
    ) -> AsyncIterator[dict[EndpointId, JsonValue]]:
        for endpoint_id in endpoint_ids:
            await self.before_values()
            kept = self.kept.get(endpoint_id)
            yield {} if kept is None or key not in kept.metadata else {endpoint_id: kept.metadata[key]}

    async def replace(self, before: Endpoint, after: Endpoint) -> bool:
        self._check()
        self.before_replace(before)
        kept = self.kept.get(before.id)
        if kept is None or (kept.seq, kept.incarnation) != (before.seq, before.incarnation):
            return False
        gained = tuple(entry for entry in after.outbox if entry.seq > before.seq)
        metadata = kept.metadata if after.metadata is before.metadata else after.metadata
        self.kept[before.id] = replace(after, metadata=metadata, outbox=(*kept.outbox, *gained))
        self.due.setdefault(before.id, self._clock.now())
        self.writes += 1
        return True

    async def reveal(self, announced: Sequence[Endpoint]) -> None:
        self._check()
        for hidden in announced:
            self.before_replace(hidden)
            kept = self.kept.get(hidden.id)
            if kept is not None and (kept.seq, kept.incarnation) == (hidden.seq, hidden.incarnation):
                self.kept[hidden.id] = kept.revealed()
                self.due.setdefault(hidden.id, self._clock.now())

    async def forget_told(self, endpoints: Sequence[Endpoint]) -> None:
        self._check()
        for endpoint in endpoints:
            self._forget_told(endpoint)

    def _forget_told(self, endpoint: Endpoint) -> None:
        kept, last = self.kept.get(endpoint.id), endpoint.outbox[-1].seq
        if kept is None or kept.state is not endpoint.state or kept.incarnation != endpoint.incarnation:
            return
        left = tuple(entry for entry in kept.outbox if entry.seq > last)
        self.kept[endpoint.id] = replace(kept, outbox=left)
        if kept.seq == last:
            self.due.pop(endpoint.id, None)

    async def remove(self, endpoint: Endpoint) -> None:
        self._check()
        kept = self.kept.get(endpoint.id)
        if kept is not None and (kept.incarnation, kept.state) == (endpoint.incarnation, endpoint.state):
            del self.kept[endpoint.id]
            self.due.pop(endpoint.id, None)

    async def at_version(self, version: AppVersionName, *, limit: int) -> list[EndpointId]:
        return [each.id for each in self.kept.values() if each.version == version][:limit]

    async def metadata_keys(self, version: AppVersionName) -> list[str]:
        there = [
            each
            for each in self.kept.values()
            if each.version == version and each.state is EndpointState.READY
        ]
        return sorted({key for each in there for key in each.metadata})

    async def unfinished(self, *, before: datetime) -> AsyncIterator[Endpoint]:
        self._check()
        for endpoint_id in sorted(self.due, key=lambda each: self.due[each]):
            if self.due[endpoint_id] < before:
                yield _seen(self.kept[endpoint_id], metadata=False, outbox=True)

    def _check(self) -> None:
        if self.failure is not None:
            raise self.failure


def _seen(endpoint: Endpoint, *, metadata: bool, outbox: bool) -> Endpoint:
    return replace(
        endpoint,
        metadata=endpoint.metadata if metadata else {},
        outbox=endpoint.outbox if outbox else (),
    )


class InMemoryEndpointListing:
    def __init__(self) -> None:
        self.lines: dict[EndpointId, Listed] = {}
        self.failure: GroveError | None = None
        self.before_put: Hook = nothing
        self.read = 0

    async def put(self, line: Listed) -> str:
        await self.before_put()
        if self.failure is not None:
            raise self.failure
        kept = self.lines.setdefault(line.endpoint_id, line)
        if kept.incarnation == line.incarnation and kept.seq < line.seq:
            self.lines[line.endpoint_id] = line
        return kept.incarnation

    async def put_new(self, lines: Sequence[Listed]) -> set[EndpointId]:
        for line in lines:
            if line.endpoint_id not in self.lines:
                await self.put(line)
        return {each.endpoint_id for each in lines if self._incarnation(each) == each.incarnation}

    async def drop(self, endpoint_id: EndpointId, *, incarnation: str) -> None:
        line = self.lines.get(endpoint_id)
        if line is not None and line.incarnation == incarnation:
            del self.lines[endpoint_id]

    def _incarnation(self, line: Listed) -> str:
        return self.lines[line.endpoint_id].incarnation

    async def page(self, part: Range, *, offset: int = 0, limit: int, after: str = "") -> list[Listed]:
        lines = self._within(part)
        if after:
            lines = [
                line
                for line in lines
                if (line.keys[part.key] < after if part.descending else line.keys[part.key] > after)
            ]
        page = lines[offset : offset + limit]
        self.read += len(page)
        return page

    async def names(self, part: Range, *, limit: int) -> dict[EndpointId, str]:
        return {line.endpoint_id: line.incarnation for line in self._within(part)[:limit]}

    async def count(self, part: Range) -> int:
        return len(self._within(part))

    def _within(self, part: Range) -> list[Listed]:
        lines = [line for line in self.lines.values() if part.holds(line.keys, line.filters)]
        return sorted(lines, key=lambda line: line.keys[part.key], reverse=part.descending)
