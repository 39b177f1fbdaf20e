"""Start a program that cannot outlive the process that asked for it.

Run as a script, ``python -I -S leash.py <parent pid> <program> [argument...]``: it asks the kernel to kill
it when its parent dies, and then becomes the program. The order closes the race: the request is made first,
and only then is the parent looked at, so a parent that died before the request is noticed here and one that
dies after it is noticed by the kernel.

The kernel means the parent *thread*: start leashed programs from a thread that lives as long as the program
should. Systems other than Linux have no such request; there the watchdog (:mod:`deploy.local.watchdog`)
does the work alone.
"""

import os
import signal
import sys
from pathlib import Path

_PR_SET_PDEATHSIG = 1


def leashed(*argv: str) -> list[str]:
    """Return the command line that runs ``argv`` as a child that dies with the calling process."""
    return [sys.executable, "-I", "-S", str(Path(__file__).resolve()), str(os.getpid()), *argv]


def _ask_to_die_with_parent() -> None:
    import ctypes  # noqa: PLC0415 - a tenth of the start-up time, and only Linux needs it

    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)


def main(parent: int, argv: list[str]) -> None:
    """Tie this process to ``parent`` and become ``argv``; exit quietly where the parent is already gone."""
    if sys.platform == "linux":
        _ask_to_die_with_parent()
    if os.getppid() != parent:
        sys.exit(0)
    try:
        os.execvp(argv[0], argv)  # noqa: S606 - becoming the program without a shell is the purpose
    except OSError as error:
        sys.exit(f"cannot run {argv[0]}: {error.strerror}")


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
