"""SIGTERM: what was taken is answered and acknowledged, v5 clients are told, and nobody new comes in."""

import asyncio

import aiohttp
import pytest

from tests.component.mqtt_transport.conftest import StartTransport, Transport
from tests.support import mqtt_packets as packets
from tests.support.mqtt_packets import V5, VERSIONS, Connect, publish
from tests.support.mqtt_raw import Raw, raw_client
from tests.support.waiting import eventually

EVERY_VERSION = pytest.mark.parametrize("version", VERSIONS, ids=["3.1", "3.1.1", "5.0"])


@EVERY_VERSION
async def test_messages_in_flight_are_answered_and_acknowledged_before_the_goodbye(
    transport: Transport, version: int
) -> None:
    topics = [transport.topic(transport.owners.new_token(endpoint_id=f"ep{n}"), "get/1") for n in range(5)]
    transport.owners.release.clear()

    async with raw_client(transport.port, version=version) as raw:
        await raw.connect()
        await raw.send(
            *(publish(topic, b"x", version=version, qos=1, packet_id=n + 1) for n, topic in enumerate(topics))
        )
        await eventually(lambda: _asked(transport, 5), what="the owner has them all")
        transport.process.stop("told to")
        await eventually(lambda: _refuses(transport), what="nobody new comes in")
        transport.owners.release.set()
        said = packets.read_packets(await raw.closed())

    assert [each.packet_id for each in said if each.kind == 4] == [1, 2, 3, 4, 5]
    assert len([each for each in said if each.kind == 3]) == 5
    assert [(each.kind, each.code) for each in said if each.kind == 14] == (
        [(14, 0x8B)] if version == V5 else []
    )
    assert said[-1].kind == (14 if version == V5 else said[-1].kind)


async def test_idle_clients_are_told_and_gone_at_once(transport: Transport) -> None:
    async with raw_client(transport.port, version=V5) as raw, raw_client(transport.port) as silent:
        await raw.connect()
        began = asyncio.get_running_loop().time()
        transport.process.stop("told to")
        said = packets.read_packets(await raw.closed())
        await silent.closed()
        took_s = asyncio.get_running_loop().time() - began

    assert [(each.kind, each.code) for each in said] == [(14, 0x8B)]
    assert took_s < 2


async def test_websockets_are_told_and_gone_at_once(transport: Transport) -> None:
    url = f"http://127.0.0.1:{transport.process.ports['mqttWs']}/mqtt"

    async with aiohttp.ClientSession() as http, http.ws_connect(url) as ws:
        await ws.send_bytes(Connect(version=V5).encode())
        await ws.receive_bytes(timeout=5)
        began = asyncio.get_running_loop().time()
        transport.process.stop("told to")
        goodbye = packets.read_packets(await ws.receive_bytes(timeout=5))
        end = await ws.receive(timeout=5)
        took_s = asyncio.get_running_loop().time() - began

    assert [(each.kind, each.code) for each in goodbye] == [(14, 0x8B)]
    assert end.type is aiohttp.WSMsgType.CLOSE
    assert took_s < 2


async def test_an_owner_that_never_answers_does_not_hold_up_the_end(transport: Transport) -> None:
    topic = transport.topic(transport.owners.new_token(), "get/1")
    transport.owners.release.clear()

    async with raw_client(transport.port, version=V5) as raw:
        await raw.connect()
        await raw.send(publish(topic, b"x", version=V5, qos=1))
        await eventually(lambda: _asked(transport, 1), what="the owner has it")
        began = asyncio.get_running_loop().time()
        transport.process.stop("told to")
        said = packets.read_packets(await raw.closed())
        took_s = asyncio.get_running_loop().time() - began
    transport.owners.release.set()

    assert [each.kind for each in said] == [14]
    assert took_s < 5


async def test_rolling_under_load_loses_no_message_that_was_acknowledged(start: StartTransport) -> None:
    sent, acknowledged = 0, set[bytes]()

    for turn in range(3):
        transport = await start()
        tokens = [transport.owners.new_token(endpoint_id=f"ep{number}") for number in range(10)]
        async with asyncio.TaskGroup() as group:
            loads = [
                group.create_task(_publish_until_closed(transport, token, turn), name="load")
                for token in tokens
            ]
            await eventually(lambda t=transport: _asked(t, 100), what="there is load")  # type: ignore[misc]  # bound now
            transport.process.stop("rolled")
        applied = {request.payload for request in transport.owners.received}
        for load in loads:
            count, done = load.result()
            sent += count
            acknowledged |= done
            assert done <= applied
            # The end is orderly: what the owner has applied was acknowledged as well.
            assert {each for each in applied if each.startswith(done_prefix(done))} == done

    assert sent >= len(acknowledged) > 100


def done_prefix(done: set[bytes]) -> bytes:
    """Name the client whose messages these are."""
    return next(iter(done)).rpartition(b"/")[0] + b"/"


async def _publish_until_closed(transport: Transport, token: str, turn: int) -> tuple[int, set[bytes]]:
    """Publish one message after the other, five in flight; how many, and which were acknowledged."""
    topic = transport.topic(token, "update/keys")
    async with raw_client(transport.port, deadline_s=30) as raw:
        await raw.connect(Connect(client_id=token))
        bodies: dict[int, bytes] = {}
        acknowledged: set[bytes] = set()

        async def send_one() -> None:
            number = len(bodies) + 1
            bodies[number] = b"%d/%s/%d" % (turn, token.encode(), number)
            raw.writer.write(publish(topic, bodies[number], qos=1, packet_id=number))

        for _ in range(5):
            await send_one()
        while (received := await _next(raw)) is not None:
            acknowledged.add(bodies[received])
            if not raw.writer.transport.is_closing():
                await send_one()
    return len(bodies), acknowledged


async def _next(raw: Raw) -> int | None:
    try:
        return (await raw.packet()).packet_id
    except (asyncio.IncompleteReadError, ConnectionError):
        return None


async def _asked(transport: Transport, count: int) -> bool:
    return len(transport.owners.received) >= count


async def _refuses(transport: Transport) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", transport.port)
    except ConnectionRefusedError:
        return True
    writer.close()
    return False
