import json
from pathlib import Path

import pytest

from tools.simulator.options import Options, parse
from tools.simulator.problem import SimulatorError
from tools.simulator.stack import Addresses, find

_READY = {
    "api": "http://127.0.0.1:1",
    "mqtt": "mqtt://127.0.0.1:2",
    "http": "http://127.0.0.1:3",
    "apiKey": "k",
}


def options_for(directory: Path, *arguments: str) -> Options:
    return parse(["--data-dir", str(directory), *arguments])


def test_ready_json_tells_where_the_stack_is(tmp_path: Path) -> None:
    (tmp_path / "ready.json").write_text(json.dumps(_READY))

    assert find(options_for(tmp_path)) == Addresses("http://127.0.0.1:1", "mqtt://127.0.0.1:2", "k")
    assert find(options_for(tmp_path, "--protocol", "http")).devices == "http://127.0.0.1:3"


def test_what_is_given_wins(tmp_path: Path) -> None:
    (tmp_path / "ready.json").write_text(json.dumps(_READY))

    found = find(options_for(tmp_path, "--key", "mine"))

    assert found == Addresses("http://127.0.0.1:1", "mqtt://127.0.0.1:2", "mine")


def test_no_ready_json_is_needed_when_everything_is_given(tmp_path: Path) -> None:
    given = ["--api", "http://127.0.0.1:8", "--mqtt", "mqtt://127.0.0.1:9", "--key", "k"]

    assert find(options_for(tmp_path, *given)) == Addresses("http://127.0.0.1:8", "mqtt://127.0.0.1:9", "k")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        pytest.param(None, "make run", id="no stack"),
        pytest.param("{", "--data-dir", id="something else of that name"),
        pytest.param("[]", "--api", id="not an object"),
        pytest.param('{"api": "http://127.0.0.1:1", "apiKey": "k"}', "--mqtt", id="no MQTT there"),
        pytest.param('{"api": "http://127.0.0.1:1", "mqtt": "mqtt://h:2"}', "--key", id="no key there"),
    ],
)
def test_what_is_missing_is_said_with_what_to_do(tmp_path: Path, content: str | None, words: str) -> None:
    if content is not None:
        (tmp_path / "ready.json").write_text(content)

    with pytest.raises(SimulatorError, match=words):
        find(options_for(tmp_path))
