"""How much telemetry one endpoint may send: a token bucket for each, in samples.

A device that is not served fairly slows everybody: the store takes some thousand samples a second, and two
clients that send batches of thousands leave a backlog behind which all others wait. Off unless a rate is set.

What a bucket holds is spelt as one instant, that at which it will be full again (the "theoretical arrival
time" of GCRA, ITU-T I.371): a bucket that is full needs no entry at all. A message is taken while there is
one sample in the bucket and may overdraw it, so that a message larger than the bucket passes too, and those
behind it wait for longer.
"""

import asyncio
import math
import time
from collections.abc import Callable
from typing import Final

from prometheus_client import Counter

from libs.contracts.errors import TooManyRequestsError

_MIN_ENTRIES: Final = 1_024
_ROUNDING: Final = 1e-6
"""Of a sample: what sums of durations may be off."""
_LIMITED = Counter(
    "grove_ingest_limited_total",
    "Messages of endpoints over their rate, by what became of them.",
    ["outcome"],
)
_DELAYED, _REFUSED = _LIMITED.labels("delayed"), _LIMITED.labels("refused")


class TokenBuckets:
    """The buckets of one transport process."""

    def __init__(
        self, *, samples_per_s: float, burst: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Fill each bucket with ``samples_per_s`` up to ``burst`` samples; a rate of 0 limits nothing."""
        self._samples_per_s = samples_per_s
        self._tolerance_s = (burst - 1 + _ROUNDING) / samples_per_s if samples_per_s else 0.0
        self._clock = clock
        self._full_at: dict[str, float] = {}
        self._sweep_at = _MIN_ENTRIES

    def __len__(self) -> int:
        """Count the buckets that were not full when last looked at."""
        return len(self._full_at)

    def take(self, endpoint_id: str, samples: int) -> bool:
        """Take so many samples out of a bucket; False, and nothing is taken, when it is empty."""
        if not self._samples_per_s:
            return True
        now = self._clock()
        if self._empty_for_s(endpoint_id, now):
            return False
        self._charge(endpoint_id, samples, now)
        return True

    async def admit(self, endpoint_id: str, samples: int, *, by: float | None = None) -> bool:
        """Take so many samples as soon as there is anything in the bucket; returns whether that took a while.

        Whoever waits is paid for in his transport's budget of bytes, and no more waits for one bucket than
        the rate allows until then.

        Args:
            endpoint_id: Whose bucket.
            samples: How many.
            by: When they must be there, in seconds of the loop's clock; None = at once.

        Raises:
            TooManyRequestsError: It takes longer than until ``by``.
        """
        if not self._samples_per_s:
            return False
        now = self._clock()
        wait_s = self._empty_for_s(endpoint_id, now)
        patience_s = 0.0 if by is None else by - asyncio.get_running_loop().time()
        if wait_s and wait_s > patience_s:
            _REFUSED.inc()
            raise TooManyRequestsError(
                f"over the limit of {self._samples_per_s:g} samples a second", retry_after_s=math.ceil(wait_s)
            )
        self._charge(endpoint_id, samples, now)
        if not wait_s:
            return False
        _DELAYED.inc()
        await asyncio.sleep(wait_s)
        return True

    def _empty_for_s(self, endpoint_id: str, now: float) -> float:
        return max(0.0, self._full_at.get(endpoint_id, 0.0) - self._tolerance_s - now)

    def _charge(self, endpoint_id: str, samples: int, now: float) -> None:
        self._full_at[endpoint_id] = (
            max(self._full_at.get(endpoint_id, 0.0), now) + samples / self._samples_per_s
        )
        if len(self._full_at) >= self._sweep_at:
            self._full_at = {name: full_at for name, full_at in self._full_at.items() if full_at > now}
            self._sweep_at = max(_MIN_ENTRIES, 2 * len(self._full_at))
