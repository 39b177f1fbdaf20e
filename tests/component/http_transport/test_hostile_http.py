"""Clients that are broken, slow or greedy, byte by byte: a clear answer, and nobody else is disturbed."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from prometheus_client import REGISTRY

from libs.contracts.kp1 import MAX_PAYLOAD_BYTES
from tests.component.http_transport.conftest import StartTransport, Transport
from tests.support.owners import VERSION
from tests.support.servers import NatsServer
from tests.support.waiting import eventually


class Raw:
    """One connection on which the test writes what it likes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self.writer = writer

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def answer(self) -> tuple[int, dict[str, str], bytes]:
        """Read one response."""
        head = (await self._reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = {
            name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:] if line)
        }
        body = await self._reader.readexactly(int(headers.get("content-length", "0")))
        return int(head[0].split()[1]), headers, body

    async def closed(self) -> bytes:
        """Wait until the other side closes; returns what it still said."""
        return await self._reader.read()


@asynccontextmanager
async def connected(transport: Transport) -> AsyncIterator[Raw]:
    reader, writer = await asyncio.open_connection("127.0.0.1", transport.port)
    try:
        async with asyncio.timeout(20):
            yield Raw(reader, writer)
    finally:
        writer.close()


def post(path: str, body: bytes = b"", *headers: str) -> bytes:
    lines = [f"POST {path} HTTP/1.1", "Host: grove", *headers]
    if not any(line.startswith(("Content-Length", "Transfer-Encoding")) for line in headers):
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode() + body


def path_for(transport: Transport, *, endpoint_id: str = "ep") -> str:
    return f"/kp1/{VERSION}/epmx/{transport.owners.new_token(endpoint_id=endpoint_id)}/get"


@pytest.mark.parametrize(
    "request_bytes",
    [
        pytest.param(b"NONSENSE\r\n\r\n", id="no request line"),
        pytest.param(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(64), id="TLS hello"),
        pytest.param(b"\x10\x0e\x00\x04MQTT\x04\x02\x00\x3c\x00\x02ab", id="MQTT CONNECT"),
        pytest.param(b"POST / HTTP/9.9\r\n\r\n", id="HTTP version"),
        pytest.param(b"POST / HTTP/1.1\r\n\r\n", id="no Host"),
        pytest.param(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", id="HTTP/2 preface"),
        pytest.param(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n", id="negative length"),
        pytest.param(
            b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", id="two lengths"
        ),
        pytest.param(
            b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            id="smuggling",
        ),
        pytest.param(b"POST / HTTP/1.1\r\nHost: a\r\nBad Header: x\r\n\r\n", id="space in header name"),
        pytest.param(b"POST / HTTP/1.1\r\nHost: a\r\nX: \x00\r\n\r\n", id="NUL in header"),
        pytest.param(b"POST /" + b"x" * 10_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n", id="10 KB path"),
        pytest.param(b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 9_000 + b"\r\n\r\n", id="9 KB header"),
        pytest.param(b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X: y\r\n" * 200 + b"\r\n", id="200 headers"),
    ],
)
async def test_what_is_no_http_is_a_400_in_json_and_ends_the_connection(
    transport: Transport, request_bytes: bytes
) -> None:
    async with connected(transport) as raw:
        await raw.send(request_bytes)
        status, headers, body = await raw.answer()
        rest = await raw.closed()

    assert status == 400
    assert headers["content-type"] == "application/json"
    assert json.loads(body)["statusCode"] == 400
    assert rest == b""


@pytest.mark.parametrize(
    ("path", "status"),
    [
        pytest.param("/kp1/{v}/ep%6Dx/{t}/get", 200, id="encoded letter"),
        pytest.param("/kp1/{v}/epmx/{t}/get?x=/../..", 200, id="query"),
        pytest.param("http://grove/kp1/{v}/epmx/{t}/get", 200, id="absolute form"),
        pytest.param("/kp1/{v}/epmx/{t}/../get", 200, id="dots reach the owner as they are"),
        pytest.param("/kp1/{v}/epmx/{t}/update%2Fkeys", 400, id="encoded slash"),
        pytest.param("/kp1/{v}/epmx/{t}%2F../get", 400, id="encoded slash behind the token"),
        pytest.param("/kp1/{v}/epmx/{t}/get%00", 400, id="NUL"),
        pytest.param("/kp1/{v}/epmx/{t}/get%0d%0aX:y", 400, id="header injection"),
        pytest.param("/kp1/{v}/epmx/{t}/%ff", 400, id="not UTF-8"),
        pytest.param("/kp1/{v}/epmx/{t}/%zz", 400, id="no hex digits"),
        pytest.param("/kp1/{v}/epmx/{t}/get%", 400, id="lone percent"),
        pytest.param("/kp1/{v}/epmx/{t}/get#x", 400, id="fragment"),
        pytest.param("//kp1/{v}/epmx/{t}/get", 404, id="double slash in front"),
        pytest.param("/kp1//{v}/epmx/{t}/get", 400, id="double slash inside"),
        pytest.param("/kp1/{v}/epmx/" + "t" * 257 + "/get", 400, id="long token"),
        pytest.param("/kp1/{v}/epmx/{t}" + "/x" * 40, 400, id="many levels"),
    ],
)
async def test_a_path_means_what_it_says(transport: Transport, path: str, status: int) -> None:
    token = transport.owners.new_token()

    async with connected(transport) as raw:
        await raw.send(post(path.format(v=VERSION, t=token), b"{}"))
        answered, _, body = await raw.answer()

    assert answered == status
    assert token.encode() not in body


async def test_pipelined_requests_are_answered_in_order(transport: Transport) -> None:
    path = path_for(transport)

    async with connected(transport) as raw:
        await raw.send(b"".join(post(path, b"%d" % number) for number in range(100)))
        answers = [await raw.answer() for _ in range(100)]

    assert [body for _, _, body in answers] == [b"%d" % number for number in range(100)]
    assert [request.payload for request in transport.owners.received] == [b"%d" % n for n in range(100)]


async def test_pipelining_in_small_pieces_behind_a_slow_request(transport: Transport) -> None:
    path = path_for(transport)
    transport.owners.release.clear()
    stream = b"".join(post(path, b"%d" % number * 50) for number in range(10))

    async with connected(transport) as raw:
        for start in range(0, len(stream), 37):
            await raw.send(stream[start : start + 37])
            await asyncio.sleep(0)
        transport.owners.release.set()
        answers = [await raw.answer() for _ in range(10)]

    assert [body for _, _, body in answers] == [b"%d" % number * 50 for number in range(10)]


def chunked(size: int) -> bytes:
    chunks = [b"x" * min(4096, size - start) for start in range(0, size, 4096)]
    return b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\n\r\n"


@pytest.mark.parametrize(
    ("size", "status"),
    [
        pytest.param(MAX_PAYLOAD_BYTES, 200, id="256 KiB"),
        pytest.param(MAX_PAYLOAD_BYTES + 1, 413, id="256 KiB and a byte"),
        pytest.param(3_000_000, 413, id="3 MB"),
    ],
)
async def test_chunked_bodies_are_bounded_while_they_are_read(
    transport: Transport, size: int, status: int
) -> None:
    async with connected(transport) as raw:
        await raw.send(post(path_for(transport), chunked(size), "Transfer-Encoding: chunked"))
        answered, _, body = await raw.answer()

    assert answered == status
    assert (len(body) == size) == (status == 200)


async def test_a_body_that_is_too_large_is_refused_before_it_is_sent(transport: Transport) -> None:
    async with connected(transport) as raw:
        await raw.send(post(path_for(transport), b"", "Content-Length: 9999999999", "Expect: 100-continue"))
        status, _, _ = await raw.answer()

    assert status == 413


async def test_who_waits_for_it_is_told_to_go_on(transport: Transport) -> None:
    async with connected(transport) as raw:
        await raw.send(post(path_for(transport), b"", "Content-Length: 2", "Expect: 100-continue"))
        told, _, _ = await raw.answer()
        await raw.send(b"{}")
        status, _, body = await raw.answer()

    assert (told, status, body) == (100, 200, b"{}")


async def test_malformed_chunks_are_a_400(transport: Transport) -> None:
    async with connected(transport) as raw:
        await raw.send(post(path_for(transport), b"5\r\nabc", "Transfer-Encoding: chunked"))
        await raw.send(b"zzzzz\r\n\r\n")
        status, _, _ = await raw.answer()

    assert status == 400


async def test_a_head_that_drips_is_cut_off(start: StartTransport) -> None:
    transport = await start(head_s=0.3, idle_s=20)

    async with connected(transport) as raw:
        drip = asyncio.get_running_loop().create_task(_drip(raw, b"POST /kp1/" + b"x" * 2000))
        status, _, _ = await raw.answer()
        await raw.closed()
        drip.cancel()

    assert status == 408
    assert (await transport.update(transport.owners.new_token())).status == 200


async def test_a_later_head_that_drips_is_cut_off_too(start: StartTransport) -> None:
    transport = await start(head_s=0.3, idle_s=20)

    async with connected(transport) as raw:
        await raw.send(post(path_for(transport), b"{}"))
        first, _, _ = await raw.answer()
        await raw.send(b"POST /kp1/")
        second, _, _ = await raw.answer()

    assert (first, second) == (200, 408)


async def test_a_connection_that_says_nothing_is_closed(start: StartTransport) -> None:
    transport = await start(head_s=0.2, idle_s=20)

    async with connected(transport) as raw:
        assert await raw.closed() == b""


async def test_an_idle_connection_may_wait_longer_than_a_head(start: StartTransport) -> None:
    transport = await start(head_s=0.2, idle_s=1.0)
    path = path_for(transport)

    async with connected(transport) as raw:
        await raw.send(post(path, b"{}"))
        await raw.answer()
        await asyncio.sleep(0.5)
        await raw.send(post(path, b"{}"))
        status, _, _ = await raw.answer()
        rest = await raw.closed()

    assert (status, rest) == (200, b"")


async def test_an_endless_head_is_cut_off(transport: Transport) -> None:
    async with connected(transport) as raw:
        await raw.send(b"GET / HTTP/1.1\r\nHost: a\r\n")
        for _ in range(10):
            await raw.send(b"X-Y: " + b"z" * 4000 + b"\r\n")
            await asyncio.sleep(0.01)
        status, _, _ = await raw.answer()

    assert status == 431


async def test_a_body_that_drips_is_cut_off(start: StartTransport) -> None:
    transport = await start(body_s=0.3)

    async with connected(transport) as raw:
        await raw.send(post(path_for(transport), b"{", "Content-Length: 100"))
        status, headers, _ = await raw.answer()
        await raw.closed()

    assert status == 408
    assert headers["connection"] == "close"
    assert not transport.owners.received


async def test_a_token_suspended_while_its_body_drips_is_refused(transport: Transport) -> None:
    token = transport.owners.new_token()
    await transport.update(token)

    async with connected(transport) as raw:
        await raw.send(post(f"/kp1/{VERSION}/epmx/{token}/get", b"{", "Content-Length: 2"))
        await asyncio.sleep(0.1)
        await transport.owners.suspend(token)
        await asyncio.sleep(0.1)
        await raw.send(b"}")
        status, _, _ = await raw.answer()

    assert status == 403


async def test_bodies_share_one_budget(start: StartTransport) -> None:
    transport = await start(body_budget_bytes=100_000)
    path = path_for(transport)

    async with connected(transport) as greedy:
        await greedy.send(post(path, b"x" * 90_000, "Content-Length: 95000"))
        await eventually(lambda: _holds(transport, 90_000), what="the first body is held")
        async with connected(transport) as other:
            await other.send(post(path, b"x" * 20_000))
            refused, headers, _ = await other.answer()
            assert await other.closed() == b""
        async with connected(transport) as modest:
            await modest.send(post(path, b"{}"))
            small, _, _ = await modest.answer()
        await greedy.send(b"x" * 5_000)
        served, _, _ = await greedy.answer()

    assert (refused, headers["retry-after"]) == (503, "1")
    assert (small, served) == (200, 200)
    await _held(transport, 0)


async def test_bodies_count_before_their_sender_is_known(start: StartTransport, own_nats: NatsServer) -> None:
    transport = await start(server=own_nats, body_budget_bytes=100_000, owner_s=20)
    before = _refusals()

    async def both_refused() -> bool:
        return _refusals() >= before + 2

    await own_nats.pause()
    try:
        async with (
            connected(transport) as first,
            connected(transport) as second,
            connected(transport) as third,
        ):
            await first.send(post(_path_of_stranger(1), b"x" * 60_000, "Content-Length: 90000"))
            await eventually(lambda: _holds(transport, 60_000), what="the first body is held")
            await second.send(post(_path_of_stranger(2), b"x" * 60_000))
            at_once, _, _ = await second.answer()
            await third.send(post(_path_of_stranger(3), b"", "Content-Length: 90000"))
            await asyncio.sleep(0.05)
            await third.send(b"x" * 60_000)
            await eventually(both_refused, what="the third is refused")
            await own_nats.resume()
            later, headers, _ = await third.answer()
            assert await third.closed() == b""
    finally:
        await own_nats.resume()

    assert at_once == 503
    assert (later in {401, 403, 503, 504}, headers["connection"]) == (True, "close")
    await _held(transport, 0)


def _path_of_stranger(number: int) -> str:
    return f"/kp1/{VERSION}/epmx/stranger{number}/get"


async def test_pipelined_bytes_count_and_are_given_back(start: StartTransport) -> None:
    transport = await start(body_budget_bytes=100_000)
    path = path_for(transport)
    transport.owners.release.clear()

    async with connected(transport) as raw:
        await raw.send(post(path, b"1"))
        await eventually(lambda: _asked(transport), what="the first request is with its owner")
        raw.writer.write(b"".join(post(path, b"%d" % n) for n in range(2, 300)))
        await eventually(lambda: _holds(transport, 10), what="pipelined bytes are counted")
        transport.owners.release.set()
        answers = [(await raw.answer())[2] for _ in range(299)]

    assert answers == [b"%d" % n for n in range(1, 300)]
    await _held(transport, 0)


async def test_without_room_for_what_is_pipelined_the_connection_ends_after_its_answer(
    start: StartTransport,
) -> None:
    transport = await start(body_budget_bytes=1_000)
    path = path_for(transport)
    transport.owners.release.clear()

    async with connected(transport) as raw:
        await raw.send(post(path, b"1"))
        await eventually(lambda: _asked(transport), what="the first request is with its owner")
        await raw.send(post(path, b"x" * 5_000))
        await asyncio.sleep(0.1)
        transport.owners.release.set()
        status, _, body = await raw.answer()
        rest = await raw.closed()

    assert (status, body, rest) == (200, b"1", b"")


async def test_a_client_that_does_not_read_is_cut_off(start: StartTransport) -> None:
    transport = await start(stall_s=0.5)
    path = path_for(transport)
    with socket.create_connection(("127.0.0.1", transport.port)) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        request = post(path, b"x" * MAX_PAYLOAD_BYTES)
        loop = asyncio.get_running_loop()
        sock.setblocking(False)  # noqa: FBT003 - socket's signature

        async def flood() -> None:
            while True:
                await loop.sock_sendall(sock, request)

        with pytest.raises(ConnectionError):
            async with asyncio.timeout(15):
                await flood()

    assert 'grove_http_cut_off_total{listener="http",reason="answer not read"}' in await transport.metrics()


async def test_too_many_connections_are_told_so(start: StartTransport) -> None:
    transport = await start(max_connections=3, idle_s=0.5)

    async with (
        connected(transport),
        connected(transport),
        connected(transport),
        connected(transport) as fourth,
    ):
        status, headers, _ = await fourth.answer()

    assert (status, headers["retry-after"]) == (503, "1")


async def test_clients_that_vanish_leave_nothing_behind(transport: Transport) -> None:
    path = path_for(transport)
    transport.owners.release.clear()

    for sent in (post(path, b"{}"), post(path, b"{", "Content-Length: 9"), post(path)[:20]):
        async with connected(transport) as raw:
            await raw.send(sent)
            raw.writer.transport.abort()
    transport.owners.release.set()

    await _held(transport, 0)

    async def nobody() -> bool:
        return transport.gauge("grove_http_in_flight") == 0

    await eventually(nobody, what="nothing in flight")


async def test_stopping_finishes_what_is_in_flight_and_says_close(transport: Transport) -> None:
    path = path_for(transport)
    transport.owners.release.clear()

    async with connected(transport) as raw:
        await raw.send(post(path, b"{}"))
        await eventually(lambda: _asked(transport), what="it is with its owner")
        transport.process.stop("told to")
        await asyncio.sleep(0.1)
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", transport.port)
        transport.owners.release.set()
        status, headers, body = await raw.answer()
        rest = await raw.closed()

    assert (status, headers["connection"], body, rest) == (200, "close", b"{}", b"")


async def _drip(raw: Raw, data: bytes) -> None:
    for byte in data:
        await raw.send(bytes([byte]))
        await asyncio.sleep(0.02)


async def _asked(transport: Transport) -> bool:
    return bool(transport.owners.received)


async def _holds(transport: Transport, count: int) -> bool:
    return transport.gauge("grove_http_body_bytes") > count


def _refusals() -> float:
    found = REGISTRY.get_sample_value(
        "grove_http_cut_off_total", {"listener": "http", "reason": "too many bytes in flight"}
    )
    return found or 0.0


async def _held(transport: Transport, count: int) -> None:
    async def holds() -> bool:
        return transport.gauge("grove_http_body_bytes") == count

    await eventually(holds, what=f"{count} bytes of bodies are held")
