"""Clients that are broken, slow or many, at the listeners that every process has."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack

import pytest
from aiohttp import web

from libs.process.connection_limits import ConnectionLimits
from libs.process.serving import HttpServer
from tests.component.process.conftest import Sample, Start

SECRET = b"grove_SECRET"
LISTENERS = pytest.mark.parametrize("listener", ["http", "health"])
Listen = Callable[[ConnectionLimits], Awaitable[int]]


@LISTENERS
@pytest.mark.parametrize(
    "request_bytes",
    [
        pytest.param(b"GET / HTTP/1.1\r\nHost: x\r\nx-key: " + SECRET + b"\x01\r\n\r\n", id="header"),
        pytest.param(SECRET + b"\r\n\r\n", id="request line"),
        pytest.param(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" + SECRET + b"\x01\r\n\r\n", id="second request"),
        pytest.param(
            b"GET /quick HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + SECRET + b"\r\n",
            id="chunk",
        ),
    ],
)
async def test_malformed_http_is_a_400_in_json_and_never_logged(
    start: Start, listener: str, request_bytes: bytes
) -> None:
    sample = await start()

    answer = await sample.raw(listener, request_bytes)

    head, _, body = answer.rpartition(b"\r\n\r\n")
    assert b" 400 Bad Request" in answer
    assert b"Content-Type: application/json" in head
    assert b"aiohttp" not in answer
    assert SECRET not in answer
    assert list(json.loads(body)) == ["message"]
    assert SECRET.decode() not in sample.log
    assert "Traceback" not in sample.log
    assert sample.log.count("http_malformed") == 1


async def test_what_the_health_port_does_not_know_is_told_in_json(start: Start) -> None:
    sample = await start()

    answer = await sample.raw("health", b"GET /nope HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")

    assert answer.startswith(b"HTTP/1.1 404 ")
    assert answer.endswith(b'{"message": "Not Found"}')


async def test_more_idle_connections_than_open_files_leave_both_ports_reachable(start: Start) -> None:
    sample = await start(open_files=160)

    async with AsyncExitStack() as stack:
        for _ in range(400):
            _, writer = await asyncio.open_connection("127.0.0.1", sample.port("http"))
            stack.callback(writer.close)
        answers = [await _get(sample, "http", "/quick"), await _get(sample, "health", "/health")]

    assert [answer.split()[1] for answer in answers] == [b"200", b"200"]


async def _get(sample: Sample, listener: str, path: str) -> bytes:
    return await sample.raw(listener, f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())


@pytest.fixture
async def listen() -> AsyncIterator[Listen]:
    """Listen within limits; ``GET /`` is 204."""
    async with AsyncExitStack() as stack:

        async def answer(_request: web.Request) -> web.Response:
            return web.Response(status=204)

        async def open_listener(limits: ConnectionLimits) -> int:
            app = web.Application()
            app.router.add_get("/", answer)
            server = HttpServer(app, in_flight_s=1.0, listener="test", limits=limits)
            port = await server.start(bind="127.0.0.1", port=0)
            stack.push_async_callback(server.stop, linger_s=0.0)
            return port

        yield open_listener


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        pytest.param(b"", b"", id="nothing"),
        pytest.param(b"GET / HTTP/1.1\r\nHo", b"408", id="half a head"),
        pytest.param(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"204", id="one request, then nothing"),
    ],
)
async def test_a_connection_that_goes_silent_is_closed(listen: Listen, sent: bytes, status: bytes) -> None:
    port = await listen(ConnectionLimits(head_s=0.2, idle_s=0.4))

    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(sent)
    async with asyncio.timeout(5):
        answer = await reader.read()
    writer.close()

    assert answer[9:12] == status


async def test_one_connection_too_many_is_told_so(listen: Listen) -> None:
    port = await listen(ConnectionLimits(max_connections=1))

    _, first = await asyncio.open_connection("127.0.0.1", port)
    reader, second = await asyncio.open_connection("127.0.0.1", port)
    async with asyncio.timeout(5):
        answer = await reader.read()
    first.close()
    second.close()

    assert answer.startswith(b"HTTP/1.1 503 ")
    assert answer.endswith(b'{"message": "too many connections"}')


@LISTENERS
async def test_end_of_a_body_that_nobody_read_is_not_counted_as_a_head(start: Start, listener: str) -> None:
    sample = await start()
    reader, writer = await asyncio.open_connection("127.0.0.1", sample.port(listener))

    writer.write(b"POST /nope HTTP/1.1\r\nHost: x\r\nContent-Length: 60000\r\n\r\n")
    async with asyncio.timeout(10):
        first = await reader.readuntil(b"}")
        writer.write(b"x" * 60_000)
        await writer.drain()
        writer.write(b"GET /nope HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        second = await reader.read()
    writer.close()

    assert [answer.split()[1] for answer in (first, second)] == [b"404", b"404"]
