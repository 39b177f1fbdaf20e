"""How a start fails, and what is told of a running stack, seen from outside."""

import asyncio
import subprocess
import sys
from pathlib import Path

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


def test_a_taken_port_is_named_with_its_owner_and_its_variable(tmp_path: Path) -> None:
    owner = (
        "import socket, time; s = socket.create_server(('127.0.0.1', 0));"
        "print(s.getsockname()[1], flush=True); time.sleep(60)"
    )
    with subprocess.Popen(leashed(sys.executable, "-c", owner), stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        port = process.stdout.readline().strip()

        line = only_line(run(tmp_path / "data", "alone", GROVE_HTTP_PORT=port))
        process.kill()

    assert line.startswith(
        f"olivegrove: port {port} for http-transport is taken by pid {process.pid}, {sys.executable}"
    )
    assert line.endswith("or set GROVE_HTTP_PORT to another port (0 = any free one)")


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
        env = {
            "GROVE_NATS_URL": nats.url,
            "GROVE_NATS_DURABILITY": "volatile-accepted",
            "GROVE_MONGODB_URL": "mongodb://127.0.0.1:9/",
        }
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
