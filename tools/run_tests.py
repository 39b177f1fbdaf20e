"""Run the tests the way the Makefile does: ``python -m tools.run_tests [--soak] [pytest arguments]``.

The floors of :mod:`tools.coverage_floors` hold for a whole run only: naming tests on the command line,
or soaking, measures nothing. A soak draws a seed, shows it first, and hands it to every source of chance.
"""

import argparse
import os
import secrets
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from tools import coverage_floors

_REPORT = Path(".cache/coverage.json")
# One soak test may fill most of the 40 minutes that all of them have.
_SOAK_TIMEOUT_S = 2100


# Two files at a time: what runs against processes waits for them most of the time. Asyncio's debug mode stays
# with the tests of pure code, which execute every coroutine too: it keeps the stack of each callback, which
# was 60 % of what the others cost, and their deadlines are those of production.
_TWO_FILES_AT_A_TIME = ("-n", "2", "--dist", "loadfile", "--no-loadscope-reorder")
_WITHOUT_PROCESSES = ("tests/unit", "tests/contract")
# In this order: the longest files first, or one of them runs alone at the end.
_WITH_PROCESSES = ("tests/system", "tests/component", "-o", "asyncio_debug=false", "--durations=20")


def run_commands(extra: Sequence[str]) -> list[list[str]]:
    command = [sys.executable, "-m", "pytest", "-m", "not soak"]
    if extra:
        return [[*command, *extra]]
    command += _TWO_FILES_AT_A_TIME
    return [
        [*command, *_WITHOUT_PROCESSES, "--cov", "--cov-report="],
        [
            *command,
            *_WITH_PROCESSES,
            "--cov",
            "--cov-append",
            "--cov-report=",
            f"--cov-report=json:{_REPORT}",
        ],
    ]


def soak_command(extra: Sequence[str], *, seed: int) -> list[str]:
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-m",
        "soak",
        f"--timeout={_SOAK_TIMEOUT_S}",
        "-o",
        "asyncio_debug=false",
    ]
    return [*command, f"--hypothesis-seed={seed}", *extra]


def main(arguments: Sequence[str]) -> int:
    """Run pytest; a failing floor fails a run whose tests all passed."""
    parser = argparse.ArgumentParser(prog="python -m tools.run_tests", allow_abbrev=False)
    parser.add_argument(
        "--soak", action="store_true", help="only the tests marked soak, with their full numbers"
    )
    options, extra = parser.parse_known_args(arguments)
    environment = dict(os.environ)  # noqa: TID251 - pytest and what it starts inherit ours
    if options.soak:
        seed = int(environment.setdefault("SOAK_SEED", str(secrets.randbits(32))))
        print(f"SOAK_SEED={seed} (make soak SOAK_SEED={seed} repeats this run)", flush=True)
        return subprocess.run(soak_command(extra, seed=seed), env=environment, check=False).returncode
    _REPORT.unlink(missing_ok=True)
    codes = [
        subprocess.run(command, env=environment, check=False).returncode for command in run_commands(extra)
    ]
    code = max(codes)
    if code == 0 and not extra and not coverage_floors.hold(_REPORT):
        return 1
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
