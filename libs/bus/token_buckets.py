"""How much one name may do: a token bucket for each. Samples of an endpoint, requests of an API key.

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
"""Of a unit: what sums of durations may be off."""
_LIMITED = Counter(
    "grove_ingest_limited_total",
    "Messages of endpoints over their rate, by what became of them.",
    ["outcome"],
)
_DELAYED, _REFUSED = _LIMITED.labels("delayed"), _LIMITED.labels("refused")


class Buckets:
    """A bucket for each name, in units of whatever is limited."""

    def __init__(self, *, rate: float, burst: int, clock: Callable[[], float] = time.monotonic) -> None:
        """Fill each bucket with ``rate`` units a second up to ``burst``; a rate of 0 limits nothing."""
        self.rate = rate
        self._tolerance_s = (burst - 1 + _ROUNDING) / rate if rate else 0.0
        self._clock = clock
        self._full_at: dict[str, float] = {}
        self._sweep_at = _MIN_ENTRIES

    def __len__(self) -> int:
        """Count the buckets that were not full when last looked at."""
        return len(self._full_at)

    def empty_for_s(self, name: str) -> float:
        """How long until there is anything in a bucket, seconds; 0 = there is."""
        return self._empty_for_s(name, self._clock()) if self.rate else 0.0

    def charge(self, name: str, units: int) -> None:
        """Take so many units, whatever the bucket holds."""
        if self.rate:
            self._charge(name, units, self._clock())

    def take(self, name: str, units: int = 1) -> float:
        """Take so many units; else, and nothing is taken, tell for how long the bucket is empty, seconds."""
        if not self.rate:
            return 0.0
        now = self._clock()
        wait_s = self._empty_for_s(name, now)
        if not wait_s:
            self._charge(name, units, now)
        return wait_s

    def _empty_for_s(self, name: str, now: float) -> float:
        return max(0.0, self._full_at.get(name, 0.0) - self._tolerance_s - now)

    def _charge(self, name: str, units: int, now: float) -> None:
        self._full_at[name] = max(self._full_at.get(name, 0.0), now) + units / self.rate
        if len(self._full_at) >= self._sweep_at:
            self._full_at = {name: full_at for name, full_at in self._full_at.items() if full_at > now}
            self._sweep_at = max(_MIN_ENTRIES, 2 * len(self._full_at))


class TokenBuckets:
    """What each endpoint may send through one transport process."""

    def __init__(
        self, *, samples_per_s: float, burst: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Fill each bucket with ``samples_per_s`` up to ``burst`` samples; a rate of 0 limits nothing."""
        self._buckets = Buckets(rate=samples_per_s, burst=burst, clock=clock)

    def __len__(self) -> int:
        """Count the buckets that were not full when last looked at."""
        return len(self._buckets)

    def take(self, endpoint_id: str, samples: int) -> bool:
        """Take so many samples out of a bucket; False, and nothing is taken, when it is empty."""
        return not self._buckets.take(endpoint_id, samples)

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
        wait_s = self._buckets.empty_for_s(endpoint_id)
        patience_s = 0.0 if by is None else by - asyncio.get_running_loop().time()
        if wait_s and wait_s > patience_s:
            _REFUSED.inc()
            raise TooManyRequestsError(
                f"over the limit of {self._buckets.rate:g} samples a second", retry_after_s=math.ceil(wait_s)
            )
        self._buckets.charge(endpoint_id, samples)
        if not wait_s:
            return False
        _DELAYED.inc()
        await asyncio.sleep(wait_s)
        return True
