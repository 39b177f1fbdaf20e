"""Telemetry from a transport into the stream: gathered, published, acknowledged when durable.

A publish costs the same for one message as for a batch, so what arrives is gathered (protocol/delivery.md
rules 2, 3 and 5). How long, nobody configures: an idle path publishes at once; while a batch is on its way
the next one fills, so batches grow with the latency of the disk. Full batches go out beside each other. A
batch keeps its number and its bytes through every retry, and a message of unknown fate never moves to
another one.

What waits here was taken into somebody's budget of bytes and is bounded by that.
"""

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Final, Protocol, TypeAlias

import msgspec
import structlog
from prometheus_client import Counter, Gauge, Histogram

from libs.bus.publishing import Announced
from libs.bus.tasks import TaskSet
from libs.contracts.errors import GroveError, InternalError, UnavailableError
from libs.contracts.ingest import (
    FORMAT,
    MAX_BATCH_BYTES,
    MAX_BATCH_SAMPLES,
    MAX_MESSAGES,
    IngestBatch,
    IngestMessage,
    batch_id,
    ingest_subject,
)
from libs.contracts.subjects import Subjects

DEADLINE_S: Final = 15.0
"""An R3 leader change takes 4 to 6.5 s and must not surface."""
MAX_IN_FLIGHT: Final = 16
"""Batches on their way at the same time."""

Ticket: TypeAlias = Any
"""Whatever its owner recognises a message by."""

_BATCHES = Counter("grove_ingest_batches_total", "Batches of telemetry published, by outcome.", ["outcome"])
_STORED, _FAILED = _BATCHES.labels("stored"), _BATCHES.labels("failed")
_MESSAGES = Counter("grove_ingest_messages_total", "Messages of telemetry that became durable.")
_SIZES = Histogram(
    "grove_ingest_batch_messages", "Messages of a batch.", buckets=(1, 2, 4, 8, 16, 32, 64, 128, 256)
)
_SECONDS = Histogram(
    "grove_ingest_publish_seconds",
    "From a batch's first publish to its being durable.",
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15, 60),
)
_IN_FLIGHT = Gauge("grove_ingest_in_flight", "Batches on their way.")
_LOOK_FOR_ROOM_S: Final = 0.5
_MAX_UTF8: Final = 4
"""Bytes of a character: a resource may be 7,000 characters long, and counts like a payload."""
_log = structlog.get_logger()

_encode = msgspec.msgpack.Encoder().encode


def resource_bytes(resource: str) -> int:
    """What a resource may take of a batch's bytes."""
    return _MAX_UTF8 * len(resource)


class IngestBus(Protocol):
    """What ingesting needs of a :class:`libs.bus.Bus`."""

    subjects: Subjects

    async def store(
        self, subject: str, body: bytes, *, msg_id: str, deadline_s: float, wait_when_full: bool = ...
    ) -> Announced: ...


class Owners(Protocol):
    """Whoever handed messages in, told of whole batches; none of this may fail."""

    def sent(self, counter: int, tickets: Sequence[Ticket]) -> None:
        """A batch is about to be published: what becomes of it may be heard from now on."""

    def stored(self, counter: int, tickets: Sequence[Ticket]) -> None:
        """It is durable; the tickets are in the order of its positions, each for all that it was put with."""

    def failed(self, counter: int, tickets: Sequence[Ticket], error: GroveError) -> None:
        """It is not durable, or nobody knows."""


class _Batch:
    """Messages gathered for one publish."""

    __slots__ = ("messages", "samples", "size", "tickets")

    def __init__(self) -> None:
        self.messages: list[IngestMessage] = []
        self.tickets: list[Ticket] = []
        self.size = 0
        self.samples = 0


class Ingest:
    """Gathers and publishes the telemetry of one transport process."""

    def __init__(
        self,
        bus: IngestBus,
        *,
        run_id: int,
        owners: Owners,
        wait_when_full: bool,
        deadline_s: float = DEADLINE_S,
        has_room: Callable[[], bool] = lambda: True,
    ) -> None:
        """Publish as run ``run_id``.

        Args:
            bus: Where to.
            run_id: Of this process, 64 bits.
            owners: Told what becomes of the messages.
            wait_when_full: Whether messages wait while the stream is full, because whoever sends them is
                stopped meanwhile, or fail after the deadline.
            deadline_s: How long a batch is published until it has failed.
            has_room: Whether the disk below the stream takes more; while it does not the stream is full.
        """
        self._bus = bus
        self._subject = ingest_subject(bus.subjects)
        self._run_id = run_id
        self._owners = owners
        self._wait_when_full = wait_when_full
        self._deadline_s = deadline_s
        self._has_room = has_room
        self._gathering = _Batch()
        self._full: deque[_Batch] = deque()
        self._tasks = TaskSet(limit=MAX_IN_FLIGHT)
        self._in_flight = 0
        self._counter = 0
        self._scheduled = False
        self._stopped = False
        self._idle = asyncio.Event()
        self._loop = asyncio.get_running_loop()

    @property
    def room(self) -> int:
        """Messages that the batch being filled can take, at least one."""
        return MAX_MESSAGES - len(self._gathering.messages)

    def put(self, message: IngestMessage, ticket: Ticket, *, samples: int) -> None:
        """Take a message that passed the check; its ticket comes back when its fate is known."""
        size = len(message.payload) + resource_bytes(message.resource)
        self.put_all([message], ticket, size=size, samples=samples)

    def put_all(self, messages: Sequence[IngestMessage], ticket: Ticket, *, size: int, samples: int) -> None:
        """Take messages that stay together: no more than there is room for, or than a batch may hold.

        Args:
            messages: That passed the check.
            ticket: Of all of them.
            size: Of their payloads, and of their resources as :func:`resource_bytes` counts.
            samples: That they carry.
        """
        batch = self._gathering
        if batch.messages and (
            batch.size + size > MAX_BATCH_BYTES or batch.samples + samples > MAX_BATCH_SAMPLES
        ):
            batch = self._close()
        batch.messages += messages
        batch.tickets.append(ticket)
        batch.size += size
        batch.samples += samples
        if len(batch.messages) >= MAX_MESSAGES:
            self._close()
        if not self._scheduled:
            self._scheduled = True
            self._loop.call_soon(self._start)

    async def stop(self, *, within_s: float) -> None:
        """Publish what was gathered and return when all of it has been told, or its time is over."""
        self._start()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                await self._settled()
        self._stopped = True
        await self._tasks.finish(within_s=0.0)
        for batch in (*self._full, self._gathering):
            if batch.tickets:
                self._owners.failed(0, batch.tickets, UnavailableError("the service is stopping"))

    async def _settled(self) -> None:
        while self._in_flight:  # when nothing is on its way, nothing waits either
            self._idle.clear()
            await self._idle.wait()

    def _close(self) -> _Batch:
        self._full.append(self._gathering)
        self._gathering = _Batch()
        return self._gathering

    def _start(self) -> None:
        """Publish what may be: full batches beside each other, a part of one when nothing is on its way."""
        self._scheduled = False
        if self._stopped:
            return
        while self._full and self._in_flight < MAX_IN_FLIGHT:
            self._publish_soon(self._full.popleft())
        if self._gathering.messages and not self._in_flight:
            batch, self._gathering = self._gathering, _Batch()
            self._publish_soon(batch)

    def _publish_soon(self, batch: _Batch) -> None:
        self._counter += 1
        self._in_flight += 1
        _IN_FLIGHT.set(self._in_flight)
        self._tasks.spawn(self._publish(batch, self._counter), name="publish telemetry")

    async def _publish(self, batch: _Batch, counter: int) -> None:
        began = time.perf_counter()
        self._owners.sent(counter, batch.tickets)
        try:
            await self._store(batch, counter)
        except GroveError as error:
            _FAILED.inc()
            _log.warning("ingest_failed", messages=len(batch.messages), reason=error.reason_phrase)
            self._owners.failed(counter, batch.tickets, error)
        except asyncio.CancelledError:
            self._owners.failed(counter, batch.tickets, UnavailableError("the service is stopping"))
            raise
        except Exception as error:  # noqa: BLE001 - the boundary: nothing of it is acknowledged
            _FAILED.inc()
            _log.error("ingest_failed", messages=len(batch.messages), exc_info=error)
            self._owners.failed(counter, batch.tickets, InternalError())
        else:
            _STORED.inc()
            _MESSAGES.inc(len(batch.messages))
            _SIZES.observe(len(batch.messages))
            _SECONDS.observe(time.perf_counter() - began)
            self._owners.stored(counter, batch.tickets)
        finally:
            self._in_flight -= 1
            _IN_FLIGHT.set(self._in_flight)
            self._start()
            if not self._in_flight:
                self._idle.set()

    async def _store(self, batch: _Batch, counter: int) -> None:
        while not self._has_room():
            if not self._wait_when_full:
                raise UnavailableError("the disk has no room for more telemetry")
            await asyncio.sleep(_LOOK_FOR_ROOM_S)
        body = _encode(IngestBatch(FORMAT, self._run_id, counter, batch.messages))
        await self._bus.store(
            self._subject,
            body,
            msg_id=batch_id(self._run_id, counter),
            deadline_s=self._deadline_s,
            wait_when_full=self._wait_when_full,
        )
