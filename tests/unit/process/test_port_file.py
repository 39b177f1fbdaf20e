import json
import os
from pathlib import Path

import pytest

from libs.process.port_file import remove_port_file, write_port_file


def test_an_older_file_is_replaced_and_nothing_else_is_left(tmp_path: Path) -> None:
    path = tmp_path / "ports.json"
    path.write_text("old")

    write_port_file(path, replica="press-1", ports={"http": 80})

    assert json.loads(path.read_text()) == {"pid": os.getpid(), "replica": "press-1", "ports": {"http": 80}}
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_a_missing_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        write_port_file(tmp_path / "missing" / "ports.json", replica="press-1", ports={})


@pytest.mark.parametrize(
    ("replica", "stays"),
    [pytest.param("press-1", False, id="ours"), pytest.param("press-2", True, id="a successor's")],
)
def test_only_our_own_file_is_removed(tmp_path: Path, replica: str, *, stays: bool) -> None:
    path = tmp_path / "ports.json"
    write_port_file(path, replica=replica, ports={})

    remove_port_file(path, replica="press-1")

    assert path.exists() is stays


@pytest.mark.parametrize("content", [None, "", "[]", "{"], ids=["missing", "empty", "list", "broken"])
def test_a_file_that_is_not_one_is_left_alone(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "ports.json"
    if content is not None:
        path.write_text(content)

    remove_port_file(path, replica="press-1")

    assert path.exists() is (content is not None)
