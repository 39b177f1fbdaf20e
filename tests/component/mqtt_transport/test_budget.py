"""More than memory may hold: sockets are not read, clocks stand still, and in the end all are answered."""

import asyncio

import pytest

from tests.component.mqtt_transport.conftest import StartTransport, Transport
from tests.support import mqtt_packets as packets
from tests.support.mqtt_packets import Connect, publish
from tests.support.mqtt_raw import Raw, raw_client
from tests.support.waiting import eventually

LIMIT = 1024 * 1024
BODY = b"x" * 10_000
NEAR = 1.25
"""Times the limit: what was read before it was reached and becomes messages is not thrown away."""


@pytest.fixture
async def small(start: StartTransport) -> Transport:
    """Run a transport with a small budget whose owner holds its answers."""
    transport = await start(held_bytes=LIMIT, owner_s=20, patience_s=30)
    transport.owners.release.clear()
    return transport


async def test_a_flood_stays_within_the_budget_and_is_answered_after_all(small: Transport) -> None:
    clients, each = 40, 10

    async with asyncio.TaskGroup() as group:
        floods = [
            group.create_task(_flood(small, number, messages=each), name="flood") for number in range(clients)
        ]
        await eventually(lambda: _paused(small, clients), what="no socket is read")
        held = small.gauge("grove_mqtt_held_bytes")
        small.owners.release.set()

    assert 0.8 * LIMIT <= held <= LIMIT * NEAR
    assert sum(flood.result() for flood in floods) == clients * each
    await eventually(lambda: _held(small, 0), what="nothing is held any more")
    assert small.gauge("grove_mqtt_paused") == 0


async def test_a_client_that_is_not_read_is_not_closed_by_its_keep_alive(small: Transport) -> None:
    topic = small.topic(small.owners.new_token(), "get/1")

    async with raw_client(small.port) as quiet, raw_client(small.port, deadline_s=30) as flooding:
        await quiet.connect(Connect(client_id="quiet", keep_alive_s=1))
        await flooding.connect(Connect(client_id="flooding"))
        sending = asyncio.get_running_loop().create_task(
            flooding.send(*(publish(topic, BODY, qos=1, packet_id=number + 1) for number in range(150))),
            name="flood",
        )
        await eventually(lambda: _paused(small, 2), what="no socket is read")
        await quiet.send(packets.PINGREQ)
        await asyncio.sleep(2.5)  # longer than one and a half keep-alives
        open_still = not quiet.writer.transport.is_closing()
        small.owners.release.set()
        pong = await quiet.packet()
        # and from then on the clock runs again
        closed_by_clock = await asyncio.wait_for(quiet.closed(), 5)
        await sending

    assert (open_still, pong.kind, closed_by_clock) == (True, 13, b"")


async def test_who_vanishes_while_not_read_is_found_by_its_keep_alive_afterwards(small: Transport) -> None:
    topic = small.topic(small.owners.new_token(), "get/1")
    closed = _timed_out(small)

    async with raw_client(small.port) as silent, raw_client(small.port, deadline_s=30) as flooding:
        await silent.connect(Connect(client_id="silent", keep_alive_s=1))
        await flooding.connect(Connect(client_id="flooding"))
        sending = asyncio.get_running_loop().create_task(
            flooding.send(*(publish(topic, BODY, qos=1, packet_id=number + 1) for number in range(150))),
            name="flood",
        )
        await eventually(lambda: _paused(small, 2), what="no socket is read")
        await asyncio.sleep(1.6)  # its timer fires meanwhile
        small.owners.release.set()
        await sending
        await asyncio.wait_for(silent.closed(), 5)

    assert _timed_out(small) == closed + 1


async def test_clients_that_leave_while_not_read_leave_nothing_behind(small: Transport) -> None:
    topic = small.topic(small.owners.new_token(), "get/1")

    for number in range(20):
        async with raw_client(small.port) as raw:
            raw.writer.write(Connect(client_id=f"c{number}").encode())
            raw.writer.write(publish(topic, BODY, qos=1) * 20)
            await asyncio.sleep(0.01)
    small.owners.release.set()

    await eventually(lambda: _held(small, 0), what="nothing is held any more")
    async with raw_client(small.port) as raw:
        assert (await raw.connect()).code == 0
        await raw.send(publish(topic, b"1", qos=1))
        assert (await raw.answer()).payload == b"1"


async def test_more_than_a_thousand_unacknowledged_stop_one_client_and_no_other(
    start: StartTransport,
) -> None:
    transport = await start(owner_s=20, patience_s=30)
    topic = transport.topic(transport.owners.new_token(), "get")
    other = transport.topic(transport.owners.new_token(), "get/1")
    transport.owners.release.clear()

    async with (
        raw_client(transport.port, deadline_s=40) as raw,
        raw_client(transport.port, deadline_s=40) as second,
    ):
        await raw.connect(Connect(client_id="flooding"))
        await second.connect(Connect(client_id="second"))
        await raw.send(*(publish(topic, b"x", qos=1, packet_id=number + 1) for number in range(1100)))
        await eventually(lambda: _paused(transport, 1), what="the client is not read")
        await second.send(packets.PINGREQ)
        pong = await second.packet()
        transport.owners.release.set()
        acknowledged = [each.packet_id for each in await raw.packets(1100)]
        await second.send(publish(other, b"1"))
        answer = await second.answer()

    assert pong.kind == 13
    assert acknowledged == list(range(1, 1101))
    assert answer.payload == b"1"


async def _flood(transport: Transport, number: int, *, messages: int) -> int:
    """Send messages of one client and read until each was acknowledged; how many were."""
    topic = transport.topic(transport.owners.new_token(endpoint_id=f"ep{number}"), "get")
    async with raw_client(transport.port, deadline_s=40) as raw:
        await raw.connect(Connect(client_id=f"flood{number}"))
        async with asyncio.TaskGroup() as group:
            bodies = (publish(topic, BODY, qos=1, packet_id=each + 1) for each in range(messages))
            group.create_task(raw.send(*bodies), name="send")
            acknowledged = group.create_task(_read(raw, messages), name="read")
    return acknowledged.result()


async def _read(raw: Raw, count: int) -> int:
    return len([each for each in await raw.packets(count) if each.kind == 4])


async def _paused(transport: Transport, count: int) -> bool:
    return transport.gauge("grove_mqtt_paused") == count


async def _held(transport: Transport, count: int) -> bool:
    return transport.gauge("grove_mqtt_held_bytes") == count


def _timed_out(transport: Transport) -> float:
    reason = "nothing came for one and a half keep-alives"
    return transport.gauge("grove_mqtt_closed_total", reason=reason)
