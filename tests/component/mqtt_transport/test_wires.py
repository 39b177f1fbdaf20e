"""The first device over every wire and in several libraries; raw bytes where those do not reach."""

import asyncio
from http import HTTPStatus

import aiohttp
import aiomqtt
import pytest
from aiohttp import WSMsgType

from tests.component.mqtt_transport.conftest import Transport
from tests.support import mqtt_packets as packets
from tests.support.mqtt_packets import VERSIONS, Connect, publish
from tests.support.mqtt_raw import raw_client

EVERY_VERSION = pytest.mark.parametrize("version", VERSIONS, ids=["3.1", "3.1.1", "5.0"])
PATHS = pytest.mark.parametrize("path", ["/mqtt", "/ws"])


@PATHS
@EVERY_VERSION
@pytest.mark.parametrize("qos", [0, 1, 2])
async def test_a_device_on_a_websocket_is_answered_without_subscribing(
    transport: Transport, path: str, version: int, qos: int
) -> None:
    topic = transport.topic(transport.owners.new_token(), "get/0")

    told = await transport.with_device(
        lambda device: device.ask(topic, b'{"a":1}', qos=qos),
        port=transport.process.ports["mqttWs"],
        version=version,
        client_id="tree",
        transport="websockets",
        path=path,
    )

    assert told == (f"{topic}/status", b'{"a":1}')


@pytest.mark.parametrize("wire", ["tcp", "websockets"])
@pytest.mark.parametrize("protocol", list(aiomqtt.ProtocolVersion), ids=lambda version: version.name)
async def test_aiomqtt_is_answered_without_subscribing(
    transport: Transport, wire: str, protocol: aiomqtt.ProtocolVersion
) -> None:
    topic = transport.topic(transport.owners.new_token(), "get/1")
    port = transport.process.ports["mqttWs" if wire == "websockets" else "mqtt"]

    client = aiomqtt.Client(
        "127.0.0.1",
        port,
        identifier="tree",
        protocol=protocol,
        transport="websockets" if wire == "websockets" else "tcp",
        websocket_path="/ws" if wire == "websockets" else None,
    )
    async with asyncio.timeout(5), client:
        await client.publish(topic, b"{}", qos=2)
        message = await anext(aiter(client.messages))

    assert (str(message.topic), message.payload) == (f"{topic}/status", b"{}")


async def test_another_path_is_not_found(transport: Transport) -> None:
    async with aiohttp.ClientSession() as http:
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await http.ws_connect(_ws_url(transport, "/mqtts"))

    assert refused.value.status == HTTPStatus.NOT_FOUND


@PATHS
async def test_plain_http_is_told_to_upgrade(transport: Transport, path: str) -> None:
    async with aiohttp.ClientSession() as http, http.get(_ws_url(transport, path)) as answer:
        status, headers = answer.status, answer.headers

    assert (status, headers["Upgrade"]) == (HTTPStatus.UPGRADE_REQUIRED, "websocket")


async def test_a_text_frame_closes_a_websocket(transport: Transport) -> None:
    async with aiohttp.ClientSession() as http, http.ws_connect(_ws_url(transport), protocols=["mqtt"]) as ws:
        await ws.send_bytes(Connect().encode())
        connack = await ws.receive_bytes(timeout=5)
        await ws.send_str("hello")
        end = await ws.receive(timeout=5)
        code = ws.close_code

    assert (ws.protocol, connack[0]) == ("mqtt", 0x20)
    assert (end.type, code) == (WSMsgType.CLOSE, aiohttp.WSCloseCode.UNSUPPORTED_DATA)


async def test_packets_need_not_respect_websocket_frames(transport: Transport) -> None:
    topic = transport.topic(transport.owners.new_token(), "get/1")
    stream = Connect().encode() + b"".join(publish(topic, b"%d" % number) for number in range(20))

    async with aiohttp.ClientSession() as http, http.ws_connect(_ws_url(transport)) as ws:
        for start in range(0, len(stream), 13):
            await ws.send_bytes(stream[start : start + 13])
        answers = b""
        async with asyncio.timeout(5):
            while answers.count(b"/status") < 20:
                answers += await ws.receive_bytes()

    said = [packets.read_publish(each).payload for each in packets.read_packets(answers) if each.kind == 3]
    assert said == [b"%d" % number for number in range(20)]


async def test_the_end_of_mqtt_closes_the_websocket(transport: Transport) -> None:
    async with aiohttp.ClientSession() as http, http.ws_connect(_ws_url(transport)) as ws:
        await ws.send_bytes(Connect().encode())
        await ws.receive_bytes(timeout=5)
        await ws.send_bytes(packets.packet(0xF0))
        end = await ws.receive(timeout=5)

    assert end.type is WSMsgType.CLOSE


@EVERY_VERSION
async def test_what_is_sent_behind_connect_is_answered_after_connack(
    transport: Transport, version: int
) -> None:
    topic = transport.topic(transport.owners.new_token(), "get/0")
    connect = Connect(version=version, client_id="tree").encode()

    async with raw_client(transport.port, version=version) as raw:
        await raw.send(connect, publish(topic, b"{}", version=version, qos=1))
        connack, *others = await raw.packets(3)

    (answer,) = [packets.read_publish(each, version=version) for each in others if each.kind == 3]
    assert (connack.kind, connack.code) == (2, 0)
    assert sorted(each.kind for each in others) == [3, 4]
    assert (answer.topic, answer.qos, answer.retain) == (f"{topic}/status", 1, False)


async def test_what_is_sent_behind_a_refused_connect_is_dropped(transport: Transport) -> None:
    topic = transport.topic(transport.owners.new_token(), "update/0")
    refused = Connect(version=3, client_id="x" * 24, protocol=(b"MQTT", 9)).encode()

    async with raw_client(transport.port) as raw:
        await raw.send(refused, publish(topic, b"{}", qos=1))
        said = await raw.closed()

    assert packets.read_packets(said)[0].kind == 2
    assert transport.owners.received == []


async def test_the_private_bit_of_bridges_is_refused_so_that_they_try_without(transport: Transport) -> None:
    async with raw_client(transport.port) as raw:
        connack = await raw.connect(Connect(protocol=(b"MQTT", 0x84)))
        rest = await raw.closed()

    assert (connack.kind, connack.code, rest) == (2, 1, b"")


async def test_a_device_that_writes_single_bytes_is_answered(transport: Transport) -> None:
    topic = transport.topic(transport.owners.new_token(), "get/0")
    stream = Connect().encode() + publish(topic, b'{"a":1}', qos=1)

    async with raw_client(transport.port) as raw:
        for byte in stream:
            await raw.send(bytes((byte,)))
            await asyncio.sleep(0)
        answer = await raw.answer()

    assert answer.payload == b'{"a":1}'


def _ws_url(transport: Transport, path: str = "/mqtt") -> str:
    return f"http://127.0.0.1:{transport.process.ports['mqttWs']}{path}"
