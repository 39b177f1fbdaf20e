"""A bounded set of handler tasks (protocol/delivery.md rule 26).

nats-py runs the callbacks of a subscription one after another: 20 handlers of 100 ms took 2.02 s.
The set outlives the callbacks that fill it, which is why it is not a TaskGroup; its tasks end in
:meth:`TaskSet.finish` at the latest.
"""

import asyncio
from collections.abc import Coroutine
from typing import Any


class TaskSet:
    """Tasks that run beside each other, at most ``limit`` of them."""

    def __init__(self, *, limit: int) -> None:
        """Start empty."""
        self._limit = limit
        self._tasks: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        """Count the running ones."""
        return len(self._tasks)

    @property
    def full(self) -> bool:
        """Whether another task would be one too many."""
        return len(self._tasks) >= self._limit

    def spawn(self, work: Coroutine[Any, Any, None], *, name: str) -> None:
        """Run ``work``, which handles its own errors."""
        task = asyncio.get_running_loop().create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def finish(self, *, within_s: float) -> int:
        """Wait for all tasks; cancel those that take longer and return how many they were."""
        if not self._tasks:
            return 0
        _, late = await asyncio.wait(self._tasks, timeout=within_s)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)
        return len(late)
