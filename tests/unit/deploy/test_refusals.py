"""What the runner refuses to start with, each in one line that says what to change."""

import os
import socket
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from deploy.local.command_line import main
from tests.support.fake_stack import TABLES
from tests.support.stack import clean_environment

Refused = Callable[..., str]


@pytest.fixture
def refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Refused:
    """Ask for a start and return the one line that refuses it; nothing else may have been said."""

    def refuse(table: str, **env: str) -> str:
        arguments = ["run", "--data-dir", str(tmp_path / "data")]
        code = main(arguments, environ=clean_environment(env), table=TABLES[table])

        said = capsys.readouterr()
        assert (code, said.out) == (2, "")
        [line] = said.err.splitlines()
        return line

    return refuse


@pytest.mark.parametrize(
    ("variable", "user"),
    [
        pytest.param("GROVE_NATS_PORT", "nats", id="nats"),
        pytest.param("GROVE_STORE_PORT", "store", id="store"),
        pytest.param("GROVE_HTTP_PORT", "http-transport", id="service"),
    ],
)
def test_a_taken_port_is_named_with_its_owner_and_its_variable(
    refused: Refused, variable: str, user: str
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

        line = refused("whole", **{variable: str(port)})

    assert line.startswith(f"olivegrove: port {port} for {user} is taken by pid {os.getpid()}, ")
    assert line.endswith(f"or set {variable} to another port (0 = any free one)")


def test_one_port_for_two_things_is_refused(refused: Refused) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])

    line = refused("whole", GROVE_NATS_PORT=port, GROVE_HTTP_PORT=port)

    assert line == f"olivegrove: GROVE_NATS_PORT and GROVE_HTTP_PORT are both {port}: change one"


@pytest.mark.parametrize(
    ("env", "told"),
    [
        pytest.param(
            {"GROVE_HTP_PORT": "1"}, "unknown variable GROVE_HTP_PORT (did you mean", id="unknown name"
        ),
        pytest.param({"GROVE_HTTP_PORT": "99999"}, "GROVE_HTTP_PORT must be at most 65535", id="no port"),
        pytest.param({"GROVE_HTTP_PORT": "web"}, "GROVE_HTTP_PORT must be a whole number", id="no number"),
        pytest.param(
            {"GROVE_BIND": "192.0.2.1", "GROVE_HTTP_PORT": "18080"}, "cannot listen on", id="not our address"
        ),
        pytest.param(
            {"GROVE_LOCAL_REPLICAS": "http-transport"},
            "GROVE_LOCAL_REPLICAS must be name=count",
            id="no count",
        ),
        pytest.param(
            {"GROVE_LOCAL_REPLICAS": "nats=3"}, "GROVE_LOCAL_REPLICAS names 'nats'", id="three nats"
        ),
        pytest.param(
            {"GROVE_LOCAL_STORE_RESERVE_BYTES": "9000TiB"}, "GROVE_LOCAL_STORE_RESERVE_BYTES", id="small disk"
        ),
    ],
)
def test_a_setting_that_cannot_work_is_told_in_one_line(
    refused: Refused, env: Mapping[str, str], told: str
) -> None:
    assert told in refused("alone", **env)


def test_a_data_directory_that_is_a_file_is_told_in_one_line(tmp_path: Path, refused: Refused) -> None:
    (tmp_path / "data").write_text("not a directory")

    assert "set GROVE_DATA_DIR to another" in refused("alone")


def test_damaged_secrets_are_not_replaced(tmp_path: Path, refused: Refused) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "secrets.json").write_text("{")

    assert "secrets.json is damaged" in refused("alone")
    assert (tmp_path / "data" / "secrets.json").read_text() == "{"
