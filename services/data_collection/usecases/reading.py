"""Read samples of a long range in spans: a store may look at all of a range before it gives out the first.

The embedded one does (57 us a sample of the range, measured), so a span holds about a thousand samples: it
grows fourfold while there are few and shrinks when there are many. An empty range of any length costs a few
questions.
"""

from collections.abc import AsyncIterator
from typing import Final

from services.data_collection.domain.durations import HOUR_MS
from services.data_collection.domain.samples import Place, Sample
from services.data_collection.ports.collecting import SampleRepository

_FEW: Final = 250
_MANY: Final = 2_000
_FACTOR: Final = 4


async def in_spans(
    samples: SampleRepository,
    endpoint_id: str,
    span: tuple[int, int],
    *,
    after: Place | None = None,
    newest_first: bool = False,
    first_ms: int = HOUR_MS,
) -> AsyncIterator[Sample]:
    """Find the samples of an endpoint with ``span[0] <= time_ms < span[1]``, by time, then id.

    Args:
        samples: Where they are.
        endpoint_id: Whose.
        span: The range.
        after: Continue behind this sample, in the order asked for.
        newest_first: From the latest to the oldest.
        first_ms: Length of the first span.
    """
    first, end = span
    if after is not None:
        first, end = (first, after.time_ms + 1) if newest_first else (after.time_ms, end)
    length = first_ms
    while first < end:
        begin, stop = (max(first, end - length), end) if newest_first else (first, min(end, first + length))
        count = 0
        async for sample in samples.between(
            [endpoint_id], begin, stop, after=after, newest_first=newest_first
        ):
            count += 1
            yield sample
        first, end = (first, begin) if newest_first else (stop, end)
        if count < _FEW:
            length *= _FACTOR
        elif count > _MANY:
            length = max(1, length // _FACTOR)
