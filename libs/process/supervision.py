"""Root tasks: work that lasts as long as the process.

The first one to end stops the process, whether it failed or merely returned: a collector that has
quietly stopped collecting is worse than a restart. The others are *not* cancelled at that moment, as
a TaskGroup by itself would: they are still needed to drain. The process cancels them afterwards.
"""

import asyncio
from collections.abc import Callable, Coroutine
from types import TracebackType
from typing import Any, Self

import structlog

_log = structlog.get_logger()


class RootTasks:
    """The named root tasks of one process; leaving the block cancels those that still run.

    Args:
        on_end: Told once for each task that ended by itself: its name and its exception, if any.
    """

    def __init__(self, on_end: Callable[[str, Exception | None], None]) -> None:
        self._on_end = on_end
        self._group: asyncio.TaskGroup | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        """Allow tasks to be started."""
        self._group = await asyncio.TaskGroup().__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Cancel what still runs and wait until all of it has ended."""
        for task in self._tasks:
            task.cancel()
        group, self._group = self._group, None
        if group is not None:
            await group.__aexit__(kind, error, traceback)

    def start(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        """Run `work` as a task of this name until the process stops.

        Raises:
            RuntimeError: The process does not run (yet, or any more).
        """
        if self._group is None:
            work.close()
            message = f"cannot start {name!r}: the process is not running"
            raise RuntimeError(message)
        task = self._group.create_task(self._guard(name, work), name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        task.add_done_callback(lambda _: work.close())  # a task cancelled before its first step never ran it

    async def _guard(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except Exception as error:  # noqa: BLE001 - whatever it was, it ends the process in order
            _log.error("task.failed", task=name, exc_info=error)
            self._on_end(name, error)
        else:
            # At a stop this is in order; at any other time the process tells why it stops.
            _log.info("task.ended", task=name)
            self._on_end(name, None)
