"""schemathesis, which knows our API from /openapi.json alone, finds no answer that is not described there.

It asks for no 5xx, no status, header, content type or body that is not documented, nothing accepted that the
document forbids, no route without a key, and nothing that is still there after it was deleted. What it does
not ask for is that all the document allows is accepted: a schema cannot say which names exist.
"""

import asyncio
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest

from tests.support.stack import Stack
from tools.schemathesis_environment import ENVIRONMENT, LOCK, interpreter

_ROOT = Path(__file__).parents[2]
# Not only 400 refuses what the document forbids: some of it is found after a condition did not hold (412).
_FOLLOWING_LINKS = """
hooks = "hooks.py"
[checks.negative_data_rejection]
expected-statuses = [400, 401, 403, 404, 405, 406, 409, 412, 413, 415, 422, 429, 503]
[phases.stateful]
max-steps = 12
[phases.stateful.generation]
mode = "positive"
codec = "ascii"
allow-x00 = false
"""
_SHORT = f"""{_FOLLOWING_LINKS}max-examples = 20
[phases.stateful.inference]
algorithms = []
[phases.coverage.generation]
mode = "positive"
[phases.fuzzing.generation]
max-examples = 1
"""
# It writes any value as text into a table, `false` for one: a header and nothing that could be refused. That
# a text is no violation then it knows of text/plain only, so a body that is no text is left out.
_HOOKS = """
import schemathesis

@schemathesis.serializer("text/csv")
def written(context, value):
    return value.encode() if isinstance(value, str) else b""
"""
_SOAK_S = 180
# An endpoint may be called `batch`: what `Allow` then names works, and the document describes it elsewhere.
_NOT_ASKED_FOR = ("positive_data_acceptance", "allow_header_conformance")


@dataclass(frozen=True)
class _Command:
    """Its command line against a stack; what it writes goes into the directory."""

    python: Path
    stack: Stack
    directory: Path

    async def run(self, config: str, *options: str, within_s: float) -> tuple[int | None, str]:
        """Return the exit code and what it said."""
        (self.directory / "schemathesis.toml").write_text(config)
        (self.directory / "hooks.py").write_text(_HOOKS)
        process = await asyncio.create_subprocess_exec(
            self.python,
            *(
                "-m",
                "schemathesis.cli",
                "--config-file",
                "schemathesis.toml",
                "run",
                f"{self.stack.api}/openapi.json",
            ),
            *("--header", f"Authorization: Bearer {self.stack.api_key}", "--request-timeout", "60"),
            *("--checks", "all", "--exclude-checks", ",".join(_NOT_ASKED_FOR), "--warnings", "off"),
            *("--generation-database", "none", "--continue-on-failure", "--no-color"),
            *await _without_streams(self.stack),
            *options,
            cwd=self.directory,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        try:
            async with asyncio.timeout(within_s):
                said, _ = await process.communicate()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        return process.returncode, said.decode()


@pytest.fixture
def schemathesis() -> Path:
    """The Python that has it; asked for before the stack, which then need not start."""
    python = interpreter(_ROOT / ENVIRONMENT, _ROOT / LOCK)
    if python is None:
        pytest.skip("schemathesis is not there: make schemathesis, which needs the network")
    return python


@pytest.mark.timeout(120)  # ten seconds, on a machine that has nothing else to do
async def test_a_short_run_meets_nothing_that_is_not_documented(
    schemathesis: Path, own_stack: Stack, tmp_path: Path
) -> None:
    command = _Command(schemathesis, own_stack, tmp_path)
    status, said = await command.run(_SHORT, "--seed=1", within_s=90)

    assert status == 0, said


@pytest.mark.soak
async def test_a_long_run_meets_nothing_that_is_not_documented(
    schemathesis: Path, own_stack: Stack, tmp_path: Path, soak_seed: int
) -> None:
    command = _Command(schemathesis, own_stack, tmp_path)
    options = (f"--seed={soak_seed}", f"--max-time={_SOAK_S}")
    status, said = await command.run(_FOLLOWING_LINKS, *options, within_s=2 * _SOAK_S + 120)

    assert status == 0, said


async def _without_streams(stack: Stack) -> list[str]:
    """Options that leave out what answers a stream of events: it has no end to wait for."""
    async with aiohttp.ClientSession() as session, session.get(f"{stack.api}/openapi.json") as response:
        document = await response.json()
    return [
        f"--exclude-operation-id={operation['operationId']}"
        for methods in document["paths"].values()
        for operation in methods.values()
        if any("text/event-stream" in each.get("content", {}) for each in operation["responses"].values())
    ]
