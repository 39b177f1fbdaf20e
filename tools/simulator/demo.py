"""``python -m tools.simulator.demo``, which is ``make demo``: a stack, and an olive grove that speaks to it.

Ctrl-C reaches the simulator alone, because the stack has a session of its own: first what was sent is
verified, then the stack is stopped. Arguments are those of the simulator.
"""

import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from deploy.local.leash import leashed
from tools.simulator.__main__ import main as simulate
from tools.simulator.options import parse

_POLL_S: Final = 0.1
_INTERRUPTED: Final = 130
_DAY: Final = ("--day", "600")
"""A day in ten minutes: curves that can be watched."""


def main(arguments: Sequence[str]) -> int:
    """Start the stack, simulate, stop the stack; returns the exit code."""
    arguments = [*_DAY, *arguments]
    data = parse(arguments, prog="python -m tools.simulator.demo").data_dir
    try:
        with _stack(data) as started:
            return simulate(arguments) if started else 2
    except KeyboardInterrupt:
        return _INTERRUPTED


@contextmanager
def _stack(data: Path) -> Iterator[bool]:
    """Run the stack for the length of the block; tells whether it has started."""
    ready = data / "ready.json"
    before = _stamp(ready)
    runner = subprocess.Popen(
        leashed(sys.executable, "-m", "deploy.local", "run", "--quiet", "--data-dir", str(data)),
        stdin=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        print("starting the stack; Ctrl-C ends everything", file=sys.stderr, flush=True)
        while _stamp(ready) in {None, before} and runner.poll() is None:
            time.sleep(_POLL_S)
        if runner.poll() is not None:
            print(
                "demo: the stack did not start; for one that runs: python -m tools.simulator", file=sys.stderr
            )
        yield runner.poll() is None
    finally:
        _end(runner)


def _stamp(path: Path) -> tuple[int, int] | None:
    """Tell one ready.json from the next: that of another run may be there when ours starts."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return status.st_ino, status.st_mtime_ns


def _end(runner: subprocess.Popen[bytes]) -> None:
    """Stop as Ctrl-C would; further ones are handed on, and end it at once."""
    while runner.poll() is None:
        try:
            runner.send_signal(signal.SIGINT)
            runner.wait()
        except KeyboardInterrupt:
            continue


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
