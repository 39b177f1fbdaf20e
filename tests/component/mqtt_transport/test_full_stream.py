"""INGEST is full: devices wait, none is closed, and all is stored once (delivery rule 14)."""

import asyncio

import nats
import pytest

from libs.contracts.streams import ingest_stream
from tests.component.mqtt_transport.conftest import Transport
from tests.support import mqtt_packets as packets
from tests.support.mqtt_packets import Connect
from tests.support.mqtt_raw import Raw, raw_client
from tests.support.owners import VERSION
from tests.support.waiting import eventually

_CLIENTS = 10
_MESSAGES = 200
_SAMPLE_BYTES = 4_000
_ROOM_BYTES = 2_000_000  # room for two batches, and a quarter of what is sent


async def _make_small(transport: Transport) -> None:
    client = await nats.connect(transport.nats_url)
    try:
        js = client.jetstream()
        name = ingest_stream(transport.pusher.subjects).name
        config = (await js.stream_info(name)).config
        config.max_bytes = _ROOM_BYTES
        await js.update_stream(config)
    finally:
        await client.close()


@pytest.mark.parametrize(
    ("full_s", "keep_alive_s"),
    [
        pytest.param(5, 1, id="5 s"),
        pytest.param(60, 10, id="60 s", marks=[pytest.mark.soak, pytest.mark.timeout(180)]),
    ],
)
async def test_devices_wait_while_the_stream_is_full_and_nothing_is_lost(
    transport: Transport, full_s: int, keep_alive_s: int
) -> None:
    await _make_small(transport)
    acknowledged: dict[int, list[int]] = {number: [] for number in range(_CLIENTS)}
    sent = sorted(_sample(number, each) for number in range(_CLIENTS) for each in range(_MESSAGES))

    async def use(number: int) -> None:
        topic = f"kp1/{VERSION}/dcx/{transport.owners.new_token(endpoint_id=f'ep{number}')}/json"
        async with raw_client(transport.port, deadline_s=full_s + 30) as raw:
            await raw.connect(Connect(client_id=f"full-{number}", keep_alive_s=keep_alive_s))
            async with asyncio.TaskGroup() as both:
                talking = both.create_task(_talk(raw, topic, number, pause_s=keep_alive_s / 2), name="talk")
                while len(acknowledged[number]) < _MESSAGES:
                    received = await raw.packet()
                    if received.kind == 4:
                        acknowledged[number].append(received.packet_id)
                talking.cancel()

    async with asyncio.TaskGroup() as group:
        clients = [group.create_task(use(number), name=f"client {number}") for number in range(_CLIENTS)]
        await asyncio.sleep(full_s)  # this is how long it is full, many times the keep-alive
        told = sum(map(len, acknowledged.values()))
        drain = group.create_task(transport.collector.drain(), name="drain")
        await asyncio.wait(clients, timeout=30)
        drain.cancel()

    async def all_collected() -> bool:
        return len(transport.collector.messages) >= len(sent)

    await eventually(all_collected, what="all samples are collected")
    assert told < len(sent) / 2
    assert all(ids == list(range(1, _MESSAGES + 1)) for ids in acknowledged.values())
    assert sorted(message.payload for message in transport.collector.messages) == sent


async def _talk(raw: Raw, topic: str, number: int, *, pause_s: float) -> None:
    """Send everything, then keep alive as any device does."""
    for each in range(_MESSAGES):
        await raw.send(packets.publish(topic, _sample(number, each), qos=1, packet_id=each + 1))
    while True:
        await asyncio.sleep(pause_s)
        await raw.send(packets.PINGREQ)


def _sample(number: int, each: int) -> bytes:
    return b'{"client":%d,"number":%d}' % (number, each) + b" " * _SAMPLE_BYTES
