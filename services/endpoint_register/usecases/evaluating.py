"""Judge the endpoints there are when filters come, change or go.

The work is a cursor in the document of the filters. Whoever moves it on has it for a while, as a lease; when
that is over, anybody goes on from there. Two who do the same are no harm: an endpoint is written only when it
comes to match something else, by the compare-and-set of every other change. When the filters change meanwhile
the work begins anew, and its old owner notices because the cursor does not move for it any more.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from typing import Final

import structlog

from libs.contracts.errors import GroveError, NotFoundError, PayloadTooLargeError
from libs.contracts.ids import EndpointId
from services.endpoint_register.domain.endpoint import Endpoint, EndpointState
from services.endpoint_register.domain.filters import FilterSet, judged_if_other
from services.endpoint_register.domain.listing import Order, Range, range_of
from services.endpoint_register.ports import Parts
from services.endpoint_register.usecases.enlisting import enlist

LEASE: Final = timedelta(seconds=15)

_EVERY_S: Final = 1.0
_LOOKED_AT: Final = 16
_TOGETHER: Final = 64
_WRITES_AT_ONCE: Final = 8

_log = structlog.get_logger()


class FilterWork:
    """Judges endpoints; :meth:`run` is its root task."""

    def __init__(self, parts: Parts, *, every_s: float = _EVERY_S) -> None:
        self._parts = parts
        self._every_s = every_s

    async def run(self) -> None:
        """Work until cancelled; a store that is away is waited for."""
        while True:
            try:
                await self.look()
            except GroveError as error:
                _log.warning("filters.interrupted", reason=error.reason_phrase)
            await asyncio.sleep(self._every_s)

    async def look(self) -> None:
        """Look once for filters by which endpoints are to be judged, and do it.

        Raises:
            UnavailableError: The store is away; somebody goes on when the lease is over.
        """
        now = self._parts.clock.now() + timedelta(milliseconds=1)
        for application in await self._parts.filters.due(at=now, limit=_LOOKED_AT):
            # One after the other: a set may have most of a megabyte.
            await self._judge_all(await self._parts.filters.find(application))

    async def _judge_all(self, filters: FilterSet) -> None:
        part = range_of(Order.ENDPOINT_ID, descending=False, application=filters.application)
        progress = filters.progress
        if progress is None or progress.due_at > self._parts.clock.now():
            return  # somebody else has it, or had it
        claimed = filters.advanced(progress.cursor, due_at=self._parts.clock.now() + LEASE)
        if not await self._parts.filters.replace(filters, claimed):
            return
        filters = claimed
        while filters.progress is not None:
            page, cursor = await self._page(part, filters.progress.cursor)
            after = (
                filters.advanced(cursor, due_at=self._parts.clock.now() + LEASE)
                if page
                else filters.finished()
            )
            await self._judge(page, filters)
            if not await self._parts.filters.replace(filters, after):
                return  # somebody else has it now, or there are other filters
            filters = after
        _log.info("filters.active", application=filters.application, count=len(filters.filters))

    async def _page(self, part: Range, cursor: str) -> tuple[list[EndpointId], str]:
        lines = await self._parts.listing.page(part, after=cursor, limit=_TOGETHER)
        return [line.endpoint_id for line in lines], lines[-1].keys[part.key] if lines else cursor

    async def _judge(self, endpoint_ids: Sequence[EndpointId], filters: FilterSet) -> None:
        parts, turns = self._parts, asyncio.Semaphore(_WRITES_AT_ONCE)
        others = [each async for each in _others(await self._read(endpoint_ids), filters)]

        async def judge(endpoint_id: EndpointId) -> GroveError | None:
            try:
                async with turns:
                    after = await parts.changing.change(
                        endpoint_id, lambda now: judged_if_other(now, filters)
                    )
                    # What is counted is the lists: they say the same before the filter is active.
                    await enlist(after, endpoints=parts.endpoints, listing=parts.listing)
            except NotFoundError:
                return None  # removed just now
            except GroveError as error:
                return error
            return None

        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(judge(each.id), name="judge endpoint") for each in others]
        for error in (task.result() for task in tasks):
            if error is not None:
                raise error

    async def _read(self, endpoint_ids: Sequence[EndpointId]) -> list[Endpoint]:
        """Read endpoints with their metadata, one by one where they are too large together."""
        try:
            return await self._parts.endpoints.find_many(endpoint_ids, metadata=True)
        except PayloadTooLargeError:
            found = [await self._parts.endpoints.find(endpoint_id) for endpoint_id in endpoint_ids]
        return [each for each in found if each is not None]


async def _others(endpoints: Sequence[Endpoint], filters: FilterSet) -> AsyncIterator[Endpoint]:
    """Find those that come to match something else; one may take a while, so others get their turn."""
    for endpoint in endpoints:
        if endpoint.state is EndpointState.READY and filters.matched_by(endpoint) != endpoint.filters:
            yield endpoint
        await asyncio.sleep(0)
