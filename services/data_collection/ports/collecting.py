"""What collecting needs from the rest of the world.

The query side reads samples through the same :class:`SampleRepository` and is told of new ones
by :class:`Derived`.
"""

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from libs.contracts.data_events import DataSamplesEvent, RejectedMessage, TimeSeriesEvent
from libs.contracts.ingest import IngestReplies
from services.data_collection.domain.configuration import TimeSeriesConfiguration
from services.data_collection.domain.samples import Derivable, Place, Sample
from services.data_collection.domain.storing import Inserted


class SampleRepository(Protocol):
    """All samples of all applications."""

    async def insert(self, samples: Sequence[Sample]) -> Inserted:
        """Store samples, at most 1,000; those that are there already, under the same id, stay as they are.

        Raises:
            UnavailableError: Nobody knows what was stored; all of them have to be inserted again.
        """
        ...

    def between(
        self,
        endpoint_ids: Sequence[str],
        from_ms: int,
        to_ms: int,
        *,
        after: Place | None = None,
        limit: int | None = None,
        newest_first: bool = False,
    ) -> AsyncIterator[Sample]:
        """Find samples with ``from_ms <= time_ms < to_ms``.

        Endpoint by endpoint in the order given, each ordered by time, then id; both descending if
        ``newest_first``. Read page by page behind the scenes: stopping early costs little.

        Args:
            endpoint_ids: Whose.
            from_ms: Sample time, inclusive.
            to_ms: Sample time, exclusive.
            after: Continue behind this sample, in the order asked for; its endpoint must be one of these.
            limit: At most so many altogether.
            newest_first: From the latest to the oldest.

        Raises:
            UnavailableError: The store is away.
        """
        ...

    def endpoints_of(self, application: str) -> AsyncIterator[str]:
        """Name the endpoints of an application that have, or once had, samples.

        Raises:
            UnavailableError: The store is away.
        """
        ...

    def delete_older(
        self, endpoint_id: str, from_ms: int, before_ms: int, *, application: str
    ) -> AsyncIterator[int]:
        """Delete samples of an endpoint of a range of time; tell after each slice how many.

        Args:
            endpoint_id: Whose.
            from_ms: Sample time, inclusive.
            before_ms: Sample time, exclusive.
            application: To which the endpoint belonged when they were received.

        Raises:
            UnavailableError: The store is away; the rest stays.
        """
        ...

    def delete_received(self, endpoint_id: str, until_ms: int) -> AsyncIterator[int]:
        """Delete samples of an endpoint received until an instant; tell after each slice how many.

        Args:
            endpoint_id: Whose.
            until_ms: Receipt time, inclusive.

        Raises:
            UnavailableError: The store is away; the rest stays.
        """
        ...


class Derived(Protocol):
    """What is computed from samples: last values, rollups. Never on the way to an acknowledgement."""

    def note(self, samples: Sequence[Derivable]) -> None:
        """Take note of samples that are stored; returns at once, never raises.

        The same samples may be noted again after a crash or a lost acknowledgement. Whoever cannot keep
        up drops, counts, and computes again later from the :class:`SampleRepository`.
        """
        ...


class RemovalRepository(Protocol):
    """Endpoints that are gone, whose samples may still come."""

    async def add(self, endpoint_id: str, until_ms: int) -> None:
        """Remember that what was received of an endpoint until an instant has to go; the latest counts.

        Raises:
            UnavailableError: The store is away.
        """
        ...

    async def all(self) -> Mapping[str, int]:
        """Endpoint to instant, at most some thousands at a time.

        Raises:
            UnavailableError: The store is away.
        """
        ...

    async def drop(self, endpoint_id: str, until_ms: int) -> None:
        """Forget it, unless a later instant was added.

        Raises:
            UnavailableError: The store is away.
        """
        ...


class Configurations(Protocol):
    """What applications say about their samples."""

    async def of(self, app_version: str) -> TimeSeriesConfiguration:
        """Find what holds for a version; what was never configured, or is no version any more, has defaults.

        Raises:
            UnavailableError: Nobody knows now.
        """
        ...


class Retentions(Protocol):
    """How long applications keep their samples."""

    async def retentions(self) -> Mapping[str, int]:
        """Application to milliseconds, of those that do not keep them for ever.

        Raises:
            UnavailableError: Nobody knows now.
        """
        ...


class DataEvents(Protocol):
    """Tells everyone what is stored."""

    async def tell(
        self, samples: Iterator[DataSamplesEvent], points: Mapping[str, Iterator[TimeSeriesEvent]]
    ) -> None:
        """Tell of samples, and of points by series; asks only for as much as somebody hears.

        Raises:
            UnavailableError: There is no connection; some may have been heard.
        """
        ...


class Replies(Protocol):
    """Tells transports what became of their batches."""

    async def reply(self, run_id: int, replies: IngestReplies) -> None:
        """Tell one transport process; it may be gone.

        Raises:
            UnavailableError: There is no connection.
        """
        ...


class Rejections(Protocol):
    """Keeps what cannot be stored."""

    async def reject(self, message: RejectedMessage, *, msg_id: str) -> None:
        """Return when it is durable; the same id again changes nothing.

        Raises:
            UnavailableError: Not acknowledged in time.
        """
        ...


class Backlog(Protocol):
    """How far the stream of batches is drained."""

    @property
    def messages(self) -> int: ...
    @property
    def first_sequence(self) -> int: ...
    @property
    def oldest_ms(self) -> int | None: ...
    @property
    def floor(self) -> int: ...


class Kept(Protocol):
    """A message in the stream."""

    @property
    def sequence(self) -> int: ...
    @property
    def body(self) -> bytes: ...


class Ingest(Protocol):
    """The stream of batches, beside its consumer."""

    async def backlog(self) -> Backlog:
        """Tell how far it is drained.

        Raises:
            UnavailableError: JetStream does not answer.
        """
        ...

    async def find(self, *, from_sequence: int) -> Kept | None:
        """Read the first message at or behind a sequence.

        Raises:
            UnavailableError: JetStream does not answer.
        """
        ...

    async def delete(self, sequence: int) -> bool:
        """Delete a message; whether it was there.

        Raises:
            UnavailableError: JetStream does not answer.
        """
        ...


class Clock(Protocol):
    """What time it is."""

    def now(self) -> datetime:
        """Give the instant."""
        ...
