"""The simulator as people start it: a process of its own against the running suite."""

import asyncio
import sys

import pytest

from tests.support.stack import REPOSITORY, Stack

_DEADLINE_S = 50.0


async def simulate(*arguments: str) -> tuple[int | None, str, str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tools.simulator",
        *arguments,
        cwd=REPOSITORY,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(_DEADLINE_S):
            out, err = await process.communicate()
    except TimeoutError:
        process.kill()
        await process.wait()
        raise
    return process.returncode, out.decode(), err.decode()


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
