"""data-collection as a transport meets it: the stream it publishes to, what is in it, and replies."""

import asyncio
from collections.abc import Sequence

import msgspec

from libs.bus import Bus
from libs.bus.delivery import Delivery
from libs.contracts.ingest import IngestBatch, IngestMessage, IngestReplies, replies_subject
from libs.contracts.streams import collect_consumer, ingest_stream


class Collector:
    """Keeps INGEST and, once told to, drains it into memory."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self.batches: list[IngestBatch] = []

    @property
    def messages(self) -> list[IngestMessage]:
        """What was collected, in the order of the stream."""
        return [message for batch in self.batches for message in batch.messages]

    async def keep(self) -> None:
        """Make the stream."""
        await self._bus.ensure_stream(ingest_stream(self._bus.subjects))

    async def drain(self) -> None:
        """Collect until cancelled."""
        await self._bus.consume(collect_consumer(self._bus.subjects), self._take)

    async def reply(self, batch: IngestBatch, *refused: tuple[int, int, str]) -> None:
        """Tell the transport what became of a batch: all of it stored, but for what was refused."""
        gone = {position for position, _, _ in refused}
        stored = [position for position in range(len(batch.messages)) if position not in gone]
        replies = IngestReplies(batch.counter, stored, list(refused))
        await self._bus.send(replies_subject(self._bus.subjects, batch.run_id), replies)

    async def _take(self, deliveries: Sequence[Delivery]) -> None:
        for delivery in deliveries:
            self.batches.append(msgspec.msgpack.decode(delivery.body, type=IngestBatch))
        await asyncio.sleep(0)
