"""What one process writes: to its bounded file, and line by line to whoever shows it.

Bytes go to the file as they come; lines are only cut for the terminal. The first and last part of a run
stay in memory: the store names its port in the first, and the last is what one wants to see when a start
fails.
"""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

_KEPT_BYTES = 8 * 1024
_LONGEST_LINE_BYTES = 256 * 1024


class ProcessLog:
    """Collects the output of a process over all its restarts; full files become ``<name>.log.1``."""

    def __init__(self, path: Path, *, max_bytes: int, show: Callable[[str], None] | None = None) -> None:
        self.path = path
        self.head = b""
        self.tail = b""
        self._max_bytes = max_bytes
        self._show = show
        self._partial = b""
        self._file: BinaryIO | None = None

    def begin_run(self) -> None:
        """Forget what the previous run wrote; its file stays."""
        self.head = self.tail = self._partial = b""

    def feed(self, chunk: bytes) -> None:
        """Take what the process just wrote."""
        if len(self.head) < _KEPT_BYTES:
            self.head += chunk[: _KEPT_BYTES - len(self.head)]
        self.tail = (self.tail + chunk)[-_KEPT_BYTES:]
        with suppress(OSError):  # a full disk must not stop the suite
            self._store(chunk)
        if self._show is not None:
            self._cut(chunk)

    def last_lines(self, count: int) -> list[str]:
        """Return the end of the current run's output."""
        return self.tail.decode(errors="replace").splitlines()[-count:]

    def close(self) -> None:
        """Close the file; feeding again opens it again."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _store(self, chunk: bytes) -> None:
        if self._file is None:
            self._file = self.path.open("ab", buffering=0)
        if self._file.tell() + len(chunk) > self._max_bytes and self._file.tell() > 0:
            self.close()
            self.path.replace(self.path.with_name(f"{self.path.name}.1"))
            self._file = self.path.open("ab", buffering=0)
        self._file.write(chunk)

    def _cut(self, chunk: bytes) -> None:
        *lines, self._partial = (self._partial + chunk).split(b"\n")
        if len(self._partial) > _LONGEST_LINE_BYTES:
            lines.append(self._partial)
            self._partial = b""
        if self._show is not None:
            for line in lines:
                self._show(line.decode(errors="replace"))
