"""Batches that no consumer gives out any more (delivery.md rule 11), and how far the stream is drained.

A server that was killed may have forgotten that it removed what was acknowledged, or removed none of it: such
batches stand below the acknowledgement floor. Whether they were stored is not known, so they are
stored like any other, which changes nothing where they were, and only then deleted.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

import structlog

from libs.contracts.errors import GroveError
from services.data_collection import metrics
from services.data_collection.ports import Clock, Ingest

_MS_IN_S: Final = 1000
_AT_ONCE: Final = 1000
"""Orphans looked after in one round: the next round goes on."""

_log = structlog.get_logger()


class OrphanWatch:
    """Looks after the stream, at once and then every so often."""

    def __init__(
        self, ingest: Ingest, collect: Callable[[bytes], Awaitable[bool]], *, clock: Clock, every_s: float
    ) -> None:
        """Use ``collect`` to store the body of a batch: it returns whether that may be deleted now."""
        self._ingest = ingest
        self._collect = collect
        self._clock = clock
        self._every_s = every_s
        self.oldest_ms: int | None = None

    async def run(self) -> None:
        """Root task: never ends by itself."""
        while True:
            try:
                await self.look()
            except GroveError as error:
                _log.warning("orphans.later", reason=error.reason_phrase)
            await asyncio.sleep(self._every_s)

    async def look(self) -> int:
        """Look once; return how many orphans were stored and deleted.

        Raises:
            GroveError: Something is away; the next round goes on.
        """
        backlog = await self._ingest.backlog()
        self.oldest_ms = backlog.oldest_ms
        metrics.BACKLOG.set(backlog.messages)
        now_ms = self._clock.now().timestamp() * _MS_IN_S
        age_ms = 0.0 if backlog.oldest_ms is None else max(0.0, now_ms - backlog.oldest_ms)
        metrics.OLDEST_S.set(age_ms / _MS_IN_S)
        if not backlog.messages or backlog.first_sequence > backlog.floor:
            return 0
        return await self._adopt(backlog.first_sequence, backlog.floor)

    async def _adopt(self, sequence: int, floor: int) -> int:
        adopted = 0
        while adopted < _AT_ONCE:
            kept = await self._ingest.find(from_sequence=sequence)
            if kept is None or kept.sequence > floor:
                break
            if await self._collect(kept.body) and await self._ingest.delete(kept.sequence):
                adopted += 1
                metrics.ORPHANS.inc()
            sequence = kept.sequence + 1
        if adopted:
            _log.warning("orphans.adopted", count=adopted, floor=floor)
        return adopted
