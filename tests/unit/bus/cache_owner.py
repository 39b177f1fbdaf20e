"""The service that a :class:`libs.bus.LookupCache` asks, as its tests need it."""

import asyncio

from libs.bus import LookupCache
from libs.contracts.errors import GroveError


class Owner:
    """The service that knows: answers are changed, held back and counted by the test."""

    def __init__(self) -> None:
        self.answers: dict[str, str | GroveError] = {"token": "endpoint"}
        self.loads = 0
        self.read = asyncio.Event()
        self.release = asyncio.Event()
        self.release.set()
        self.now = 0.0

    async def load(self, key: str) -> str:
        self.loads += 1
        answer = self.answers[key]
        self.read.set()
        await self.release.wait()
        if isinstance(answer, GroveError):
            raise answer
        return answer

    def cache(self, *, max_entries: int = 100, grace_s: float = 0) -> LookupCache[str, str]:
        return LookupCache(
            self.load,
            max_entries=max_entries,
            ttl_s=30,
            negative_ttl_s=5,
            grace_s=grace_s,
            clock=lambda: self.now,
        )


async def settle() -> None:
    """Let everything run that can."""
    for _ in range(10):
        await asyncio.sleep(0)
