"""Events leave their outboxes, in order per endpoint, without anybody waiting for it.

Whoever changes an endpoint offers it here and answers its caller at once; the event is safe in the
same document as the change. Workers publish it with acknowledgement, wait a moment for more of the same
endpoint, and take all that was published out of the outbox with one write. Memory is bounded: what does
not fit, could not be published or was left behind by a dead replica stays where it is, and
:mod:`.sweeping` offers it again.

Two replicas may publish the same outbox at once. Each does it from its beginning, so the first copies
are in order, and the stream drops the second ones by their id.
"""

import asyncio
from collections import OrderedDict
from contextlib import suppress
from dataclasses import replace
from typing import Final

import structlog

from libs.contracts.errors import GroveError
from libs.contracts.filters import ENDPOINT_MATCHED, ENDPOINT_UNMATCHED
from libs.contracts.ids import EndpointId
from libs.contracts.lifecycle import APP_VERSION_UPDATED
from services.endpoint_register.domain.endpoint import Endpoint, EndpointState, OutboxEntry
from services.endpoint_register.ports import EndpointListing, EndpointRepository, EventPublisher, Judging
from services.endpoint_register.usecases.enlisting import enlist

MAX_WAITING: Final = 4096
MAX_WAITING_BYTES: Final = 32 * 1024 * 1024

_WORKERS: Final = 128
"""Each holds one endpoint until it is quiet."""

_FORGOTTEN_TOGETHER: Final = 64
"""With one write for those that are at the same event, as new ones are: a fourth of the time on the embedded
store. Bulks of many writes starve there: each statement of them waits for all other writers."""

_PUBLISH_S: Final = 10.0
_STOP_S: Final = 5.0
_QUIET_S: Final = 0.05
_FORGET_AT_LEAST_EVERY: Final = 64
_REMEMBERED: Final = 4096
_LISTED: Final = (APP_VERSION_UPDATED, ENDPOINT_MATCHED, ENDPOINT_UNMATCHED)
"""Events that are not published before lists show what they say."""

_log = structlog.get_logger()


class Announcer:
    """Publishes what it is offered; :meth:`run` is its root task."""

    def __init__(
        self,
        *,
        endpoints: EndpointRepository,
        listing: EndpointListing,
        events: EventPublisher,
        judging: Judging,
    ) -> None:
        self._endpoints = endpoints
        self._listing = listing
        self._events = events
        self._judging = judging
        self._waiting: dict[EndpointId, Endpoint] = {}
        self._waiting_bytes = 0
        self._busy: dict[EndpointId, asyncio.Event] = {}
        self._turns: asyncio.Queue[EndpointId] = asyncio.Queue()
        self._told: OrderedDict[EndpointId, tuple[str, int]] = OrderedDict()
        self._quiet: list[Endpoint] = []
        self._forgetting = asyncio.Lock()

    def __len__(self) -> int:
        """Count the endpoints whose events are known to wait."""
        return len(self._waiting) + len(self._busy)

    @property
    def is_busy(self) -> bool:
        """Whether as much waits as half of what may."""
        return 2 * len(self._waiting) > MAX_WAITING or 2 * self._waiting_bytes > MAX_WAITING_BYTES

    def offer(self, endpoint: Endpoint) -> None:
        """Publish the events in this endpoint's outbox soon; what does not fit is left to the sweeper."""
        if endpoint.state is not EndpointState.READY:
            return  # who removes it tells it, after its tokens are gone
        # What a newer release left, and all that came after it, is due until one of its replicas tells it.
        endpoint = replace(endpoint, metadata={}, outbox=endpoint.tellable)
        known = self._waiting.get(endpoint.id)
        if not endpoint.outbox or (known is not None and known.seq >= endpoint.seq):
            return
        known_bytes = known.outbox_bytes if known is not None else 0
        size = self._waiting_bytes - known_bytes + endpoint.outbox_bytes
        if size > MAX_WAITING_BYTES or (known is None and len(self._waiting) >= MAX_WAITING):
            return
        self._waiting_bytes = size
        self._waiting[endpoint.id] = endpoint
        if endpoint.id in self._busy:
            self._busy[endpoint.id].set()
        elif known is None:
            self._turns.put_nowait(endpoint.id)

    async def run(self) -> None:
        """Publish until cancelled."""
        async with asyncio.TaskGroup() as group:
            for number in range(_WORKERS):
                group.create_task(self._work(), name=f"announcing {number}")

    async def stop(self) -> None:
        """Return when what was offered has left, or soon: what has not is safe where it is."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_STOP_S):
                # The workers have no event for "idle", and this happens once in a life.
                while self._waiting or self._busy:  # noqa: ASYNC110 - see above
                    await asyncio.sleep(_QUIET_S)

    async def _work(self) -> None:
        while True:
            endpoint_id = await self._turns.get()
            self._busy[endpoint_id] = asyncio.Event()
            try:
                while endpoint_id in self._waiting:
                    await self._empty(endpoint_id)
            except GroveError as error:
                _log.warning("outbox.waits", endpoint=endpoint_id, reason=error.reason_phrase)
            finally:
                del self._busy[endpoint_id]
                if endpoint_id in self._waiting:
                    self._turns.put_nowait(endpoint_id)

    async def _empty(self, endpoint_id: EndpointId) -> None:
        """Publish what an endpoint has to tell until it is quiet for a moment, and forget all of it."""
        endpoint, since = self._take(endpoint_id), self._judging.moment()
        first = endpoint.outbox[0].seq
        await self._tell(endpoint)
        while endpoint.seq - first < _FORGET_AT_LEAST_EVERY and await self._has_more(endpoint_id):
            endpoint, since = self._take(endpoint_id), self._judging.moment()
            await self._tell(endpoint)
        # Filters that were read for another endpoint while this one was quiet serve it as well.
        caught_up = await self._judging.catch_up(endpoint, since=since)
        if caught_up is not None:
            self.offer(caught_up)
        await self._forget(endpoint)

    async def _forget(self, endpoint: Endpoint) -> None:
        """Return when its outbox is emptied, or who tried failed: then it stays due, and is offered again.

        Whoever gets its turn empties those that came before it, too; so each is done when its own has come.
        """
        self._quiet.append(endpoint)
        async with self._forgetting:
            together = self._quiet[:_FORGOTTEN_TOGETHER]
            del self._quiet[:_FORGOTTEN_TOGETHER]
            if together:
                await self._endpoints.forget_told(together)

    async def _has_more(self, endpoint_id: EndpointId) -> bool:
        more = self._busy[endpoint_id]
        more.clear()
        if endpoint_id not in self._waiting:
            with suppress(TimeoutError):
                async with asyncio.timeout(_QUIET_S):
                    await more.wait()
        return endpoint_id in self._waiting

    def _take(self, endpoint_id: EndpointId) -> Endpoint:
        endpoint = self._waiting.pop(endpoint_id)
        self._waiting_bytes -= endpoint.outbox_bytes
        return endpoint

    async def _tell(self, endpoint: Endpoint) -> None:
        incarnation, told = self._told.get(endpoint.id, ("", 0))
        if incarnation != endpoint.incarnation:
            told = 0
        untold = [entry for entry in endpoint.outbox if entry.seq > told]
        if any(entry.kind in _LISTED for entry in untold):
            await self._list_again(endpoint.id)
        for entry in untold:
            await self._publish(endpoint, entry)
            self._remember(endpoint, entry.seq)

    async def _publish(self, endpoint: Endpoint, entry: OutboxEntry) -> None:
        await self._events.publish(
            entry.kind, entry.event(), message_id=endpoint.message_id(entry), deadline_s=_PUBLISH_S
        )

    async def _list_again(self, endpoint_id: EndpointId) -> None:
        """Make sure that lists show what an event says: its writer may have died before it did that."""
        endpoint = await self._endpoints.find(endpoint_id, metadata=False)
        if endpoint is not None:
            await enlist(endpoint, endpoints=self._endpoints, listing=self._listing)

    def _remember(self, endpoint: Endpoint, seq: int) -> None:
        """Do not publish it again should it be offered by somebody who read the outbox before."""
        self._told[endpoint.id] = (endpoint.incarnation, seq)
        self._told.move_to_end(endpoint.id)
        if len(self._told) > _REMEMBERED:
            self._told.popitem(last=False)
