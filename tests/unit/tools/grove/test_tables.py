"""Imports and exports against whatever answers."""

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from tools.grove.addresses import Target
from tools.grove.problem import AWAY, REFUSED, CommandError
from tools.grove.rest import connected
from tools.grove.tables import export_file, import_file

CREATED = b'{"line":2,"status":201,"endpointId":"a","token":"t"}\n'
ODD = b'{"line":3,"status":499,"reason":"odd"}\n'
ENDED = b'{"line":4,"status":400,"reason":"a quote is not closed","ended":true}\n'

Answering = Callable[[bytes], Awaitable[Target]]


@pytest.fixture
async def answering() -> AsyncIterator[Answering]:
    """Serves bytes as the answer to everything."""
    servers: list[TestServer] = []

    async def start(body: bytes) -> Target:
        async def answer(request: web.Request) -> web.Response:
            await request.read()
            return web.Response(body=body)

        app = web.Application()
        app.router.add_route("*", "/{any:.*}", answer)
        servers.append(TestServer(app))
        await servers[-1].start_server()
        return Target(str(servers[-1].make_url("")).rstrip("/"), "key")

    yield start
    for server in servers:
        await server.close()


async def imported(target: Target, folder: Path, *, as_json: bool = False) -> int:
    table = folder / "trees.csv"
    table.write_text("endpointId\na\n")
    async with connected(target) as rest:
        return await import_file(
            rest, str(table), version="olives-v1", results=str(folder / "results"), as_json=as_json
        )


async def test_rows_are_counted_and_told_in_both_formats(
    answering: Answering, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = await answering(CREATED + ODD)

    code = await imported(target, tmp_path)
    as_csv = (tmp_path / "results").read_bytes()
    (tmp_path / "results").unlink()
    await imported(target, tmp_path, as_json=True)

    assert code == REFUSED
    assert as_csv == b"line,status,endpointId,token,reason\r\n2,201,a,t,\r\n3,499,,,odd\r\n"
    assert (tmp_path / "results").read_bytes() == CREATED + ODD
    assert "1 created, 0 taken, 1 refused" in capsys.readouterr().err


async def test_what_is_no_row_is_told_and_what_came_before_is_kept(
    answering: Answering, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = await answering(CREATED + b"<html>\n")

    with pytest.raises(CommandError, match="no answer of this platform") as refused:
        await imported(target, tmp_path)

    assert refused.value.code == AWAY
    assert b"2,201,a,t," in (tmp_path / "results").read_bytes()
    assert "1 created" in capsys.readouterr().err


async def test_after_an_end_it_is_told_which_rows_may_come_again(
    answering: Answering, tmp_path: Path
) -> None:
    target = await answering(CREATED + ENDED)

    with pytest.raises(CommandError, match="endpointId or endpointToken are made once"):
        await imported(target, tmp_path)


async def test_an_export_is_a_file_of_its_owner(answering: Answering, tmp_path: Path) -> None:
    async with connected(await answering(b"endpointId\r\na\r\n")) as rest:
        await export_file(rest, {}, output=str(tmp_path / "out.csv"))

    assert (tmp_path / "out.csv").read_bytes() == b"endpointId\r\na\r\n"
