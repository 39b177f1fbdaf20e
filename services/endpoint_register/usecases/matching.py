"""Which filters an endpoint matches, at every moment, without asking for them at every change.

Each replica knows filters from memory, and judges an endpoint by them in the same write that changes it. What
it knows may be old. So whoever takes an endpoint's events out of its outbox first reads what stamp the
filters have, after the write, and judges the endpoint again if it was judged by others. Whoever brings new
filters writes them first and judges all endpoints then. Of the two one always sees the other::

    a change:   endpoint written -> filters read        new filters:   filters written -> endpoint read

A crash between the two steps of a change leaves the event in the outbox, and the check is made by whoever
publishes it. Reads for many endpoints at once are shared, so a busy service makes few.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Sequence
from itertools import count
from typing import Final

from libs.contracts.ids import ApplicationName, EndpointId
from services.endpoint_register.domain.endpoint import Endpoint, EndpointState
from services.endpoint_register.domain.filters import FilterSet, judged_anyhow
from services.endpoint_register.ports import EndpointRepository, FilterRepository, Parts

_REMEMBERED: Final = 256
"""Applications whose filters are kept in memory."""
_REMEMBERED_BYTES: Final = 16 * 1024 * 1024
"""Of their queries as text; read, one may take five times as much."""


async def filters_shown(endpoints: Sequence[Endpoint], *, parts: Parts) -> dict[EndpointId, list[str]]:
    """Name the active filters that endpoints match; one that is gone is never shown."""
    applications = {endpoint.application for endpoint in endpoints}
    active = {
        each.id
        for application in sorted(applications)
        for each in (await parts.judging.filters_now(application)).filters
        if each.is_active
    }
    return {each.id: [one for one in each.filters if one in active] for each in endpoints}


class _Known:
    """The filters of an application as they were last read, and when that began."""

    __slots__ = ("began", "filters", "turn")

    def __init__(self) -> None:
        self.turn = asyncio.Lock()
        self.filters: FilterSet | None = None
        self.began = 0

    @property
    def size(self) -> int:
        """Bytes of their queries, near enough."""
        return sum(len(each.query.text) for each in self.filters.filters) if self.filters else 0


class Judge:
    """Judges endpoints; remembers filters."""

    def __init__(self, *, endpoints: EndpointRepository, filters: FilterRepository) -> None:
        self._endpoints = endpoints
        self._filters = filters
        self._known: OrderedDict[ApplicationName, _Known] = OrderedDict()
        self._moments = count(1)

    async def filters_now(self, application: ApplicationName) -> FilterSet:
        """The filters of an application as they are at some moment after the call."""
        return await self._filters_since(application, self.moment())

    def moment(self) -> int:
        """Name this moment."""
        return next(self._moments)

    async def _filters_since(self, application: ApplicationName, since: int) -> FilterSet:
        known = self._entry(application)
        async with known.turn:
            if known.filters is None or known.began < since:
                known.began, began = 0, self.moment()
                filters = await self._read(application, known.filters)
                if filters is not known.filters:
                    known.filters = filters
                    self._forget_what_is_too_much()
                known.began = began
            return known.filters

    def _forget_what_is_too_much(self) -> None:
        """Forget those that were asked for longest ago; the last stays, whatever its size."""
        size = sum(known.size for known in self._known.values())
        while size > _REMEMBERED_BYTES and len(self._known) > 1:
            _, known = self._known.popitem(last=False)
            size -= known.size

    async def judge(self, endpoint: Endpoint) -> Endpoint:
        """Let an endpoint that is about to be written match what it matches."""
        if endpoint.state is not EndpointState.READY:
            return endpoint
        known = self._entry(endpoint.application).filters
        if known is None or known.generation < endpoint.filters_as_of:
            known = await self.filters_now(endpoint.application)
        if known.generation == endpoint.filters_as_of == 0:
            return endpoint
        ids = known.matched_by(endpoint)
        cause = [] if ids == endpoint.filters else [entry.event() for entry in endpoint.outbox[-1:]]
        return known.grouping(endpoint, ids, correlation_id="".join(each.correlation_id for each in cause))

    async def catch_up(self, endpoint: Endpoint, *, since: int) -> Endpoint | None:
        """Judge an endpoint again if other filters are there; what is stored then, if anything is.

        Who is faster has an event of its own in the outbox, and is asked the same before that leaves.
        """
        filters = await self._filters_since(endpoint.application, since)
        if endpoint.filters_as_of == filters.generation:
            return None
        now = await self._endpoints.find(endpoint.id, outbox=True)
        if now is None or now.state is not EndpointState.READY or now.application != filters.application:
            return None
        if filters.are_older_for(now):
            # What is read now is not older. If it seems to be, the application was removed and created again,
            # and somebody who had not heard of that judged by the filters it once had.
            filters = await self.filters_now(now.application)
        after = judged_anyhow(now, filters)
        # Whether there is room in the outbox does not matter: nothing leaves it before this is done.
        if after is None or not await self._endpoints.replace(now, after):
            return None
        return after

    async def _read(self, application: ApplicationName, before: FilterSet | None) -> FilterSet:
        if before is not None and before.stamp == await self._filters.stamp(application):
            return before
        return await self._filters.find(application)

    def _entry(self, application: ApplicationName) -> _Known:
        known = self._known.setdefault(application, _Known())
        self._known.move_to_end(application)
        if len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)
        return known
