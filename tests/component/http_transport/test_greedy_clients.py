"""Clients that want more memory or connections than there are: bounded, and told so."""

import asyncio

from tests.component.http_transport.conftest import StartTransport, Transport
from tests.component.http_transport.raw_http import (
    connected,
    held,
    holds,
    is_asked,
    path_for,
    post,
    refusals,
)
from tests.support.owners import VERSION
from tests.support.servers import NatsServer
from tests.support.waiting import eventually


async def test_an_endless_head_is_cut_off(transport: Transport) -> None:
    async with connected(transport) as raw:
        await raw.send(b"GET / HTTP/1.1\r\nHost: a\r\n")
        for _ in range(10):
            await raw.send(b"X-Y: " + b"z" * 4000 + b"\r\n")
            await asyncio.sleep(0.01)
        status, _, _ = await raw.answer()

    assert status == 431


async def test_bodies_share_one_budget(start: StartTransport) -> None:
    transport = await start(body_budget_bytes=100_000)
    path = path_for(transport)

    async with connected(transport) as greedy:
        await greedy.send(post(path, b"x" * 90_000, "Content-Length: 95000"))
        await eventually(lambda: holds(transport, 90_000), what="the first body is held")
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
    await held(transport, 0)


async def test_bodies_count_before_their_sender_is_known(start: StartTransport, own_nats: NatsServer) -> None:
    transport = await start(server=own_nats, body_budget_bytes=100_000, owner_s=20)
    before = refusals()

    async def both_refused() -> bool:
        return refusals() >= before + 2

    await own_nats.pause()
    try:
        async with (
            connected(transport) as first,
            connected(transport) as second,
            connected(transport) as third,
        ):
            await first.send(post(_path_of_stranger(1), b"x" * 60_000, "Content-Length: 90000"))
            await eventually(lambda: holds(transport, 60_000), what="the first body is held")
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
    await held(transport, 0)


def _path_of_stranger(number: int) -> str:
    return f"/kp1/{VERSION}/epmx/stranger{number}/get"


async def test_pipelined_bytes_count_and_are_given_back(start: StartTransport) -> None:
    transport = await start(body_budget_bytes=100_000)
    path = path_for(transport)
    transport.owners.release.clear()

    async with connected(transport) as raw:
        await raw.send(post(path, b"1"))
        await eventually(lambda: is_asked(transport), what="the first request is with its owner")
        raw.writer.write(b"".join(post(path, b"%d" % n) for n in range(2, 300)))
        await eventually(lambda: holds(transport, 10), what="pipelined bytes are counted")
        transport.owners.release.set()
        answers = [(await raw.answer())[2] for _ in range(299)]

    assert answers == [b"%d" % n for n in range(1, 300)]
    await held(transport, 0)


async def test_without_room_for_what_is_pipelined_the_connection_ends_after_its_answer(
    start: StartTransport,
) -> None:
    transport = await start(body_budget_bytes=1_000)
    path = path_for(transport)
    transport.owners.release.clear()

    async with connected(transport) as raw:
        await raw.send(post(path, b"1"))
        await eventually(lambda: is_asked(transport), what="the first request is with its owner")
        await raw.send(post(path, b"x" * 5_000))
        await asyncio.sleep(0.1)
        transport.owners.release.set()
        status, _, body = await raw.answer()
        rest = await raw.closed()

    assert (status, body, rest) == (200, b"1", b"")


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
