from pathlib import Path

import pytest

from deploy.local.data_directory import DataDirectory
from deploy.local.kept_secrets import KeptSecrets, load_or_make
from deploy.local.private_file import write_private
from deploy.local.problem import RunnerError


def load(path: Path, *users: str, secrets_key: str | None = None) -> KeptSecrets:
    return load_or_make(path, nats_users=users, secrets_key=secrets_key, admin_key=None)


def test_secrets_are_made_once_and_kept_for_their_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "secrets.json"

    first = load(path, "a", "b")

    assert load(path, "a", "b") == first
    assert path.stat().st_mode & 0o777 == 0o600
    assert len({first.secrets_key, first.admin_key, *first.nats_passwords.values()}) == 4


def test_a_new_service_gets_a_password_without_changing_the_others(tmp_path: Path) -> None:
    path = tmp_path / "secrets.json"
    first = load(path, "a")

    second = load(path, "a", "b")

    assert second.nats_passwords["a"] == first.nats_passwords["a"]
    assert second.secrets_key == first.secrets_key
    assert "b" in second.nats_passwords


def test_a_given_key_wins_for_this_run_and_is_not_stored(tmp_path: Path) -> None:
    path = tmp_path / "secrets.json"
    made = load(path).secrets_key

    assert load(path, secrets_key="given").secrets_key == "given"
    assert load(path).secrets_key == made
    assert "given" not in path.read_text()


@pytest.mark.parametrize("content", ["", "[]", '{"nats": 1}'], ids=["empty", "a list", "other content"])
def test_a_damaged_file_is_told_and_left_as_it_is(tmp_path: Path, content: str) -> None:
    path = tmp_path / "secrets.json"
    path.write_text(content)

    with pytest.raises(RunnerError, match="is damaged"):
        load(path)
    assert path.read_text() == content


def test_a_private_file_is_never_half_written(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_private(path, "old")

    with pytest.raises(UnicodeEncodeError):
        write_private(path, "new \ud800")

    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_only_one_runner_holds_a_data_directory(tmp_path: Path) -> None:
    data = DataDirectory(tmp_path / "data")

    with data.held(), pytest.raises(RunnerError, match="in use by another runner"), data.held():
        pass
    with data.held():
        assert (tmp_path / "data").stat().st_mode & 0o777 == 0o700
