"""The environment of schemathesis is made once, and anew when its lock changes; a half is none."""

from pathlib import Path

import pytest

from tools.schemathesis_environment import NotMadeError, interpreter, make

_NOTHING = "--no-index\n"
_UNKNOWN = f"--no-index\nnothing-of-this-name==1 --hash=sha256:{'0' * 64}\n"


def test_an_environment_is_made_once_and_anew_when_its_lock_changes(tmp_path: Path) -> None:
    environment, lock = tmp_path / "venv", tmp_path / "lock"
    lock.write_text(_NOTHING)

    make(environment, lock)
    made = interpreter(environment, lock)
    (environment / "kept").touch()
    make(environment, lock)

    assert made is not None
    assert made.exists()
    assert (environment / "kept").exists()

    lock.write_text(f"# changed\n{_NOTHING}")
    assert interpreter(environment, lock) is None


def test_what_cannot_be_installed_leaves_nothing_that_looks_whole(tmp_path: Path) -> None:
    environment, lock = tmp_path / "venv", tmp_path / "lock"
    lock.write_text(_UNKNOWN)

    with pytest.raises(NotMadeError, match="nothing-of-this-name"):
        make(environment, lock)

    assert interpreter(environment, lock) is None


def test_an_attempt_ends_in_time(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    lock.write_text(_NOTHING)

    with pytest.raises(NotMadeError, match=r"longer than 0\.01 s"):
        make(tmp_path / "venv", lock, within_s=0.01)
