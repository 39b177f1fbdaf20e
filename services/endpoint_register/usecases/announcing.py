"""Events leave their outboxes, in order per endpoint, without anybody waiting for it.

Whoever changes an endpoint offers it here and answers its caller at once; the event is safe in the
same document as the change. Workers publish it with acknowledgement, and what was published is taken
out of many outboxes by one write. Memory is bounded: what does not fit, could not be published or was
left behind by a dead replica stays where it is, and :mod:`.sweeping` offers it again.

Two replicas may publish the same outbox at once. Each does it from its beginning, so the first copies
are in order, and the stream drops the second ones by their id.
"""

import asyncio
from collections import OrderedDict
from dataclasses import replace
from typing import Final

import structlog

from libs.contracts.errors import GroveError
from libs.contracts.ids import EndpointId
from libs.contracts.lifecycle import APP_VERSION_UPDATED
from services.endpoint_register.domain.endpoint import Endpoint, OutboxEntry
from services.endpoint_register.domain.listing import listed
from services.endpoint_register.ports import EndpointListing, EndpointRepository, EventPublisher

MAX_WAITING: Final = 4096
MAX_WAITING_BYTES: Final = 32 * 1024 * 1024

_WORKERS: Final = 32
_PUBLISH_S: Final = 10.0
_GATHER_S: Final = 0.02
_FORGET_AT_ONCE: Final = 256
_REMEMBERED: Final = 4096

_log = structlog.get_logger()


class Announcer:
    """Publishes what it is offered; :meth:`run` is its root task."""

    def __init__(
        self, *, endpoints: EndpointRepository, listing: EndpointListing, events: EventPublisher
    ) -> None:
        self._endpoints = endpoints
        self._listing = listing
        self._events = events
        self._waiting: dict[EndpointId, Endpoint] = {}
        self._waiting_bytes = 0
        self._busy: set[EndpointId] = set()
        self._turns: asyncio.Queue[EndpointId] = asyncio.Queue()
        self._told: OrderedDict[EndpointId, tuple[str, int]] = OrderedDict()
        self._to_forget: dict[EndpointId, tuple[Endpoint, int]] = {}
        self._something_told = asyncio.Event()
        self._forgetting = False

    def __len__(self) -> int:
        """Count the endpoints whose events are known to wait."""
        return len(self._waiting) + len(self._busy)

    def offer(self, endpoint: Endpoint) -> None:
        """Publish the events in this endpoint's outbox soon; what does not fit is left to the sweeper."""
        known = self._waiting.get(endpoint.id)
        if not endpoint.outbox or (known is not None and known.seq >= endpoint.seq):
            return
        known_bytes = known.outbox_bytes if known is not None else 0
        size = self._waiting_bytes - known_bytes + endpoint.outbox_bytes
        if size > MAX_WAITING_BYTES or (known is None and len(self._waiting) >= MAX_WAITING):
            return
        self._waiting_bytes = size
        self._waiting[endpoint.id] = replace(endpoint, metadata={})
        if known is None and endpoint.id not in self._busy:
            self._turns.put_nowait(endpoint.id)

    async def run(self) -> None:
        """Publish until cancelled."""
        async with asyncio.TaskGroup() as group:
            for number in range(_WORKERS):
                group.create_task(self._work(), name=f"announcing {number}")
            group.create_task(self._forget_told(), name="forgetting told events")

    async def stop(self) -> None:
        """Return when everything offered so far has left; the process limits how long that may take."""
        # The workers have no event for "idle", and this happens once in a life.
        while self._waiting or self._busy or self._to_forget or self._forgetting:  # noqa: ASYNC110 - see above
            await asyncio.sleep(_GATHER_S)

    async def _work(self) -> None:
        while True:
            endpoint_id = await self._turns.get()
            self._busy.add(endpoint_id)
            try:
                while (endpoint := self._waiting.pop(endpoint_id, None)) is not None:
                    self._waiting_bytes -= endpoint.outbox_bytes
                    await self._tell(endpoint)
            except GroveError as error:
                _log.warning("outbox.waits", endpoint=endpoint_id, reason=error.reason_phrase)
            finally:
                self._busy.discard(endpoint_id)
                if endpoint_id in self._waiting:
                    self._turns.put_nowait(endpoint_id)

    async def _tell(self, endpoint: Endpoint) -> None:
        incarnation, told = self._told.get(endpoint.id, ("", 0))
        if incarnation != endpoint.incarnation:
            told = 0
        for entry in endpoint.outbox:
            if entry.seq > told:
                await self._publish(endpoint, entry)
                self._remember(endpoint, entry.seq)
        last = endpoint.outbox[-1].seq
        self._to_forget[endpoint.id] = (endpoint, last)
        self._something_told.set()

    async def _publish(self, endpoint: Endpoint, entry: OutboxEntry) -> None:
        if entry.kind is APP_VERSION_UPDATED:
            await self._list_again(endpoint.id)
        await self._events.publish(
            entry.kind, entry.event(), message_id=endpoint.message_id(entry), deadline_s=_PUBLISH_S
        )

    async def _list_again(self, endpoint_id: EndpointId) -> None:
        """Make sure that a move is seen in lists, should its mover have died before it did that."""
        endpoint = await self._endpoints.find(endpoint_id, metadata=False)
        if endpoint is not None:
            await self._listing.put(listed(endpoint))

    def _remember(self, endpoint: Endpoint, seq: int) -> None:
        """Do not publish it again should it be offered by somebody who read the outbox before."""
        self._told[endpoint.id] = (endpoint.incarnation, seq)
        self._told.move_to_end(endpoint.id)
        if len(self._told) > _REMEMBERED:
            self._told.popitem(last=False)

    async def _forget_told(self) -> None:
        """Empty outboxes, many at once: this is the only write that an event costs besides its own."""
        while True:
            await self._something_told.wait()
            await asyncio.sleep(_GATHER_S)
            self._forgetting = True
            told = [self._to_forget.pop(each) for each in list(self._to_forget)[:_FORGET_AT_ONCE]]
            if not self._to_forget:
                self._something_told.clear()
            try:
                await self._endpoints.forget_told(told)
            except GroveError as error:
                _log.warning("outbox.not_emptied", endpoints=len(told), reason=error.reason_phrase)
            finally:
                self._forgetting = False
