"""The simulator as people start it: a process of its own against the running suite."""

import asyncio
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.support.stack import REPOSITORY, Stack, clean_environment

_DEADLINE_S = 50.0


@asynccontextmanager
async def started(module: str, *arguments: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """Start a program of ours; it is gone when the block ends."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        module,
        *arguments,
        cwd=REPOSITORY,
        env=clean_environment({}),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(_DEADLINE_S):
            yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def simulate(*arguments: str) -> tuple[int | None, str, str]:
    async with started("tools.simulator", *arguments) as process:
        out, err = await process.communicate()
    return process.returncode, out.decode(), err.decode()


async def progress(process: asyncio.subprocess.Process) -> None:
    """Wait until the simulator tells how far it is."""
    assert process.stderr is not None
    while b"acknowledged" not in (line := await process.stderr.readline()):
        assert line, "it ended"


def figures(out: str) -> dict[str, str]:
    """Read the final table; its last line but one is the last figure."""
    return {name.strip(): value for name, value in (row.rsplit(maxsplit=1) for row in out.splitlines()[:-1])}


@pytest.mark.parametrize(
    "way",
    [
        pytest.param((), id="MQTT, a connection each"),
        pytest.param(("--gateway",), id="MQTT, a gateway"),
        pytest.param(("--protocol", "http"), id="HTTP"),
    ],
)
async def test_all_that_trees_send_is_acknowledged_and_found_again(
    suite: Stack, way: tuple[str, ...]
) -> None:
    where = ("--data-dir", str(suite.data))

    code, out, err = await simulate(*where, "--trees", "5", "--rate", "4", "--duration", "3", *way)

    told = figures(out)
    assert code == 0, f"{out}\n{err}"
    assert int(told["sent"]) >= 5 * 4
    assert told["sent"] == told["acknowledged"] == told["stored"]
    assert told["lost"] == told["not acknowledged"] == told["refused"] == "0"
    assert 0.0 < float(told["p50 ms"]) <= float(told["p99 ms"])
    assert out.splitlines()[-1] == "everything that was acknowledged is stored"
    assert "planted 5 olive trees" in err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        pytest.param(("--key", "wrong"), "is --key right?", id="a wrong key"),
        pytest.param(("--application", "No Such Name"), "No Such Name", id="a name that cannot be"),
        pytest.param(("--mqtt", "mqtt://127.0.0.1:1"), "127.0.0.1:1 does not answer", id="nobody there"),
    ],
)
async def test_what_keeps_it_from_starting_is_one_line(
    suite: Stack, arguments: tuple[str, ...], words: str
) -> None:
    code, out, err = await simulate("--data-dir", str(suite.data), *arguments)

    assert (code, out) == (2, "")
    assert words in err
    assert err.count("\n") == 1


async def test_ctrl_c_ends_the_sending_and_what_was_sent_is_verified(suite: Stack) -> None:
    where = ("--data-dir", str(suite.data), "--trees", "3", "--rate", "20")
    async with started("tools.simulator", *where) as process:
        await progress(process)
        process.send_signal(signal.SIGINT)
        out, _ = await process.communicate()

    told = figures(out.decode())
    assert process.returncode == 0
    assert told["sent"] == told["acknowledged"] == told["stored"] != "0"


async def test_the_demo_brings_its_own_stack_and_takes_it_away_again(tmp_path: Path) -> None:
    data = tmp_path / "data"
    async with started("tools.simulator.demo", "--data-dir", str(data), "--trees", "2") as process:
        await progress(process)
        process.send_signal(signal.SIGINT)
        out, _ = await process.communicate()

    assert process.returncode == 0
    assert "everything that was acknowledged is stored" in out.decode()
    assert not (data / "ready.json").exists()
