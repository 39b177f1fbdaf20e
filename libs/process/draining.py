"""Stop what was opened, in reverse, within one deadline for all of it.

A callback that hangs must not take the time of those after it: each is cut off while there is still
a little left for every one that waits. One that fails is logged and the rest still run.
"""

import asyncio
from collections.abc import Awaitable, Callable

import structlog

Stop = Callable[[], Awaitable[None]]

RESERVE_S = 0.25

_log = structlog.get_logger()


class Drain:
    """What has to be stopped, in the order in which it was opened."""

    def __init__(self) -> None:
        self._steps: list[tuple[str, Stop]] = []

    def add(self, name: str, stop: Stop) -> None:
        """Run `stop` before everything that was added earlier."""
        self._steps.append((name, stop))

    async def run(self, *, deadline_s: float) -> bool:
        """Stop everything; each step is run once, even when it was added during the drain.

        Returns:
            Whether every step finished without an error and in time.
        """
        ends_at = asyncio.get_running_loop().time() + deadline_s
        clean = True
        while self._steps:
            name, stop = self._steps.pop()
            clean &= await _run_step(name, stop, cut_off_at=ends_at - RESERVE_S * len(self._steps))
        return clean


async def _run_step(name: str, stop: Stop, *, cut_off_at: float) -> bool:
    loop = asyncio.get_running_loop()
    began = loop.time()
    try:
        async with asyncio.timeout_at(max(cut_off_at, began + RESERVE_S)):
            await stop()
    except TimeoutError as error:
        _log.error("drain.cut_off", step=name, duration_s=round(loop.time() - began, 3), exc_info=error)
        return False
    except Exception as error:  # noqa: BLE001 - the steps behind it must run whatever it was
        _log.error("drain.failed", step=name, duration_s=round(loop.time() - began, 3), exc_info=error)
        return False
    _log.info("drain.done", step=name, duration_s=round(loop.time() - began, 3))
    return True
