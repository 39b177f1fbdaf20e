"""The lint rules that carry decisions of ours, each seen to fire once with our configuration."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PYPROJECT = (ROOT / "pyproject.toml").read_text()
BRANCHES = "".join(f"    if number == {n}:\n        return\n" for n in range(9))
STATEMENTS = "".join(f"    number += {n}\n" for n in range(40))


def lint(source: str, *, path: str) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-m", "ruff", "check", "--output-format=concise", f"--stdin-filename={path}", "-"],
        cwd=ROOT,
        input=source,
        capture_output=True,
        text=True,
        check=False,
    )
    return set(re.findall(r"^\S+:\d+:\d+: (\w+)", done.stdout, re.MULTILINE))


@pytest.mark.parametrize(
    ("source", "rule"),
    [
        pytest.param("import asyncio\nasyncio.create_task(x)\n", "TID251", id="a task nobody supervises"),
        pytest.param("import os\nos.environ['A']\n", "TID251", id="a setting read in passing"),
        pytest.param("import time\ntime.time()\n", "TID251", id="an instant without a clock"),
        pytest.param("from . import domain\n", "TID252", id="a relative import"),
        pytest.param("value = 1\n", "D100", id="a module that does not say what it is"),
        pytest.param(f"def f(number: int) -> None:\n{BRANCHES}", "C901", id="nine branches"),
        pytest.param(f"def f(number: int) -> None:\n{STATEMENTS}", "PLR0915", id="forty statements"),
        pytest.param("def f(a, b, c, d, e, g, h): ...\n", "PLR0913", id="seven arguments"),
        pytest.param("try:\n    f()\nexcept Exception:\n    g()\n", "BLE001", id="a blind except"),
        pytest.param("f()  # noqa\n", "PGH004", id="a noqa without its rule"),
        pytest.param("print(1)\n", "T201", id="a print in a service"),
    ],
)
def test_the_rule_fires_in_a_service(source: str, rule: str) -> None:
    assert rule in lint(source, path="services/pear/usecases.py")


def test_every_ignored_rule_has_its_reason_and_there_are_at_most_15() -> None:
    lines = PYPROJECT.split("[tool.ruff.lint]\n", 1)[1].split("[tool.ruff.lint.per-file-ignores]", 1)[0]
    entries = [line for line in lines.splitlines() if re.match(r'  "', line)]

    config = tomllib.loads(PYPROJECT)["tool"]["ruff"]["lint"]

    assert config["select"] == ["ALL"]
    assert len(config["ignore"]) <= 15
    assert len(entries) == len(config["ignore"])
    assert [line for line in entries if not re.search(r"# +\S+ \S+", line)] == []
