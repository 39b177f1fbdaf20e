"""Samples whose hours are marked before they are stored, so that no crash leaves an hour nobody computes."""

from collections.abc import AsyncIterator, Sequence

from services.data_collection.domain.samples import Place, Sample
from services.data_collection.domain.storing import Inserted
from services.data_collection.ports.collecting import SampleRepository
from services.data_collection.usecases.rollups import Derivation


class MarkedSamples:
    """A :class:`SampleRepository` around another one.

    A mark costs a write for each endpoint and hour, and every two minutes where an hour gets late data.
    """

    def __init__(self, samples: SampleRepository, derivation: Derivation) -> None:
        self._samples = samples
        self._derivation = derivation

    async def insert(self, samples: Sequence[Sample]) -> Inserted:
        """Mark, then store."""
        await self._derivation.mark((each.endpoint_id, each.time_ms) for each in samples)
        return await self._samples.insert(samples)

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
        """As the other one does."""
        return self._samples.between(
            endpoint_ids, from_ms, to_ms, after=after, limit=limit, newest_first=newest_first
        )

    def endpoints_of(self, application: str) -> AsyncIterator[str]:
        """As the other one does."""
        return self._samples.endpoints_of(application)

    def delete_older(
        self, endpoint_id: str, from_ms: int, before_ms: int, *, application: str
    ) -> AsyncIterator[int]:
        """As the other one does."""
        return self._samples.delete_older(endpoint_id, from_ms, before_ms, application=application)

    async def delete_received(self, endpoint_id: str, until_ms: int) -> AsyncIterator[int]:
        """Delete samples; when the last are gone, so is what was computed from them."""
        async for count in self._samples.delete_received(endpoint_id, until_ms):
            yield count
        await self._derivation.forget(endpoint_id)
