"""Choosing a Python: what a newcomer reads when theirs will not do."""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
# What the probe of tools/venv.sh answers on machines we do not have.
OLD = "#!/bin/sh\necho version 3.9.2\n"
NEW = "#!/bin/sh\necho version 3.14.0\n"
BARE = "#!/bin/sh\necho module 3.12.4 ensurepip\n"
DEAD_SHIM = "#!/bin/sh\necho 'version 3.13 is not installed' >&2\nexit 127\n"


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    (tmp_path / "tools").mkdir()
    shutil.copy(ROOT / "tools" / "venv.sh", tmp_path / "tools")
    (tmp_path / "requirements.lock").write_text("# nothing\n")
    (tmp_path / "bin").mkdir()
    for tool in ("awk", "dirname", "grep", "mkdir", "sh", "tail", "tee", "touch"):
        found = shutil.which(tool)
        assert found
        (tmp_path / "bin" / tool).symlink_to(found)
    return tmp_path


def make_venv(tree: Path, pythons: Mapping[str, str], **variables: str) -> subprocess.CompletedProcess[str]:
    for name, script in pythons.items():
        path = tree / "bin" / name
        path.write_text(script)
        path.chmod(0o755)
    inherited = {name: value for name, value in os.environ.items() if name.startswith("PIP_")}  # noqa: TID251 - pip's own configuration
    return subprocess.run(
        [str(tree / "tools" / "venv.sh")],
        env={**inherited, "PATH": str(tree / "bin"), **variables},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("pythons", "said"),
    [
        pytest.param({}, "no Python was found", id="none"),
        pytest.param({"python3": OLD}, "python3 is 3.9.2", id="too old"),
        pytest.param({"python3": NEW}, "python3 is 3.14.0", id="too new"),
        pytest.param({"python3.13": DEAD_SHIM}, "no Python was found", id="a shim that does not run"),
        pytest.param(
            {"python3": OLD, "python3.12": BARE},
            "python3.12 (3.12.4) has no 'ensurepip' module (Debian, Ubuntu: apt install python3.12-venv)",
            id="no ensurepip",
        ),
    ],
)
def test_one_line_says_what_is_missing(tree: Path, pythons: dict[str, str], said: str) -> None:
    done = make_venv(tree, pythons)

    assert done.returncode == 1
    assert done.stderr == f"Olivegrove needs Python 3.11, 3.12 or 3.13 with the venv module: {said}.\n"
    assert not (tree / ".venv").exists()


def test_a_named_python_is_the_only_candidate(tree: Path) -> None:
    done = make_venv(tree, {"python3.12": BARE}, PYTHON="python9")

    assert done.returncode == 1
    assert done.stderr.endswith("the venv module: PYTHON=python9 does not run.\n")


def test_the_first_python_that_works_is_taken(tree: Path) -> None:
    real = f'#!/bin/sh\nexec "{sys.executable}" "$@"\n'

    done = make_venv(tree, {"python3.13": DEAD_SHIM, "python3.12": OLD, "python3.11": BARE, "python3": real})

    assert done.returncode == 0, done.stderr
    assert "(python3)" in done.stdout
    assert (tree / ".venv" / "installed").exists()
