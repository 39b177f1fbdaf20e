"""What the runner refuses to start with, each in one line that says what to change."""

import asyncio
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from deploy.local.leash import leashed
from tests.support.fake_stack import command
from tests.support.servers import running_nats
from tests.support.stack import REPOSITORY, clean_environment, running_stack


def run(data: Path, table: str, **env: str) -> subprocess.CompletedProcess[str]:
    """Run until the end, which must come by itself."""
    return subprocess.run(
        leashed(*command(table), "run", "--data-dir", str(data)),
        cwd=REPOSITORY,
        env=clean_environment(env),
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def only_line(result: subprocess.CompletedProcess[str]) -> str:
    """The one line of a refusal; nothing else may have been said."""
    assert result.returncode == 2, result
    assert result.stdout == ""
    [line] = result.stderr.splitlines()
    return line


@pytest.mark.parametrize(
    ("table", "variable", "user"),
    [
        pytest.param("whole", "GROVE_NATS_PORT", "nats", id="nats"),
        pytest.param("whole", "GROVE_STORE_PORT", "store", id="store"),
        pytest.param("alone", "GROVE_HTTP_PORT", "http-transport", id="service"),
    ],
)
def test_a_taken_port_is_named_with_its_owner_and_its_variable(
    tmp_path: Path, table: str, variable: str, user: str
) -> None:
    owner = (
        "import socket, time; s = socket.create_server(('127.0.0.1', 0));"
        "print(s.getsockname()[1], flush=True); time.sleep(60)"
    )
    with subprocess.Popen(leashed(sys.executable, "-c", owner), stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        port = process.stdout.readline().strip()

        line = only_line(run(tmp_path / "data", table, **{variable: port}))
        process.kill()

    assert line.startswith(
        f"olivegrove: port {port} for {user} is taken by pid {process.pid}, {sys.executable}"
    )
    assert line.endswith(f"or set {variable} to another port (0 = any free one)")


def test_one_port_for_two_things_is_refused(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])

    line = only_line(run(tmp_path / "data", "whole", GROVE_NATS_PORT=port, GROVE_HTTP_PORT=port))

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
    tmp_path: Path, env: Mapping[str, str], told: str
) -> None:
    assert told in only_line(run(tmp_path / "data", "alone", **env))


def test_a_data_directory_that_is_a_file_is_told_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("not a directory")

    assert "set GROVE_DATA_DIR to another" in only_line(run(tmp_path / "data", "alone"))


def test_damaged_secrets_are_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "secrets.json").write_text("{")

    assert "secrets.json is damaged" in only_line(run(tmp_path / "data", "alone"))
    assert (tmp_path / "data" / "secrets.json").read_text() == "{"


async def test_a_second_runner_on_the_same_data_is_refused(tmp_path: Path) -> None:
    async with running_stack(tmp_path, command=command("alone")) as stack:
        line = only_line(run(stack.data, "alone"))

        assert f"is in use by another runner (pid {stack.runner.process.pid})" in line
        assert (stack.data / "ready.json").exists()


def test_a_process_that_ends_at_its_start_fails_the_start_with_its_last_words(tmp_path: Path) -> None:
    result = run(tmp_path / "data", "fails")

    assert result.returncode == 1
    assert "http-transport ended with exit code 1; its log is" in result.stdout
    assert "    GROVE_SOMETHING is not set" in result.stdout
    assert not (tmp_path / "data" / "ready.json").exists()


def test_a_process_that_is_never_ready_fails_the_start_saying_what_is_missing(tmp_path: Path) -> None:
    result = run(tmp_path / "data", "unready", GROVE_LOCAL_START_DEADLINE_S="1")

    assert result.returncode == 1
    assert "http-transport was not ready within 1 s (store: away)" in result.stdout


async def test_a_given_nats_is_used_instead_of_the_embedded_one(tmp_path: Path) -> None:
    async with running_nats(tmp_path) as nats:
        env = {"GROVE_NATS_URL": nats.url, "GROVE_MONGODB_URL": "mongodb://127.0.0.1:9/"}
        async with running_stack(tmp_path, command=command("whole"), env=env) as stack:
            content = stack.runner.content()

    assert content["infrastructure"] == {}
    assert content["nats"] == nats.url
    assert content["mongodb"] == "mongodb://127.0.0.1:9/"


async def test_status_asks_every_process(tmp_path: Path) -> None:
    async with running_stack(tmp_path, command=command("whole"), replicas={"http-transport": 2}) as stack:
        well = await asyncio.to_thread(status, stack.data)
        await stack.pause("http-transport", 1)
        one_frozen = await asyncio.to_thread(status, stack.data)
        await stack.resume("http-transport", 1)
        frozen = str(stack.pid_of("http-transport", 1))

    assert [line.split()[0] for line in well.stdout.splitlines()] == [
        "process",
        "nats",
        "store",
        "credential-manager",
        "http-transport",
        "http-transport-1",
    ]
    assert (well.stdout.count("ready"), well.returncode) == (5, 0)
    assert one_frozen.stdout.splitlines()[-1].split()[:4] == ["http-transport-1", frozen, "no", "answer"]
    assert (one_frozen.stdout.count("ready"), one_frozen.returncode) == (4, 1)


def test_status_of_nothing_is_one_line(tmp_path: Path) -> None:
    result = status(tmp_path / "data")

    assert result.returncode == 2
    assert result.stderr.startswith("olivegrove: nothing is ready: there is no ")


def status(data: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "deploy.local", "status", "--data-dir", str(data)],
        cwd=REPOSITORY,
        env=clean_environment({}),
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
