"""Many clients at once, clients that vanish, and client ids that are taken over."""

import asyncio
import time

import pytest

from tests.component.mqtt_transport.conftest import StartTransport, Transport
from tests.support import mqtt_packets as packets
from tests.support.mqtt_packets import V5, VERSIONS, Connect, publish, subscribe
from tests.support.mqtt_raw import raw_client
from tests.support.waiting import eventually

EVERY_VERSION = pytest.mark.parametrize("version", VERSIONS, ids=["3.1", "3.1.1", "5.0"])


async def test_a_thousand_clients_at_once_are_all_answered(transport: Transport) -> None:
    topic = transport.topic(transport.owners.new_token(), "get/1")
    began = time.monotonic()

    async with asyncio.TaskGroup() as group:
        clients = [
            group.create_task(_connect_and_ask(transport, topic, number), name="client")
            for number in range(1000)
        ]
    took_s = time.monotonic() - began

    assert [client.result() for client in clients] == [b"%d" % number for number in range(1000)]
    assert took_s < 30


async def test_a_thousand_clients_at_once_are_let_in_at_the_pace(start: StartTransport) -> None:
    transport = await start(connects_per_s=400)
    began = time.monotonic()

    async with asyncio.TaskGroup() as group:
        for number in range(1000):
            group.create_task(_connect(transport, number), name="client")
    took_s = time.monotonic() - began

    assert 1.4 < took_s < 20


async def test_who_would_wait_too_long_is_told_to_come_back(start: StartTransport) -> None:
    transport = await start(connects_per_s=1)

    async with asyncio.TaskGroup() as group:
        codes = [
            group.create_task(_code(transport, number, version=V5 if number % 2 else 4), name="client")
            for number in range(30)
        ]

    told = [code.result() for code in codes]
    assert 8 <= told.count(0) <= 10
    assert set(told[0::2]) <= {0, 3}
    assert set(told[1::2]) <= {0, 0x89}


@EVERY_VERSION
async def test_a_half_open_connection_is_found_after_one_and_a_half_keep_alives(
    transport: Transport, version: int
) -> None:
    async with raw_client(transport.port, version=version) as raw:
        await raw.connect(Connect(version=version, client_id="tree", keep_alive_s=1))
        began = time.monotonic()
        said = packets.read_packets(await raw.closed())
        took_s = time.monotonic() - began

    assert 1.4 < took_s < 2.5
    assert [(each.kind, each.code) for each in said] == ([(14, 0x8D)] if version == V5 else [])


async def test_a_client_that_keeps_alive_stays(transport: Transport) -> None:
    async with raw_client(transport.port) as raw:
        await raw.connect(Connect(keep_alive_s=1))
        for _ in range(5):
            await asyncio.sleep(0.6)
            await raw.send(packets.PINGREQ)
            assert (await raw.packet()).kind == 13


@EVERY_VERSION
async def test_a_client_id_that_connects_again_takes_over(transport: Transport, version: int) -> None:
    connect = Connect(version=version, client_id="tree")

    async with raw_client(transport.port, version=version) as victim, raw_client(transport.port) as heir:
        await victim.connect(connect)
        connack = await heir.connect(Connect(client_id="tree"))
        said = packets.read_packets(await victim.closed())
        await heir.send(packets.PINGREQ)
        pong = await heir.packet()

    assert [(each.kind, each.code) for each in said] == ([(14, 0x8E)] if version == V5 else [])
    assert (connack.code, pong.kind) == (0, 13)


@pytest.mark.parametrize(("clean", "present"), [(True, 0), (False, 1)], ids=["clean session", "session"])
async def test_only_a_session_that_was_to_last_is_taken_over(
    transport: Transport, *, clean: bool, present: int
) -> None:
    lasting = Connect(client_id="tree", clean=False)

    async with raw_client(transport.port) as victim, raw_client(transport.port) as heir:
        await victim.connect(Connect(client_id="tree", clean=clean))
        await victim.send(subscribe([("kp1/#", 0)]))
        await victim.packet()
        connack = await heir.connect(lasting)

    assert (connack.code, connack.body[0]) == (0, present)


async def test_a_session_lasts_until_the_client_is_back(transport: Transport) -> None:
    lasting = Connect(client_id="tree", clean=False)
    topic = transport.topic(transport.owners.new_token(), "get/1")

    async with raw_client(transport.port) as first:
        await first.connect(lasting)
        await first.send(subscribe([("kp1/#", 0)]), packets.disconnect())
        await first.closed()
    async with raw_client(transport.port) as second:
        connack = await second.connect(lasting)
        await second.send(publish(topic, b"1", qos=1))
        answer = await second.answer()

    assert connack.body[0] == 1
    assert answer.qos == 0  # the subscription is still there


async def test_one_connection_too_many_is_closed_and_the_others_stay(start: StartTransport) -> None:
    transport = await start(max_connections=3)

    async with (
        raw_client(transport.port) as first,
        raw_client(transport.port) as second,
        raw_client(transport.port) as third,
    ):
        for each in (first, second, third):
            await each.connect()
        async with raw_client(transport.port, deadline_s=5) as fourth:
            refused = await fourth.closed()
        await third.send(packets.PINGREQ)
        pong = await third.packet()
        first.abort()

        async def there_is_room() -> bool:
            async with raw_client(transport.port) as another:
                return (await another.connect()).code == 0

        await eventually(there_is_room, what="there is room again")

    assert (refused, pong.kind) == (b"", 13)


async def test_clients_that_vanish_are_forgotten(transport: Transport) -> None:
    topic = transport.topic(transport.owners.new_token(), "get/1")
    before = transport.gauge("grove_mqtt_connections", listener="mqtt")
    transport.owners.release.clear()

    for _ in range(30):
        async with raw_client(transport.port) as raw:
            await raw.connect()
            await raw.send(publish(topic, b"1", qos=1))
            raw.abort()
    transport.owners.release.set()

    async def nobody() -> bool:
        held = transport.gauge("grove_mqtt_held_bytes")
        return held == 0 and transport.gauge("grove_mqtt_connections", listener="mqtt") == before

    await eventually(nobody, what="nobody is left")


async def _connect_and_ask(transport: Transport, topic: str, number: int) -> bytes:
    async with raw_client(transport.port, deadline_s=40) as raw:
        await raw.connect(Connect(client_id=f"c{number}"))
        await raw.send(publish(topic, b"%d" % number, qos=1))
        return (await raw.answer()).payload


async def _connect(transport: Transport, number: int) -> None:
    assert await _code(transport, number, version=4) == 0


async def _code(transport: Transport, number: int, *, version: int) -> int:
    async with raw_client(transport.port, version=version) as raw:
        return (await raw.connect(Connect(version=version, client_id=f"c{number}"))).code
