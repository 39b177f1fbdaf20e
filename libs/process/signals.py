"""Signals, and the two ways out that do not wait for anybody.

The first SIGTERM or SIGINT asks the process to drain. The second ends it at once, also when the
event loop is stuck, and so does a thread when draining has overrun its deadline by far: a process
that was told to stop is gone in the end.
"""

import asyncio
import os
import signal
import threading
from collections.abc import Callable
from types import FrameType
from typing import Final

import structlog

OVERRUN_S: Final = 5.0

_log = structlog.get_logger()


def stop_on_signals(stop: Callable[[str], None]) -> None:
    """Call `stop` with the name of the first signal; the next one ends the process on the spot."""
    loop = asyncio.get_running_loop()
    seen: set[int] = set()

    # Plain handlers run between byte codes; the loop's own need a loop that is free, and the second
    # signal is for the case that it is not. They run inside whatever was going on, a log line for
    # example, so they only hand over or leave.
    def on_signal(number: int, _frame: FrameType | None) -> None:
        name = signal.Signals(number).name
        if seen:
            os.write(2, f"{name} again: not waiting any longer\n".encode())
            os._exit(128 + number)
        seen.add(number)
        loop.call_soon_threadsafe(stop, name)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, on_signal)


def end_after(seconds: float) -> None:
    """Kill this process from a thread if it still exists after `seconds` and the usual overrun."""

    def end() -> None:
        _log.critical("process.stuck", deadline_s=seconds)
        os._exit(1)

    timer = threading.Timer(seconds + OVERRUN_S, end)
    timer.name = "end of the stop deadline"
    timer.daemon = True
    timer.start()
