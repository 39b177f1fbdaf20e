"""Clients that are broken, byte by byte: a clear answer, and nobody else is disturbed."""

import asyncio
import json

import pytest

from libs.contracts.kp1 import MAX_PAYLOAD_BYTES
from tests.component.http_transport.conftest import Transport
from tests.component.http_transport.raw_http import (
    connected,
    path_for,
    post,
)
from tests.support.owners import VERSION


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
