"""Delete samples: those older than their application keeps them, and those of endpoints that are gone.

What was computed from samples goes before them, also of the hour in which the deletion ends: an hour without
a rollup is answered from the samples it still has, so no answer tells of what is deleted.

In the background and in small slices, so that storing goes on beside it. Any number of replicas may do so
at the same time. What was received before an endpoint was removed may still be in the stream: its
removal is remembered until nothing older is there, and carried out again.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import structlog

from libs.contracts.errors import GroveError
from services.data_collection import metrics
from services.data_collection.ports import Clock, RemovalRepository, Retentions, SampleRepository
from services.data_collection.ports.querying import RollupRepository

SLICE: Final = 500
_PAUSE_S: Final = 0.05
_LATEST_MS: Final = 60_000
"""Publishing takes 15 s at most, and clocks may differ."""
_MS_IN_S: Final = 1000

_log = structlog.get_logger()


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
    """

    samples: SampleRepository
    rollups: RollupRepository
    retentions: Retentions
    removals: RemovalRepository
    clock: Clock
    oldest_ms: Callable[[], int | None]
    pause_s: float = _PAUSE_S

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
    for application, kept_ms in (await parts.retentions.retentions()).items():
        before_ms = parts.now_ms() - kept_ms
        async for endpoint_id in parts.samples.endpoints_of(application):
            count = SLICE
            while count >= SLICE:
                count = await parts.rollups.drop_older(
                    endpoint_id, before_ms, application=application, limit=SLICE
                )
                metrics.ROLLUPS_DELETED.inc(count)
                await asyncio.sleep(parts.pause_s if count else 0)
            count = SLICE
            while count >= SLICE:
                count = await parts.samples.delete_older(
                    endpoint_id, before_ms, application=application, limit=SLICE
                )
                deleted += count
                metrics.DELETED.labels("retention").inc(count)
                await asyncio.sleep(parts.pause_s if count else 0)
    return deleted


async def remove_gone(parts: Expiring) -> int:
    """Delete samples of endpoints that are gone; return how many that were.

    Raises:
        UnavailableError: The store is away; the rest goes another time.
    """
    deleted = 0
    for endpoint_id, until_ms in (await parts.removals.all()).items():
        done = _nothing_comes(until_ms, parts)
        count = SLICE
        while count >= SLICE:
            count = await parts.samples.delete_received(endpoint_id, until_ms, limit=SLICE)
            deleted += count
            metrics.DELETED.labels("endpoint removed").inc(count)
            await asyncio.sleep(parts.pause_s if count else 0)
        if done:
            await parts.removals.drop(endpoint_id, until_ms)
    return deleted


def _nothing_comes(until_ms: int, parts: Expiring) -> bool:
    """Whether nothing that was received until then can still be in the stream, or on its way to it."""
    latest_ms = until_ms + _LATEST_MS
    oldest_ms = parts.oldest_ms()
    return parts.now_ms() > latest_ms and (oldest_ms is None or oldest_ms > latest_ms)
