"""The ports of collecting that are the bus: events, replies, rejections, the stream."""

from collections.abc import Iterator, Mapping

from libs.bus import Bus
from libs.bus.inspecting import Backlog, Kept
from libs.contracts.data_events import (
    DATA_POINTS_RECEIVED,
    DATA_SAMPLES_RECEIVED,
    DataSamplesEvent,
    RejectedMessage,
    TimeSeriesEvent,
)
from libs.contracts.ingest import IngestReplies, ingest_subject, rejected_subject, replies_subject
from libs.contracts.messages import Event
from libs.contracts.streams import collect_consumer


class BusDataEvents:
    """Broadcasts, as far as somebody listens."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    async def tell(
        self, samples: Iterator[DataSamplesEvent], points: Mapping[str, Iterator[TimeSeriesEvent]]
    ) -> None:
        """Tell of samples and points."""
        subjects = self._bus.subjects
        events: dict[str, Iterator[Event]] = {DATA_SAMPLES_RECEIVED.subject(subjects): samples}
        for series, those in points.items():
            events[DATA_POINTS_RECEIVED.subject(subjects, series)] = those
        await self._bus.tell(events)


class BusReplies:
    """Sends replies to transport processes."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    async def reply(self, run_id: int, replies: IngestReplies) -> None:
        """Tell one transport process."""
        await self._bus.send(replies_subject(self._bus.subjects, run_id), replies)


class StreamRejections:
    """The stream REJECTED."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    async def reject(self, message: RejectedMessage, *, msg_id: str) -> None:
        """Return when it is stored there."""
        await self._bus.announce(rejected_subject(self._bus.subjects), message, msg_id=msg_id)


class StreamIngest:
    """The stream INGEST, beside its consumer."""

    def __init__(self, bus: Bus) -> None:
        self._inspector = bus.inspector
        self._spec = collect_consumer(bus.subjects)
        self._subject = ingest_subject(bus.subjects)

    async def backlog(self) -> Backlog:
        """Tell how far it is drained."""
        return await self._inspector.backlog(self._spec)

    async def find(self, *, from_sequence: int) -> Kept | None:
        """Read the first message at or behind a sequence."""
        return await self._inspector.find(self._spec.stream, self._subject, from_sequence=from_sequence)

    async def delete(self, sequence: int) -> bool:
        """Delete a message."""
        return await self._inspector.delete(self._spec.stream, sequence)
