"""The collector of a running suite, from outside: stopped, let go, and how much it has stored."""

import asyncio
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from pymongo import AsyncMongoClient

from tools.bench.suite import Suite

_NAME: Final = "data-collection"
_DATABASE: Final = "data_collection"
_LOOK_EVERY_S: Final = 0.2
_SILENCE_S: Final = 60.0


class RemoteCollector:
    """data-collection."""

    def __init__(self, suite: Suite) -> None:
        self._pid = suite.pids[_NAME]
        self._mongodb = suite.mongodb

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """It does nothing meanwhile: the store might as well be away."""
        os.kill(self._pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(self._pid, signal.SIGCONT)

    async def stored(self) -> int:
        """Samples in the store: its counter leaves out those of writes that the store answered too late."""
        async with AsyncMongoClient[dict[str, Any]](self._mongodb) as client:
            return await client.get_database(_DATABASE).get_collection("samples").estimated_document_count()

    async def wait_until_stored(self, count: int) -> tuple[int, float]:
        """Return how many there are when it is at least so many, and when that was (``perf_counter``).

        Raises:
            SystemExit: For a minute not one more was stored.
        """
        last, moved_at = -1, time.perf_counter()
        while True:
            now = await self.stored()
            at = time.perf_counter()
            if now >= count:
                return now, at
            if now != last:
                last, moved_at = now, at
            elif at - moved_at > _SILENCE_S:
                raise SystemExit(f"the collector stopped at {now:,} of {count:,} samples")
            await asyncio.sleep(_LOOK_EVERY_S)
