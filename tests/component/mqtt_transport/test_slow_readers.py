"""Clients that never read, or send one packet for ever: bounded in memory, and nobody waits for them."""

import asyncio
import socket

import aiohttp
import pytest

from tests.component.mqtt_transport.conftest import StartTransport, Transport
from tests.support import mqtt_packets as packets
from tests.support.mqtt_packets import Connect, publish
from tests.support.mqtt_raw import Raw, raw_client
from tests.support.mqtt_witness import undisturbed
from tests.support.waiting import eventually

BIG = b"x" * 100_000


async def test_answers_of_qos_0_are_dropped_when_nobody_reads_them(transport: Transport) -> None:
    topic = transport.topic(transport.owners.new_token(), "get/1")
    dropped = _dropped(transport)
    closed = _cut_off(transport)

    async with undisturbed(transport.port, _other(transport)), raw_client(transport.port) as raw:
        _read_little(raw)
        await raw.connect()
        raw.read_no_more()
        await raw.send(*(publish(topic, BIG) for _ in range(200)))

        async def some_dropped() -> bool:
            return _dropped(transport) > dropped

        await eventually(some_dropped, what="answers are dropped")
        await _answered(transport, 200)

        raw.read_again()
        await raw.send(packets.PINGREQ)
        while (await raw.packet()).kind != 13:
            pass

    assert _cut_off(transport) == closed


async def test_who_lets_more_than_four_mib_lie_is_cut_off(transport: Transport) -> None:
    topic = transport.topic(transport.owners.new_token(), "get/1")
    closed = _cut_off(transport)

    async with undisturbed(transport.port, _other(transport)), raw_client(transport.port) as raw:
        _read_little(raw)
        await raw.connect()
        raw.read_no_more()
        fill = [publish(topic, BIG)] * 120  # what the system buffers, and the first MiB of ours
        await raw.send(*fill, *(publish(topic, BIG, qos=1, packet_id=number + 1) for number in range(80)))

        async def cut_off() -> bool:
            return _cut_off(transport) > closed

        await eventually(cut_off, what="the client is cut off", deadline_s=20)


@pytest.mark.parametrize("wire", ["mqtt", "mqttWs"])
async def test_packets_of_the_smallest_kind_without_end_disturb_nobody(
    transport: Transport, wire: str
) -> None:
    frame = _unmasked if wire == "mqtt" else _masked
    pings = frame(packets.PINGREQ * 100_000)

    # Client, witness and server share a processor here; taken in one go the pings would stop all for longer.
    async with undisturbed(transport.port, _other(transport), within_s=4.0) as witness:
        before = witness.answered
        reader, writer = await asyncio.open_connection("127.0.0.1", transport.process.ports[wire])
        if wire == "mqttWs":
            writer.write(_UPGRADE)
        writer.write(frame(Connect(client_id="").encode()) + pings * 5)
        counted = 0
        async with asyncio.timeout(30):
            while counted < 500_000:
                counted += (await reader.read(65_536)).count(b"\xd0")
        answered = witness.answered - before
        writer.transport.abort()

    assert answered > 3


async def test_unfinished_packets_of_many_never_block_the_others(start: StartTransport) -> None:
    transport = await start(held_bytes=2 * 1024 * 1024)
    unfinished = b"\x30" + packets.varint(900_000)
    writers: list[asyncio.StreamWriter] = []

    async with undisturbed(transport.port, _other(transport)), asyncio.TaskGroup() as group:
        for _ in range(30):
            _, writer = await asyncio.open_connection("127.0.0.1", transport.port)
            writers.append(writer)
            writer.write(Connect(client_id="").encode() + unfinished)
            group.create_task(_dribble(writer, 300_000), name="dribble")
        await _whole_large_packet(transport)

    assert transport.gauge("grove_mqtt_held_bytes") <= 1024 * 1024
    for writer in writers:
        writer.transport.abort()


async def test_single_bytes_of_large_packets_weigh_no_more_than_the_packets(start: StartTransport) -> None:
    transport = await start()

    async with raw_client(transport.port) as raw:
        await raw.connect()
        await raw.send(b"\x30" + packets.varint(500_000))
        for _ in range(2000):
            await raw.send(b"x")
            await asyncio.sleep(0)

        async def counted() -> bool:
            return transport.gauge("grove_mqtt_held_bytes") == 2004

        await eventually(counted, what="each byte counts once")

    async def free() -> bool:
        return transport.gauge("grove_mqtt_held_bytes") == 0

    await eventually(free, what="nothing is held for who has gone")


async def test_unfinished_websocket_frames_count_as_well(start: StartTransport) -> None:
    transport = await start(held_bytes=1024 * 1024)

    async with undisturbed(transport.port, _other(transport)):
        for _ in range(10):
            reader, writer = await asyncio.open_connection("127.0.0.1", transport.process.ports["mqttWs"])
            writer.write(_UPGRADE)
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"\x82\xff" + (900_000).to_bytes(8, "big") + bytes(4) + bytes(300_000))

        async def one_is_left() -> bool:
            return 0 < transport.gauge("grove_mqtt_held_bytes") <= 512 * 1024

        await eventually(one_is_left, what="unfinished frames take half of the budget at most")


async def test_a_websocket_that_is_not_read_can_be_ended(start: StartTransport) -> None:
    transport = await start()
    topic = transport.topic(transport.owners.new_token(), "get/1")
    transport.owners.release.clear()
    url = f"http://127.0.0.1:{transport.process.ports['mqttWs']}/mqtt"

    async with aiohttp.ClientSession() as http, http.ws_connect(url) as ws:
        await ws.send_bytes(Connect(client_id="same").encode())
        await ws.receive_bytes(timeout=5)
        for number in range(1100):
            await ws.send_bytes(publish(topic, b"x", qos=1, packet_id=number + 1))

        async def paused() -> bool:
            return transport.gauge("grove_mqtt_paused") == 1

        await eventually(paused, what="the client is not read")
        async with raw_client(transport.port) as raw:
            await raw.connect(Connect(client_id="same"))
            async with asyncio.timeout(5):
                end = await ws.receive()
    transport.owners.release.set()

    assert end.type is aiohttp.WSMsgType.CLOSE


_UPGRADE = (
    b"GET /mqtt HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


def _unmasked(data: bytes) -> bytes:
    return data


def _masked(data: bytes) -> bytes:
    """Make a WebSocket frame whose mask is zeros."""
    return b"\x82\xff" + len(data).to_bytes(8, "big") + bytes(4) + data


async def _dribble(writer: asyncio.StreamWriter, size: int) -> None:
    for _ in range(size // 10_000):
        if writer.transport.is_closing():
            return
        writer.write(bytes(10_000))
        await asyncio.sleep(0.005)


async def _whole_large_packet(transport: Transport) -> None:
    topic = transport.topic(transport.owners.new_token(), "get/1")
    async with raw_client(transport.port) as raw:
        await raw.connect()
        for number in range(5):
            await raw.send(publish(topic, b"%d" % number * 200_000, qos=1))
            assert (await raw.answer()).payload == b"%d" % number * 200_000


async def _answered(transport: Transport, count: int) -> None:
    async def all_of_them() -> bool:
        bodies = [each for each in transport.owners.received if each.payload == BIG]
        return len(bodies) == count and transport.gauge("grove_mqtt_held_bytes") < len(BIG)

    await eventually(all_of_them, what=f"{count} messages were answered", deadline_s=20)


def _read_little(raw: Raw) -> None:
    raw.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)


def _other(transport: Transport) -> str:
    return transport.topic(transport.owners.new_token(endpoint_id="witness"))


def _dropped(transport: Transport) -> float:
    return transport.gauge("grove_mqtt_dropped_total", reason="client does not read")


def _cut_off(transport: Transport) -> float:
    return transport.gauge("grove_mqtt_closed_total", reason="client does not read")
