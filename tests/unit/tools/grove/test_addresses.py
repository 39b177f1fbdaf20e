"""Where commands go, and that no key goes anywhere else."""

import json
import stat
from collections.abc import Mapping
from pathlib import Path

import pytest

from tools.grove.addresses import Places, Target, find, forget, keep
from tools.grove.problem import WRONG, CommandError


def places(tmp_path: Path, environ: Mapping[str, str] | None = None, *, running: bool = False) -> Places:
    if running:
        ready = {"api": "http://127.0.0.1:1", "apiKey": "local"}
        (tmp_path / "ready.json").write_text(json.dumps(ready))
    return Places({"XDG_CONFIG_HOME": str(tmp_path / "config"), **(environ or {})}, tmp_path)


def test_the_environment_wins_then_the_login_then_the_local_stack(tmp_path: Path) -> None:
    assert find(places(tmp_path, running=True)) == Target("http://127.0.0.1:1", "local")

    keep(Target("https://kept", "kept-key"), places(tmp_path))
    assert find(places(tmp_path)) == Target("https://kept", "kept-key")

    given = {"GROVE_API_URL": "https://given/", "GROVE_API_KEY": "given-key"}
    assert find(places(tmp_path, given)) == Target("https://given", "given-key")
    assert find(places(tmp_path, {"GROVE_API_KEY": "other"})) == Target("https://kept", "other")


def test_a_kept_key_is_for_its_address_alone(tmp_path: Path) -> None:
    keep(Target("https://kept", "kept-key"), places(tmp_path))

    assert find(places(tmp_path, {"GROVE_API_URL": "https://kept"})).key == "kept-key"
    with pytest.raises(CommandError, match="there is no key for https://elsewhere") as refused:
        find(places(tmp_path, {"GROVE_API_URL": "https://elsewhere"}))
    assert refused.value.code == WRONG


def test_a_login_is_readable_by_its_owner_alone_and_can_be_forgotten(tmp_path: Path) -> None:
    where = places(tmp_path)

    kept = keep(Target("https://kept", "secret-key"), where)

    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert stat.S_IMODE(kept.parent.stat().st_mode) == 0o700
    assert (forget(where), forget(where)) == (True, False)
    assert "secret-key" not in repr(Target("https://kept", "secret-key"))


def test_without_any_address_the_next_step_is_told(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match=r"log in with .* or start `make run`"):
        find(places(tmp_path))


@pytest.mark.parametrize("key", ["", " ", "two\nlines", "\x1b", "schlüssel"])
def test_what_is_no_key_is_told_and_not_shown(tmp_path: Path, key: str) -> None:
    with pytest.raises(CommandError, match=r"no API key|no key for") as refused:
        find(places(tmp_path, {"GROVE_API_URL": "http://x", "GROVE_API_KEY": key}))

    assert "schl" not in str(refused.value)
    assert find(places(tmp_path, {"GROVE_API_URL": "http://x", "GROVE_API_KEY": "key\r\n"})).key == "key"


def test_a_password_in_an_address_is_refused_and_not_shown(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="no password in it") as refused:
        find(places(tmp_path, {"GROVE_API_URL": "http://me:hidden@x", "GROVE_API_KEY": "k"}))

    assert "hidden" not in str(refused.value)


@pytest.mark.parametrize(
    "url", ["nonsense", "ftp://x", "http://", "http://[x", "http://x:99999", "http://x/#a"]
)
def test_what_is_no_address_is_told(tmp_path: Path, url: str) -> None:
    with pytest.raises(CommandError, match="is not an address"):
        find(places(tmp_path, {"GROVE_API_URL": url, "GROVE_API_KEY": "k"}))


def test_a_spoilt_login_is_no_traceback_and_in_nobodys_way(tmp_path: Path) -> None:
    where = places(tmp_path)
    where.kept.parent.mkdir(parents=True)
    where.kept.write_text("{")

    with pytest.raises(CommandError, match=r"cannot read .*login\.json"):
        find(where)
    given = places(tmp_path, {"GROVE_API_URL": "https://given", "GROVE_API_KEY": "given-key"})
    assert find(given) == Target("https://given", "given-key")

    where.kept.write_text('{"url":5,"key":["k"]}')
    with pytest.raises(CommandError, match="nothing says where"):
        find(where)


def test_without_a_home_in_the_environment_a_login_is_not_kept_where_one_happens_to_be(
    tmp_path: Path,
) -> None:
    assert Places({}, tmp_path).kept.is_absolute()
