"""Clients that drip, fall silent or vanish: cut off in time, and nobody else is disturbed."""

import asyncio
import socket

import pytest

from libs.contracts.kp1 import MAX_PAYLOAD_BYTES
from tests.component.http_transport.conftest import StartTransport, Transport
from tests.component.http_transport.raw_http import (
    connected,
    held,
    is_asked,
    path_for,
    post,
    send_dripping,
)
from tests.support.owners import VERSION
from tests.support.waiting import eventually


async def test_a_head_that_drips_is_cut_off(start: StartTransport) -> None:
    transport = await start(head_s=0.3, idle_s=20)

    async with connected(transport) as raw:
        drip = asyncio.get_running_loop().create_task(send_dripping(raw, b"POST /kp1/" + b"x" * 2000))
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


async def test_clients_that_vanish_leave_nothing_behind(transport: Transport) -> None:
    path = path_for(transport)
    transport.owners.release.clear()

    for sent in (post(path, b"{}"), post(path, b"{", "Content-Length: 9"), post(path)[:20]):
        async with connected(transport) as raw:
            await raw.send(sent)
            raw.writer.transport.abort()
    transport.owners.release.set()

    await held(transport, 0)

    async def nobody() -> bool:
        return transport.gauge("grove_http_in_flight") == 0

    await eventually(nobody, what="nothing in flight")


async def test_stopping_finishes_what_is_in_flight_and_says_close(transport: Transport) -> None:
    path = path_for(transport)
    transport.owners.release.clear()

    async with connected(transport) as raw:
        await raw.send(post(path, b"{}"))
        await eventually(lambda: is_asked(transport), what="it is with its owner")
        transport.process.stop("told to")
        await asyncio.sleep(0.1)
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", transport.port)
        transport.owners.release.set()
        status, headers, body = await raw.answer()
        rest = await raw.closed()

    assert (status, headers["connection"], body, rest) == (200, "close", b"{}", b"")
