"""Signals, and the two ways out that do not wait for anybody.

The first SIGTERM or SIGINT asks the process to drain. The second ends it at once, also when the
event loop is stuck, and so does a thread when draining has overrun its deadline by far: a process
that was told to stop is gone in the end.
"""

import asyncio
import os
import signal
import sys
import threading
from collections.abc import Callable
from types import FrameType
from typing import Final

import structlog

STOP_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)
OVERRUN_S: Final = 5.0

_log = structlog.get_logger()


def stop_on_signals(stop: Callable[[str], None]) -> None:
    """Call `stop` with the name of the first signal; the next one ends the process on the spot."""
    loop = asyncio.get_running_loop()

    def on_first(number: signal.Signals) -> None:
        for each in STOP_SIGNALS:
            loop.remove_signal_handler(each)
            # Plain handlers run between byte codes: unlike the loop's they do not need a free loop.
            signal.signal(each, _exit_at_once)
        stop(number.name)

    for number in STOP_SIGNALS:
        loop.add_signal_handler(number, on_first, number)


def end_after(seconds: float) -> None:
    """Kill this process from a thread if it still exists after `seconds` and the usual overrun."""

    def end() -> None:
        _log.critical("process.stuck", deadline_s=seconds)
        _exit(1)

    timer = threading.Timer(seconds + OVERRUN_S, end)
    timer.name = "end of the stop deadline"
    timer.daemon = True
    timer.start()


def _exit_at_once(number: int, _frame: FrameType | None) -> None:
    _log.warning("process.abandoned", signal=signal.Signals(number).name)
    _exit(128 + number)


def _exit(code: int) -> None:
    sys.stdout.flush()
    os._exit(code)
