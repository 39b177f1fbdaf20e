"""Delete samples: those older than their application keeps them, and those of endpoints that are gone.

What was computed from samples goes before them, also of the hour in which the deletion ends: an hour without
a rollup is answered from the samples it still has, so no answer tells of what is deleted.

In the background and in small slices, so that storing goes on beside it. Any number of replicas may do so
at the same time. What was received before an endpoint was removed may still be in the stream: its
removal is remembered until nothing older is there, and carried out again.
"""

import asyncio
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Final

import structlog

from libs.contracts.errors import GroveError
from services.data_collection import metrics
from services.data_collection.domain.durations import DAY_MS, HOUR_MS
from services.data_collection.ports import Clock, RemovalRepository, Retentions, SampleRepository
from services.data_collection.ports.querying import RollupRepository

SLICE: Final = 500
_PAUSE_S: Final = 0.05
_BACK_MS: Final = 6 * HOUR_MS
_WHOLE_EVERY_MS: Final = DAY_MS
"""Late data of long ago goes within a day."""
_LATEST_MS: Final = 60_000
"""Publishing takes 15 s at most, and clocks may differ."""
_MS_IN_S: Final = 1000

_log = structlog.get_logger()


class Passes:
    """How far back to look for what is older than an application keeps it: what is gone costs time to find.

    A pass begins some hours before what the last one has deleted, and at the beginning of time once a day.
    """

    def __init__(self) -> None:
        self._ended: dict[str, tuple[int, int]] = {}

    def keep(self, applications: Collection[str]) -> None:
        """Forget all other applications."""
        self._ended = {name: ended for name, ended in self._ended.items() if name in applications}

    def begin_of(self, application: str, now_ms: int) -> int:
        """From when on to look, as sample time."""
        before_ms, whole_at_ms = self._ended.get(application, (0, 0))
        return 0 if now_ms - whole_at_ms >= _WHOLE_EVERY_MS else max(0, before_ms - _BACK_MS)

    def ended(self, application: str, from_ms: int, before_ms: int, now_ms: int) -> None:
        """Note that nothing of an application is left there, after a pass that began at ``now_ms``."""
        _, whole_at_ms = self._ended.get(application, (0, 0))
        self._ended[application] = (before_ms, whole_at_ms if from_ms else now_ms)


@dataclass(frozen=True, kw_only=True)
class Expiring:
    """What deleting needs.

    Attributes:
        samples: Where they are.
        rollups: What hours of them came to.
        retentions: How long they are kept.
        removals: Endpoints that are gone.
        clock: What time it is.
        oldest_ms: When the oldest batch in the stream was stored; None = it is empty.
        pause_s: Rest after each slice.
        passes: What has been looked through.
    """

    samples: SampleRepository
    rollups: RollupRepository
    retentions: Retentions
    removals: RemovalRepository
    clock: Clock
    oldest_ms: Callable[[], int | None]
    pause_s: float = _PAUSE_S
    passes: Passes = field(default_factory=Passes)

    def now_ms(self) -> int:
        """Unix milliseconds."""
        return int(self.clock.now().timestamp() * _MS_IN_S)


async def keep_expiring(parts: Expiring, *, removals_every_s: float, retention_every_s: float) -> None:
    """Root task: never ends by itself."""
    loop = asyncio.get_running_loop()
    due = loop.time()
    while True:
        try:
            await remove_gone(parts)
            if loop.time() >= due:
                due = loop.time() + retention_every_s
                await expire(parts)
        except GroveError as error:
            _log.warning("expiring.later", reason=error.reason_phrase)
        await asyncio.sleep(removals_every_s)


async def expire(parts: Expiring) -> int:
    """Delete what is older than its application keeps it; return how many samples that were.

    Raises:
        UnavailableError: The store is away; the rest goes another time.
    """
    deleted = 0
    retentions = await parts.retentions.retentions()
    parts.passes.keep(retentions)
    for application, kept_ms in retentions.items():
        now_ms = parts.now_ms()
        from_ms, before_ms = parts.passes.begin_of(application, now_ms), now_ms - kept_ms
        async for endpoint_id in parts.samples.endpoints_of(application):
            count = SLICE
            while count >= SLICE:
                count = await parts.rollups.drop_older(
                    endpoint_id, before_ms, application=application, limit=SLICE
                )
                metrics.ROLLUPS_DELETED.inc(count)
                await asyncio.sleep(parts.pause_s if count else 0)
            async for count in parts.samples.delete_older(
                endpoint_id, from_ms, before_ms, application=application
            ):
                deleted += count
                metrics.DELETED.labels("retention").inc(count)
                await asyncio.sleep(parts.pause_s)
        parts.passes.ended(application, from_ms, before_ms, now_ms)
    return deleted


async def remove_gone(parts: Expiring) -> int:
    """Delete samples of endpoints that are gone; return how many that were.

    Raises:
        UnavailableError: The store is away; the rest goes another time.
    """
    deleted = 0
    for endpoint_id, until_ms in (await parts.removals.all()).items():
        done = _nothing_comes(until_ms, parts)
        async for count in parts.samples.delete_received(endpoint_id, until_ms):
            deleted += count
            metrics.DELETED.labels("endpoint removed").inc(count)
            await asyncio.sleep(parts.pause_s)
        if done:
            await parts.removals.drop(endpoint_id, until_ms)
    return deleted


def _nothing_comes(until_ms: int, parts: Expiring) -> bool:
    """Whether nothing that was received until then can still be in the stream, or on its way to it."""
    latest_ms = until_ms + _LATEST_MS
    oldest_ms = parts.oldest_ms()
    return parts.now_ms() > latest_ms and (oldest_ms is None or oldest_ms > latest_ms)
