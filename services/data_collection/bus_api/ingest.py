"""Batches from the stream, read and handed to the use case; and endpoints that are gone.

A batch of a format we do not know waits for a newer replica; one that nobody can read is kept in REJECTED.
"""

import hashlib
from collections.abc import Sequence
from typing import Final

import msgspec
import structlog

from libs.bus import Bus, Delivery
from libs.contracts.data_events import RejectedMessage
from libs.contracts.ingest import FORMAT, IngestBatch
from libs.contracts.lifecycle import UnregisteredEvent
from libs.contracts.streams import collect_consumer, removals_consumer
from services.data_collection import metrics
from services.data_collection.ports import RemovalRepository
from services.data_collection.usecases.collecting import Collecting, collect

_NEWER_S: Final = 30.0
_MAX_UNREADABLE: Final = 512 * 1024
_MS_IN_S: Final = 1000
_MAX_RUN: Final = 2**64 - 1
_MAX_COUNTER: Final = 2**40 - 1

_UNREADABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_log = structlog.get_logger()


class _Head(msgspec.Struct, array_like=True):
    format: int


class NewerFormatError(Exception):
    """A batch of a format that a newer release makes."""

    def __init__(self, number: int) -> None:
        super().__init__(f"format {number}")
        self.number = number


class UnreadableError(Exception):
    """No batch at all."""


_decode_head = msgspec.msgpack.Decoder(_Head).decode
_decode = msgspec.msgpack.Decoder(IngestBatch).decode


def read_batch(body: bytes) -> IngestBatch:
    """Read a batch.

    Raises:
        NewerFormatError: A newer release made it.
        UnreadableError: Nobody will ever read it.
    """
    try:
        head = _decode_head(body)
        if head.format > FORMAT:
            raise NewerFormatError(head.format)
        batch = _decode(body)
    except _UNREADABLE as error:
        raise UnreadableError(str(error)) from error
    if not (0 <= batch.run_id <= _MAX_RUN and 0 <= batch.counter <= _MAX_COUNTER):
        raise UnreadableError("its run id or counter is out of range")
    return batch


class IngestHandlers:
    """What is done with deliveries."""

    def __init__(self, parts: Collecting, removals: RemovalRepository) -> None:
        self._parts = parts
        self._removals = removals
        self._newer: set[int] = set()

    async def on_batches(self, deliveries: Sequence[Delivery]) -> None:
        """Collect what can be read; returning acknowledges it."""
        batches: list[IngestBatch] = []
        with metrics.COLLECTING.time():
            for delivery in deliveries:
                try:
                    batch = read_batch(delivery.body)
                except NewerFormatError as error:
                    self._wait_for_newer(delivery, error)
                except UnreadableError as error:
                    await self._reject(delivery, error)
                else:
                    batches.append(batch)
                    _observe_skew(delivery, batch)
            if batches:
                await collect(batches, parts=self._parts)

    async def on_orphan(self, body: bytes) -> bool:
        """Collect a batch that stands in the stream beside its consumer; False = it has to stay there.

        Raises:
            GroveError: It cannot be done now.
        """
        try:
            batch = read_batch(body)
        except NewerFormatError:
            metrics.BATCHES.labels("newer format").inc()
            return False
        except UnreadableError as error:
            await self._keep(body, error, msg_id=f"orphan-{hashlib.sha256(body).hexdigest()}")
            return True
        await collect([batch], parts=self._parts)
        return True

    async def on_removed(self, deliveries: Sequence[Delivery]) -> None:
        """Remember whose samples have to go."""
        for delivery in deliveries:
            try:
                event = msgspec.msgpack.decode(delivery.body, type=UnregisteredEvent)
            except _UNREADABLE as error:
                _log.error("removal.not_readable", sequence=delivery.sequence, reason=str(error))
                delivery.term("not readable")
                continue
            # Tokens are gone before this is told, so nothing is received after it; who is given the same
            # id again is told of later, and keeps its samples.
            await self._removals.add(event.endpoint_id, event.timestamp or delivery.at_ms)

    def _wait_for_newer(self, delivery: Delivery, error: NewerFormatError) -> None:
        metrics.BATCHES.labels("newer format").inc()
        delivery.nak(delay_s=_NEWER_S)
        if error.number not in self._newer:
            self._newer.add(error.number)
            _log.error("ingest.newer_format", format=error.number, known=FORMAT)

    async def _reject(self, delivery: Delivery, error: UnreadableError) -> None:
        await self._keep(delivery.body, error, msg_id=f"{delivery.stream_created_ms}-{delivery.sequence}")
        delivery.ack()

    async def _keep(self, body: bytes, error: UnreadableError, *, msg_id: str) -> None:
        metrics.BATCHES.labels("not readable").inc()
        metrics.REJECTED.labels("not readable").inc()
        _log.error("ingest.not_readable", bytes=len(body), reason=str(error))
        await self._parts.rejections.reject(
            RejectedMessage(
                reason=f"no batch: {error}", payload=body[:_MAX_UNREADABLE], payload_bytes=len(body)
            ),
            msg_id=msg_id,
        )


async def collect_batches(bus: Bus, handlers: IngestHandlers, *, batches: int) -> None:
    """Root task: one hand that takes batches from the stream."""
    await bus.consume(collect_consumer(bus.subjects), handlers.on_batches, batch=batches)


async def follow_removals(bus: Bus, handlers: IngestHandlers) -> None:
    """Root task: hear which endpoints are gone."""
    await bus.consume(removals_consumer(bus.subjects), handlers.on_removed)


def _observe_skew(delivery: Delivery, batch: IngestBatch) -> None:
    if batch.messages:
        metrics.SKEW.observe((delivery.at_ms - batch.messages[-1].received_ms) / _MS_IN_S)
