"""The README's first device works by copy and paste."""

import asyncio
import re
import shutil
import sys
from pathlib import Path

import pytest

from tests.support.stack import Stack

_README = Path(__file__).parents[2] / "README.md"


def _first_device() -> str:
    """Return the shell lines under "Your first device"."""
    section = _README.read_text().partition("## Your first device")[2]
    found = re.search(r"```bash\n(.*?)```", section, re.DOTALL)
    assert found is not None
    return found[1]


@pytest.mark.skipif(shutil.which("curl") is None, reason="the README's quickstart needs curl")
async def test_readme_quickstart_works_by_copy_and_paste(suite: Stack, tmp_path: Path) -> None:
    (tmp_path / ".venv").symlink_to(sys.prefix)
    (tmp_path / ".data").mkdir()
    (tmp_path / ".data" / "ready.json").symlink_to(suite.data / "ready.json")

    shell = await asyncio.create_subprocess_exec(
        "bash",
        "-eu",
        "-c",
        _first_device(),
        cwd=tmp_path,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(30):
        out, err = await shell.communicate()

    shown = out.decode()
    assert shell.returncode == 0, err.decode()
    assert '{"description":"My first tree"}' in shown
    assert '"mac":"00-14-22-01-23-45"' in shown
    assert '"status":"Active"' in shown
    assert err.decode().count("curl:") == 0
