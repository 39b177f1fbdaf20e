"""One thing at a time per key, in order of arrival; different keys at the same time.

A transport keeps one request in flight per (endpoint, extension) with it (protocol/delivery.md
rule 16): without, two updates sent back to back were applied in either order. The work runs in
the caller's own task, so its context, cancellation and errors are the caller's; this module only
decides whose turn it is. A key costs memory only while somebody uses it.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

from libs.contracts.errors import DeadlineError, UnavailableError

K = TypeVar("K", bound=Hashable)
T = TypeVar("T")


class KeyedQueue(Generic[K]):
    """Runs work one by one per key."""

    def __init__(self, *, max_waiting_per_key: int = 1024, max_total: int = 65_536) -> None:
        """Bound how many may wait behind one key, and behind all keys together."""
        self._max_waiting_per_key = max_waiting_per_key
        self._max_total = max_total
        self._waiting: dict[K, deque[asyncio.Future[None]]] = {}
        self._total = 0

    def __len__(self) -> int:
        """Count the keys in use."""
        return len(self._waiting)

    @property
    def waiting(self) -> int:
        """How many calls wait for their turn."""
        return self._total

    async def run(self, key: K, work: Callable[[], Awaitable[T]], *, wait_s: float) -> T:
        """Run ``work`` when every earlier call with this key has ended, and return its result.

        Raises:
            UnavailableError: Too many calls wait already.
            DeadlineError: The turn did not come within ``wait_s``; ``work`` was not started.
        """
        if key in self._waiting:
            await self._turn(key, wait_s=wait_s)
        else:
            self._waiting[key] = deque()
        try:
            return await work()
        finally:
            self._pass_on(key)

    async def _turn(self, key: K, *, wait_s: float) -> None:
        line = self._waiting[key]
        if len(line) >= self._max_waiting_per_key or self._total >= self._max_total:
            phrase = "too many requests are waiting"
            raise UnavailableError(phrase)
        turn = asyncio.get_running_loop().create_future()
        line.append(turn)
        self._total += 1
        try:
            async with asyncio.timeout(wait_s):
                await turn
        except BaseException as error:
            self._leave(key, turn)
            if isinstance(error, TimeoutError):
                phrase = f"waited {wait_s:g} s behind earlier requests"
                raise DeadlineError(phrase) from error
            raise

    def _leave(self, key: K, turn: asyncio.Future[None]) -> None:
        """Forget a caller that gave up; one whose turn came in the same moment passes it on."""
        if not turn.cancelled():
            self._pass_on(key)
        elif turn in self._waiting.get(key, ()):
            self._waiting[key].remove(turn)
            self._total -= 1

    def _pass_on(self, key: K) -> None:
        line = self._waiting[key]
        while line:
            turn = line.popleft()
            self._total -= 1
            if not turn.done():
                turn.set_result(None)
                return
        del self._waiting[key]
