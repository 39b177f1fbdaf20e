"""Clients that are broken or malicious, byte by byte: each ends its own connection and disturbs no other."""

import asyncio
import logging
import random
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

import pytest
from structlog.testing import capture_logs

from tests.component.mqtt_transport.conftest import StartTransport, Transport
from tests.support import mqtt_packets as packets
from tests.support.mqtt_packets import V3_1, V3_1_1, V5, Connect, binary, packet, publish, short, subscribe
from tests.support.mqtt_raw import raw_client
from tests.support.mqtt_witness import undisturbed

SECRET = b"SECRET"
TLS_HELLO = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + SECRET * 40


@pytest.fixture
async def beside_a_witness(transport: Transport) -> AsyncIterator[Transport]:
    """Run the test beside a client that must not notice anything."""
    topic = transport.topic(transport.owners.new_token(endpoint_id="witness"))
    async with undisturbed(transport.port, topic):
        yield transport


@contextmanager
def nothing_told(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Hold that the log has neither a traceback nor anything the client sent."""
    with capture_logs() as logs, caplog.at_level(logging.INFO):
        yield
    told = caplog.text + str(logs)
    assert SECRET.decode() not in told
    assert "Traceback" not in told
    assert not any("exc_info" in line for line in logs)


BEFORE_CONNECT: dict[str, bytes] = {
    "PUBLISH first": publish("kp1/SECRET", SECRET),
    "PINGREQ first": packets.PINGREQ,
    "HTTP": b"GET /SECRET HTTP/1.1\r\nHost: x\r\n\r\n",
    "TLS hello": TLS_HELLO,
    "giant CONNECT": b"\x10\xff\xff\xff\x7f" + SECRET,
    "length of five bytes": b"\x10\xff\xff\xff\xff\xff",
    "flags on CONNECT": b"\x11\x0e\x00\x04MQTT\x04\x02\x00\x3c\x00\x02ab",
    "empty CONNECT": b"\x10\x00",
    "name longer than the packet": packet(0x10, b"\xff\xffMQTT"),
    "unknown protocol": Connect(protocol=(b"MQTTSECRET", 4)).encode(),
    "level 6": Connect(protocol=(b"MQTT", 6)).encode(),
    "reserved flag": Connect(flags=0x03).encode(),
    "will QoS 3": Connect(flags=0x1E).encode(),
    "NUL in the client id": Connect(client_id=b"SECRET\x00").encode(),
    "client id is no UTF-8": Connect(client_id=b"SECRET\xff\xfe").encode(),
    "surrogate in the client id": Connect(client_id=b"\xed\xa0\x80").encode(),
    "second CONNECT": Connect().encode() + Connect().encode(),
    "unknown property": Connect(version=V5, properties=[(0x99, b"")]).encode(),
    "receive maximum 0": Connect(version=V5, properties=[(0x21, short(0))]).encode(),
    "authentication": Connect(version=V5, properties=[(0x15, binary(b"SCRAM"))]).encode(),
}


async def test_what_is_no_connect_ends_its_connection(
    beside_a_witness: Transport, caplog: pytest.LogCaptureFixture
) -> None:
    answered: dict[str, bytes] = {}

    with nothing_told(caplog):
        for what, said in BEFORE_CONNECT.items():
            async with raw_client(beside_a_witness.port, deadline_s=5) as raw:
                await raw.send(said)
                answered[what] = await raw.closed()

    kinds = {what: [each.kind for each in packets.read_packets(said)] for what, said in answered.items()}
    assert {what: found for what, found in kinds.items() if found not in ([], [2], [2, 14])} == {}
    assert SECRET not in b"".join(answered.values())


AFTER_CONNECT: dict[str, tuple[int, bytes]] = {
    "second CONNECT": (V3_1_1, Connect(client_id="SECRET").encode()),
    "QoS 3": (V3_1_1, packet(0x36, b"\x00\x01a\x00\x01")),
    "DUP with QoS 0": (V3_1_1, packet(0x38, b"\x00\x01aSECRET")),
    "packet id 0": (V3_1_1, publish("a", SECRET, qos=1, packet_id=0)),
    "empty topic": (V3_1_1, publish("", SECRET)),
    "wildcard in a topic": (V3_1_1, publish("kp1/+/SECRET", b"")),
    "topic is no UTF-8": (V3_1_1, publish(b"kp1/\xff\xfe", SECRET)),
    "NUL in a topic": (V3_1_1, publish(b"kp1/\x00", SECRET)),
    "topic longer than the packet": (V3_1_1, packet(0x30, b"\xff\xffSECRET")),
    "no packet id": (V3_1_1, packet(0x32, b"\x00\x01a")),
    "length of five bytes": (V3_1_1, b"\x30\xff\xff\xff\xff\x01"),
    "giant PUBLISH": (V3_1_1, b"\x30\xff\xff\xff\x7f" + SECRET),
    "SUBSCRIBE without its flags": (V3_1_1, packet(0x80, b"\x00\x01\x00\x01a\x00")),
    "SUBSCRIBE to nothing": (V3_1_1, packet(0x82, b"\x00\x01")),
    "SUBSCRIBE with QoS 3": (V3_1_1, subscribe([("a", 3)])),
    "CONNACK": (V3_1_1, packet(0x20, b"\x00\x00")),
    "SUBACK": (V3_1_1, packet(0x90, b"\x00\x01\x00")),
    "AUTH in 3.1.1": (V3_1_1, packet(0xF0)),
    "type 0": (V3_1_1, packet(0x00)),
    "PINGREQ with a body": (V3_1_1, packet(0xC0, b"x")),
    "short PUBACK": (V3_1_1, packet(0x40, b"\x00")),
    "wildcard in 3.1": (V3_1, publish("a/#", SECRET)),
    "length longer than needed": (V5, b"\x30\x84\x00\x00\x01a\x00"),
    "alias never set": (V5, publish("", SECRET, version=V5, values=[(0x23, short(9))])),
    "alias 0": (V5, publish("a", SECRET, version=V5, values=[(0x23, short(0))])),
    "alias too high": (V5, publish("a", SECRET, version=V5, values=[(0x23, short(999))])),
    "subscription id from a client": (V5, publish("a", version=V5, values=[(0x0B, b"\x01")])),
    "wild response topic": (V5, publish("a", version=V5, values=[(0x08, binary(b"a/+"))])),
    "properties longer than the packet": (V5, packet(0x30, b"\x00\x01a\xff\xff\xff\x7f")),
    "AUTH": (V5, packet(0xF0, b"\x18\x00")),
    "expiry revived": (V5, packets.disconnect(reason=0, values=[(0x11, b"\x00\x00\x00\x01")])),
}


async def test_what_breaks_the_protocol_ends_its_connection(
    beside_a_witness: Transport, caplog: pytest.LogCaptureFixture
) -> None:
    wrong: dict[str, object] = {}

    with nothing_told(caplog):
        for what, (version, said) in AFTER_CONNECT.items():
            async with raw_client(beside_a_witness.port, version=version, deadline_s=5) as raw:
                await raw.connect()
                await raw.send(said)
                answered = packets.read_packets(await raw.closed())
            goodbyes = [each.kind == 14 and each.code >= 0x80 for each in answered]
            if goodbyes != ([True] if version == V5 else []):
                wrong[what] = answered

    assert wrong == {}


@pytest.mark.parametrize("version", packets.VERSIONS, ids=["3.1", "3.1.1", "5.0"])
async def test_a_topic_as_long_as_can_be_is_an_error_and_no_reason_to_close(
    beside_a_witness: Transport, version: int
) -> None:
    topic = beside_a_witness.topic(beside_a_witness.owners.new_token(), "get/1")
    longest = "kp1/" + "x" * (65_535 - 4)

    async with raw_client(beside_a_witness.port, version=version) as raw:
        await raw.connect()
        await raw.send(publish(longest, b"{}", version=version, qos=1, packet_id=7))
        acknowledged = await raw.packet()
        await raw.send(publish(topic, b"1", version=version, qos=1, packet_id=8))
        answer = await raw.answer()

    assert (acknowledged.kind, acknowledged.packet_id) == (4, 7)
    assert (answer.topic, answer.payload) == (f"{topic}/status", b"1")


async def test_a_slow_connect_is_closed_at_its_deadline(start: StartTransport) -> None:
    transport = await start(connect_s=0.4)
    connect = Connect(client_id="x" * 500).encode()

    async with raw_client(transport.port, deadline_s=5) as raw:
        for byte in connect:
            raw.writer.write(bytes((byte,)))
            await asyncio.sleep(0.01)
            if raw.writer.transport.is_closing():
                break
        said = await raw.closed()

    assert said == b""
    assert transport.gauge("grove_mqtt_closed_total", reason="no CONNECT came in time") > 0


async def test_who_says_nothing_is_closed_at_the_deadline(start: StartTransport) -> None:
    transport = await start(connect_s=0.3)

    async with raw_client(transport.port, deadline_s=5) as raw:
        assert await raw.closed() == b""


async def test_random_bytes_end_their_own_connections(
    beside_a_witness: Transport, caplog: pytest.LogCaptureFixture, soak_seed: int
) -> None:
    chance = random.Random(soak_seed)

    with nothing_told(caplog):
        for number in range(150):
            noise = chance.randbytes(chance.randrange(1, 3000))
            async with raw_client(beside_a_witness.port, version=chance.choice(packets.VERSIONS)) as raw:
                if number % 3:
                    await raw.connect()
                await raw.send(noise)

        async with raw_client(beside_a_witness.port) as raw:
            assert (await raw.connect()).code == 0


async def test_mutated_packets_end_at_most_their_own_connections(
    beside_a_witness: Transport, caplog: pytest.LogCaptureFixture, soak_seed: int
) -> None:
    topic = beside_a_witness.topic(beside_a_witness.owners.new_token(), "get/1")

    with nothing_told(caplog):
        async with asyncio.TaskGroup() as group:
            for number in range(4):
                work = _mutate_for_a_while(beside_a_witness, topic, random.Random(soak_seed * 10 + number))
                group.create_task(work, name="mutator")

        async with raw_client(beside_a_witness.port) as raw:
            assert (await raw.connect()).code == 0


async def _mutate_for_a_while(transport: Transport, topic: str, chance: random.Random) -> None:
    """Send 800 packets, most of them a little wrong, on a new connection whenever one was closed."""
    left = 800
    while left > 0:
        version = chance.choice(packets.VERSIONS)
        whole = _usual_packets(topic, version)
        async with raw_client(transport.port, version=version) as raw:
            reading = asyncio.get_running_loop().create_task(raw.closed(), name="reading")
            raw.writer.write(Connect(version=version, client_id="").encode())
            for _ in range(min(left, 20)):
                left -= 1
                if raw.writer.transport.is_closing():
                    break
                raw.writer.write(_mutated(chance.choice(whole), chance))
                await asyncio.sleep(0)
            await asyncio.wait({reading}, timeout=0.01)
            reading.cancel()


def _usual_packets(topic: str, version: int) -> list[bytes]:
    return [
        publish(topic, b'{"a":1}', version=version, qos=1, packet_id=3),
        publish(topic, b"{}", version=version, qos=2, packet_id=4),
        subscribe([("kp1/#", 1), ("a/+/b", 2)], version=version),
        packets.unsubscribe(["kp1/#"], version=version),
        packets.ack(6, 4),
        packets.ack(4, 1),
        packets.PINGREQ,
        Connect(version=version, will=("a", b"b"), username="u", password=b"p").encode(),
        packets.disconnect(),
    ]


def _mutated(whole: bytes, chance: random.Random) -> bytes:
    """Flip, cut, double or insert bytes; one in five stays whole."""
    data = bytearray(whole)
    for _ in range(chance.randrange(4)):
        at = chance.randrange(len(data))
        match chance.randrange(4):
            case 0:
                data[at] ^= 1 << chance.randrange(8)
            case 1:
                del data[at:]
            case 2:
                data[at:at] = chance.randbytes(chance.randrange(1, 5))
            case _:
                data += data[at:]
        if not data:
            break
    return bytes(data)
