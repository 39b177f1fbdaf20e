"""A process that outlives the runner for a moment, to end what the runner left behind.

Run as a script, ``python -I -S watchdog.py <file>``. Its standard input is a pipe whose other end only the
runner holds; it reads ``+<process group>`` and ``-<process group>`` lines from it. When the pipe closes
without a last line ``done``, the runner was killed: the groups still listed are killed and the file
(ready.json) removed. On Linux the kernel has killed the children themselves by then
(:mod:`deploy.local.leash`), so this is for their children, and for other systems.
"""

import os
import signal
import sys
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

DONE = "done"
_IGNORED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def remaining(lines: Iterable[str]) -> set[int]:
    """Return the groups that were added and not taken back; anything else on the pipe is ignored."""
    groups: set[int] = set()
    for line in lines:
        sign, number = line[:1], line[1:].strip()
        if not number.isdecimal():
            continue
        if sign == "+":
            groups.add(int(number))
        elif sign == "-":
            groups.discard(int(number))
    return groups


def main(ready_file: Path) -> None:
    """Wait for the runner to go, then clear up."""
    for number in _IGNORED:
        signal.signal(number, signal.SIG_IGN)
    lines = sys.stdin.readlines()
    if lines and lines[-1].strip() == DONE:
        return
    for group in remaining(lines):
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(group, signal.SIGKILL)
    ready_file.unlink(missing_ok=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
