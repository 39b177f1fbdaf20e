"""What collecting needs from the rest of the world.

The query side reads samples through the same :class:`SampleRepository` and is told of new ones
by :class:`Derived`.
"""

from collections.abc import AsyncIterator, Sequence
from typing import Protocol

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

    async def delete_before(self, application: str, before_ms: int, *, limit: int) -> int:
        """Delete samples of an application with ``time_ms < before_ms`` and return how many; 0 = none is left.

        Raises:
            UnavailableError: The store is away.
        """
        ...

    async def delete_endpoint(self, endpoint_id: str, *, received_before_ms: int, limit: int) -> int:
        """Delete samples of an endpoint received before an instant and return how many; 0 = none is left.

        Raises:
            UnavailableError: The store is away.
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
