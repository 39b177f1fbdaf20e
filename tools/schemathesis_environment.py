"""Make the environment of schemathesis: ``python -m tools.schemathesis_environment [--within SECONDS]``.

It is apart from ours, because it brings a pytest and a hypothesis of its own and is only ever started as a
program. What is in it stands in tools/schemathesis.lock; when that changes, or our Python, it is made anew.
"""

import argparse
import hashlib
import platform
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

ENVIRONMENT: Final = Path(".cache/schemathesis-venv")
LOCK: Final = Path("tools/schemathesis.lock")

_WITHIN_S: Final = 300.0
_PIP: Final = ("-m", "pip", "--disable-pip-version-check", "--no-input", "--retries", "1", "--timeout", "10")
_INSTALL: Final = ("install", "--quiet", "--no-deps", "--only-binary", ":all:", "--require-hashes")


class NotMadeError(Exception):
    """The environment could not be made; the text says why."""


def interpreter(environment: Path = ENVIRONMENT, lock: Path = LOCK) -> Path | None:
    """Find the Python of an environment that holds what the lock says; None = there is none."""
    marker = environment / "made"
    if not marker.exists() or marker.read_text() != _wanted(lock):
        return None
    return environment / "bin" / "python"


def make(environment: Path = ENVIRONMENT, lock: Path = LOCK, *, within_s: float = _WITHIN_S) -> None:
    """Make the environment if it is not there.

    Raises:
        NotMadeError: Not possible, or not in time; what pip has fetched shortens the next attempt.
    """
    if interpreter(environment, lock) is not None:
        return
    python = environment / "bin" / "python"
    _run(["-m", "venv", "--clear", "--without-pip", str(environment)], within_s=within_s)
    _run([*_PIP, "--python", str(python), *_INSTALL, "--requirement", str(lock)], within_s=within_s)
    (environment / "made").write_text(_wanted(lock))


def _run(arguments: Sequence[str], *, within_s: float) -> None:
    try:
        done = subprocess.run(
            [sys.executable, *arguments], capture_output=True, text=True, timeout=within_s, check=False
        )
    except subprocess.TimeoutExpired:
        raise NotMadeError(f"it took longer than {within_s:g} s") from None
    if done.returncode != 0:
        raise NotMadeError(done.stderr.strip().rpartition("\n")[2])


def _wanted(lock: Path) -> str:
    return f"{platform.python_version()} {hashlib.sha256(lock.read_bytes()).hexdigest()}"


def main(arguments: Sequence[str]) -> int:
    """Make it, or say in one line why not."""
    parser = argparse.ArgumentParser(prog="python -m tools.schemathesis_environment", allow_abbrev=False)
    parser.add_argument("--within", type=float, default=_WITHIN_S, metavar="SECONDS")
    try:
        make(within_s=parser.parse_args(arguments).within)
    except NotMadeError as error:
        print(f"schemathesis is not there, its tests will skip: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
