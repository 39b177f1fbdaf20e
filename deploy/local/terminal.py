"""What people see of the stack while it runs in the foreground.

A thread does the writing, behind a bounded queue: a terminal that is scrolled back or a pipe nobody reads
must not hold up the processes whose output we carry. Lines that find the queue full are dropped and
counted; their log files have them all.
"""

import queue
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import TextIO

from deploy.local.process_log import ProcessLog
from deploy.local.rendering import colour_of, is_shown, parse, render

_WAITING_LINES = 10_000
_CLOSE_DEADLINE_S = 1.0


class Terminal:
    """Writes progress, log lines and complaints.

    Args:
        out: Where to write.
        colour: Whether escape sequences may be used.
        quiet: Leave out progress and log lines; addresses and complaints are still written.
        journal: Keeps what is said for later readers; addresses with keys in them are left out.
    """

    def __init__(self, out: TextIO, *, colour: bool, quiet: bool, journal: ProcessLog) -> None:
        self._out = out
        self._colour = colour
        self._quiet = quiet
        self._journal = journal
        self._labels = 0
        self._dropped = 0
        self._lines: queue.Queue[str | None] = queue.Queue(_WAITING_LINES)
        self._writer = threading.Thread(target=self._write_all, name="terminal", daemon=True)
        self._writer.start()

    def progress(self, text: str) -> None:
        """Say how the start or the stop goes on."""
        self._note(text)
        if not self._quiet:
            self._put(text)

    def complain(self, text: str) -> None:
        """Say what went wrong."""
        self._note(text)
        self._put(f"\x1b[33m{text}\x1b[0m" if self._colour else text)

    def announce(self, text: str) -> None:
        """Show what people started this for; it may hold keys, so it is kept nowhere."""
        self._put(text)

    def shower(self, label: str, *, least: str) -> Callable[[str], None] | None:
        """Return what shows the lines of one process; None where they are not wanted."""
        if self._quiet:
            return None
        colour = colour_of(self._labels) if self._colour else ""
        self._labels += 1

        def show(raw: str) -> None:
            line = parse(raw)
            if is_shown(line, least=least):
                self._put(render(line, label=label, colour=colour))

        return show

    def close(self) -> None:
        """Write what is waiting, but not for long."""
        with suppress(queue.Full):
            self._lines.put(None, timeout=_CLOSE_DEADLINE_S)
            self._writer.join(_CLOSE_DEADLINE_S)
        self._journal.close()

    def _note(self, text: str) -> None:
        now = datetime.now(UTC)
        self._journal.feed(f"{now:%Y-%m-%dT%H:%M:%S.%f}"[:-3].encode() + f"Z {text}\n".encode())

    def _put(self, text: str) -> None:
        try:
            self._lines.put_nowait(text)
        except queue.Full:
            self._dropped += 1

    def _write_all(self) -> None:
        while (text := self._lines.get()) is not None:
            dropped, self._dropped = self._dropped, 0
            if dropped:
                text += f"\n... {dropped} lines not shown: the terminal was too slow; see the log files"
            with suppress(OSError, ValueError):  # the terminal may be gone; the suite goes on without it
                self._out.write(text + "\n")
                if self._lines.empty():
                    self._out.flush()


def wants_colour(stream: TextIO, *, no_color: str) -> bool:
    """Tell whether to colour: never into a file or a pipe, nor where NO_COLOR is set to anything."""
    return not no_color and stream.isatty()


def stdout() -> TextIO:
    """Return standard output, with what it cannot encode replaced instead of raised."""
    reconfigure = getattr(sys.stdout, "reconfigure", None)
    if reconfigure is not None:
        reconfigure(errors="replace")
    return sys.stdout
