"""The command line against the running suite, as a person or a script would use it."""

import asyncio
import json
import os
import secrets
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.support.stack import REPOSITORY, Stack

_WITHIN_S = 30


@dataclass(frozen=True, slots=True)
class Said:
    code: int
    out: str
    err: str


async def grove(stack: Stack, *arguments: str, typed: str = "") -> Said:
    """Run one command."""
    environ = {**os.environ, "GROVE_API_URL": stack.api, "GROVE_API_KEY": stack.api_key}  # noqa: TID251 - handed on
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tools.grove",
        *arguments,
        cwd=REPOSITORY,
        env=environ,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(_WITHIN_S):
        out, err = await process.communicate(typed.encode())
    assert process.returncode is not None
    return Said(process.returncode, out.decode(), err.decode())


async def test_a_grove_is_made_imported_listed_and_exported(suite: Stack, tmp_path: Path) -> None:
    name = f"cli{secrets.token_hex(4)}"
    table = tmp_path / "trees.csv"
    table.write_text(f"endpointId,place,floor:number\n{name}-1,=well,1\n{name}-2,gate,x\n{name}-3,,-3\n")

    assert (await grove(suite, "apps", "create", name)).code == 0
    assert (await grove(suite, "versions", "create", name, "v1")).code == 0
    first = await grove(suite, "import", str(table), "--version", f"{name}-v1")
    again = await grove(suite, "import", str(table), "--version", f"{name}-v1", "--json")
    listed = await grove(suite, "endpoints", "list", "--app", name, "--json")
    exported = await grove(suite, "export", "--app", name, "--columns", "place,floor")

    assert first.code == 1
    assert [line.split(",")[:3] for line in first.out.splitlines()] == [
        ["line", "status", "endpointId"],
        ["2", "201", f"{name}-1"],
        ["3", "400", ""],
        ["4", "201", f"{name}-3"],
    ]
    assert "2 created, 0 taken, 1 refused" in first.err
    assert [json.loads(line)["status"] for line in again.out.splitlines()] == [409, 400, 409]
    assert {each["endpointId"] for each in json.loads(listed.out)["content"]} == {f"{name}-1", f"{name}-3"}
    rows = [line.split(",") for line in exported.out.splitlines()]
    assert [[row[0], *row[3:]] for row in rows] == [
        ["endpointId", "place", "floor"],
        [f"{name}-1", "'=well", "1"],
        [f"{name}-3", "", "-3"],
    ]


async def test_a_token_need_not_stand_in_the_list_of_processes(suite: Stack) -> None:
    name, token = f"cli{secrets.token_hex(4)}", secrets.token_hex(8)
    assert (await grove(suite, "apps", "create", name)).code == 0
    assert (await grove(suite, "versions", "create", name, "v1")).code == 0

    made = await grove(
        suite, "endpoints", "create", "--version", f"{name}-v1", "--token", "-", "--json", typed=f"{token}\n"
    )

    assert json.loads(made.out)["token"] == token


async def test_a_refusal_says_what_to_do_next(suite: Stack) -> None:
    said = await grove(suite, "endpoints", "show", "nobody")

    assert said.code == 1
    assert "there is no endpoint 'nobody' (404)" in said.err
    assert "Traceback" not in said.err
