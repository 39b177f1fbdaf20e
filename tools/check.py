"""Run every guard at once and show each one's answer as a whole: ``python -m tools.check``.

The checks share nothing, so they run side by side and their outputs are printed in the order of the
table, never mixed. A check that holds is one line; one that fails brings its own words with it.
"""

import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

_PYTHON = sys.executable
# A console script, run by our Python: import-linter has no `python -m`.
_LINT_IMPORTS = str(Path(_PYTHON).with_name("lint-imports"))


@dataclass(frozen=True)
class Check:
    name: str
    argv: Sequence[str]


@dataclass(frozen=True)
class Answer:
    check: Check
    passed: bool
    output: str
    seconds: float


CHECKS = (
    Check("lint", (_PYTHON, "-m", "ruff", "check", "--quiet", ".")),
    Check("format", (_PYTHON, "-m", "ruff", "format", "--check", "--quiet", ".")),
    Check("types", (_PYTHON, "-m", "mypy", "--no-error-summary")),
    Check("imports", (_PYTHON, _LINT_IMPORTS, "--no-logo", "--cache-dir", ".cache/import-linter")),
    Check("reasons", (_PYTHON, "-m", "tools.check_reasons")),
    Check("generated", (_PYTHON, "-m", "tools.generate", "--check")),
    Check("links", (_PYTHON, "-m", "tools.check_links")),
)


def ask(check: Check) -> Answer:
    """Run one check to its end."""
    began = time.monotonic()
    done = subprocess.run(
        check.argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    return Answer(check, done.returncode == 0, done.stdout.strip(), time.monotonic() - began)


def run(checks: Sequence[Check]) -> bool:
    """Run the checks side by side and print the answers in order; True when all hold."""
    with ThreadPoolExecutor(max_workers=len(checks)) as pool:
        answers = []
        for answer in pool.map(ask, checks):
            print(f"{'ok  ' if answer.passed else 'FAIL'} {answer.check.name} ({answer.seconds:.1f} s)")
            if not answer.passed:
                print(answer.output, end="\n\n", flush=True)
            answers.append(answer)
    return all(answer.passed for answer in answers)


if __name__ == "__main__":
    sys.exit(0 if run(CHECKS) else 1)
