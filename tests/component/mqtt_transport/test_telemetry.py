"""Telemetry over MQTT: acknowledged when the stream has it, told when it is stored."""

import asyncio
import contextlib
import json
import queue
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from libs.contracts.ingest import IngestMessage
from libs.contracts.tokens import TokenStatus
from tests.component.mqtt_transport.conftest import StartTransport, Transport
from tests.support.mqtt_device import Device, device
from tests.support.mqtt_packets import publish
from tests.support.mqtt_raw import raw_client
from tests.support.owners import VERSION
from tests.support.waiting import eventually


@asynccontextmanager
async def draining(transport: Transport) -> AsyncIterator[None]:
    async with asyncio.TaskGroup() as group:
        task = group.create_task(transport.collector.drain())
        yield
        task.cancel()


async def collected(transport: Transport, count: int) -> list[IngestMessage]:
    async def enough() -> bool:
        return len(transport.collector.messages) >= count

    await eventually(enough, what=f"{count} messages are in the stream")
    return transport.collector.messages


def topic(token: str, resource: str = "json") -> str:
    return f"kp1/{VERSION}/dcx/{token}/{resource}"


@pytest.mark.parametrize("version", [3, 4, 5], ids=["3.1", "3.1.1", "5.0"])
@pytest.mark.parametrize("qos", [0, 1, 2])
async def test_what_is_acknowledged_is_in_the_stream(transport: Transport, version: int, qos: int) -> None:
    token = transport.owners.new_token()

    def use(tree: Device) -> None:
        for number in range(20):
            packet_id = tree.request(topic(token), b'{"temperature": %d}' % number, qos=qos)
            if number % 5 == 4:
                tree.wait_acknowledged(packet_id)

    async with draining(transport):
        await transport.with_device(use, version=version)
        messages = await collected(transport, 20)

    assert [message.payload for message in messages] == [b'{"temperature": %d}' % n for n in range(20)]
    first = messages[0]
    assert (first.endpoint_id, first.app_version, first.resource) == ("ep", VERSION, "/json")
    assert {batch.run_id for batch in transport.collector.batches} == {transport.process.run_id}


async def test_messages_of_a_device_are_stored_in_the_order_in_which_it_sent_them(
    transport: Transport,
) -> None:
    """New topics, which take the ordinary way, between those of one that is known."""
    token = transport.owners.new_token()
    frames = [
        publish(topic(token, "json" if number % 3 else f"json/{number}"), b"%d" % number, qos=0)
        for number in range(200)
    ]

    async with draining(transport), raw_client(transport.port) as tree:
        await tree.connect()
        await tree.send(publish(topic(token), b"1000", qos=1))
        await tree.packet()
        await tree.send(*frames)
        messages = await collected(transport, 201)

    assert [int(message.payload) for message in messages[1:]] == list(range(200))


async def test_messages_that_come_while_their_token_is_looked_up_overtake_none(transport: Transport) -> None:
    token = transport.owners.new_token()
    transport.owners.token_release.clear()

    async with draining(transport), raw_client(transport.port) as tree:
        await tree.connect()
        for number in range(300):
            await tree.send(publish(topic(token), b"%d" % number, qos=0))
            if number == 20:
                transport.owners.token_release.set()
            await asyncio.sleep(0)
        messages = await collected(transport, 300)

    assert [int(message.payload) for message in messages] == list(range(300))


async def test_a_device_that_asked_is_told_once_it_is_stored(transport: Transport) -> None:
    token = transport.owners.new_token()
    loop = asyncio.get_running_loop()

    async def reply() -> None:
        await collected(transport, 2)
        for batch in transport.collector.batches:
            refused = [
                (position, 400, "no time in it")
                for position, message in enumerate(batch.messages)
                if message.payload == b"2"
            ]
            await transport.collector.reply(batch, *refused)

    def use(tree: Device) -> list[tuple[str, bytes]]:
        tree.wait_acknowledged(tree.request(topic(token, "json/32"), b"1"))
        tree.wait_acknowledged(tree.request(topic(token, "json/33"), b"2"))
        assert tree.silent()
        asyncio.run_coroutine_threadsafe(reply(), loop).result(10)
        return sorted(tree.told() for _ in range(2))

    async with draining(transport):
        stored, refused = await transport.with_device(use)

    assert stored == (topic(token, "json/32/status"), b"")
    assert refused[0] == topic(token, "json/33/error")
    assert json.loads(refused[1]) == {"statusCode": 400, "reasonPhrase": "no time in it"}


async def test_replies_reach_nobody_but_the_connection_that_asked(transport: Transport) -> None:
    token = transport.owners.new_token()

    await transport.with_device(
        lambda tree: tree.wait_acknowledged(tree.request(topic(token, "json/1"), b"1"))
    )

    async def answered(stranger: Device) -> bool:
        batch = transport.collector.batches[0]
        await transport.collector.reply(batch)
        return await asyncio.to_thread(stranger.silent)

    async with draining(transport):
        await collected(transport, 1)
        stranger = await asyncio.to_thread(device(transport.port).__enter__)
        try:
            assert await answered(stranger)
        finally:
            await asyncio.to_thread(stranger.client.disconnect)
            await asyncio.to_thread(stranger.client.loop_stop)


@pytest.mark.parametrize(
    ("resource", "payload", "status"),
    [
        ("json", b"{", 400),
        ("json", b'{"a":1,"a":2}', 400),
        ("json", b"9223372036854775808", 400),
        ("plain/tank", b"full", 400),
        ("plain", b"1", 404),
        ("xml", b"1", 404),
        ("json", b'"' + b"x" * 300_000 + b'"', 413),
    ],
)
async def test_what_may_not_be_stored_is_refused_also_on_a_topic_that_is_known(
    transport: Transport, resource: str, payload: bytes, status: int
) -> None:
    token = transport.owners.new_token()

    def use(tree: Device) -> tuple[str, bytes]:
        tree.wait_acknowledged(tree.request(topic(token, "json"), b"1"))
        tree.wait_acknowledged(tree.request(topic(token, resource), payload))
        told = tree.told()
        tree.wait_acknowledged(tree.request(topic(token, "json"), b"2"))
        return told

    async with draining(transport):
        told_topic, told = await transport.with_device(use)
        messages = await collected(transport, 2)

    assert told_topic == topic(token, f"{resource}/error")
    assert json.loads(told)["statusCode"] == status
    assert [message.payload for message in messages] == [b"1", b"2"]


async def test_a_suspended_token_is_refused_within_a_second_though_its_topic_was_known(
    transport: Transport,
) -> None:
    token = transport.owners.new_token()
    loop = asyncio.get_running_loop()

    def use(tree: Device) -> str:
        refused = "nothing"
        tree.wait_acknowledged(tree.request(topic(token), b"1"))
        asyncio.run_coroutine_threadsafe(transport.owners.suspend(token), loop).result(5)
        for _ in range(10):
            tree.wait_acknowledged(tree.request(topic(token), b"1"))
            with contextlib.suppress(queue.Empty):
                refused = tree.answer(within_s=0.1).topic
                break
        asyncio.run_coroutine_threadsafe(transport.owners.move(token, TokenStatus.ACTIVE), loop).result(5)
        for _ in range(10):  # a refusal is acknowledged too, and the event may be slower than the device
            tree.wait_acknowledged(tree.request(topic(token), b"2"))
            if tree.silent(for_s=0.1):
                break
        return refused

    async with draining(transport):
        refused = await transport.with_device(use)
        messages = await collected(transport, 2)

    assert refused == topic(token, "json/error")
    assert {message.payload for message in messages} == {b"1", b"2"}


async def test_telemetry_alone_makes_an_endpoint_connected_on_its_last_connection(
    transport: Transport,
) -> None:
    token = transport.owners.new_token()

    async def announced(count: int) -> bool:
        return len(transport.connected) >= count

    def use(first: Device) -> None:
        first.wait_acknowledged(first.request(topic(token), b"1"))
        with device(transport.port) as second:
            for number in range(4):
                # In turn, further apart than bindings may change: the last one has it.
                tree = second if number % 2 else first
                tree.wait_acknowledged(tree.request(topic(token), b"1"))
                tree.silent(for_s=1.1)

    await transport.with_device(use)

    await eventually(lambda: announced(4), what="each change of connection was announced")


async def test_a_thousand_messages_of_many_devices_share_batches(transport: Transport) -> None:
    tokens = [transport.owners.new_token(endpoint_id=f"ep{number}") for number in range(50)]

    def use(gateway: Device) -> None:
        packet_id = 0
        for number in range(1000):
            packet_id = gateway.request(topic(tokens[number % 50]), b"%d" % number)
        gateway.wait_acknowledged(packet_id, within_s=20)

    async with draining(transport):
        await transport.with_device(use)
        messages = await collected(transport, 1000)

    assert {int(message.payload) for message in messages} == set(range(1000))
    assert len(transport.collector.batches) < 900


async def test_an_endpoint_over_its_rate_is_slowed_down_and_others_are_not(start: StartTransport) -> None:
    transport = await start(endpoint_samples_per_s=100, endpoint_burst=10)
    greedy, modest = (transport.owners.new_token(endpoint_id=name) for name in ("greedy", "modest"))

    def use(gateway: Device) -> tuple[float, float]:
        began = time.monotonic()
        slow = [gateway.request(topic(greedy), b"%d" % number) for number in range(60)]
        gateway.wait_acknowledged(gateway.request(topic(modest), b"1"))
        modest_s = time.monotonic() - began
        gateway.wait_acknowledged(slow[-1], within_s=20)
        return modest_s, time.monotonic() - began

    async with draining(transport):
        modest_s, greedy_s = await transport.with_device(use)
        messages = await collected(transport, 61)

    assert sorted(int(message.payload) for message in messages if message.endpoint_id == "greedy") == list(
        range(60)
    )
    assert greedy_s > 0.49  # 50 above the burst, 100 a second
    assert modest_s <= greedy_s


async def test_who_stays_over_its_rate_is_never_acknowledged_but_told(start: StartTransport) -> None:
    transport = await start(endpoint_samples_per_s=1, endpoint_burst=1, patience_s=0.2)
    token = transport.owners.new_token()

    def use(tree: Device) -> tuple[str, int, bool]:
        tree.wait_acknowledged(tree.request(topic(token), b"[1,2,3,4,5,6,7,8,9]"))
        late = tree.request(topic(token), b"2")
        told, body = tree.told()
        return told, json.loads(body)["statusCode"], late in tree.acknowledged

    async with draining(transport):
        outcome = await transport.with_device(use)

    assert outcome == (f"{topic(token)}/error", 429, False)
