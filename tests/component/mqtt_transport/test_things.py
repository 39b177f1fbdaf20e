"""SenML devices of KPN Things over MQTT: the secret at CONNECT, packs on their own topic."""

import asyncio
import json
from collections.abc import AsyncIterator

import pytest

from tests.component.mqtt_transport.conftest import Transport
from tests.support.mqtt_packets import V3_1_1, V5, Connect, publish
from tests.support.mqtt_raw import Raw, raw_client
from tests.support.owners import VERSION
from tests.support.things import DVN, SECRET, Others, pack
from tests.support.waiting import eventually

NAME = f"urn:dev:DVNUUID:{DVN}:"
UP = f"things/v1/{DVN}/up"
VERSIONS = pytest.mark.parametrize("version", [V3_1_1, V5], ids=["3.1.1", "5.0"])
_CONNACK, _PUBACK, _DISCONNECT = 2, 4, 14


@pytest.fixture
async def others(transport: Transport) -> AsyncIterator[Others]:
    others = Others(transport.pusher)
    others.collector = transport.collector
    await others.serve()
    async with asyncio.TaskGroup() as group:
        task = group.create_task(transport.collector.drain())
        yield others
        task.cancel()


def login(version: int, *, password: bytes | None = SECRET.encode(), username: str = NAME) -> bytes:
    return Connect(version=version, username=username, password=password).encode()


async def logged_in(thing: Raw) -> None:
    await thing.send(login(thing.version))
    connack = await thing.packet()
    assert (connack.kind, connack.code) == (_CONNACK, 0)


@VERSIONS
async def test_a_device_logs_in_and_its_pack_is_stored_resolved(
    transport: Transport, others: Others, version: int
) -> None:
    body = pack({"n": "temperature", "u": "Cel", "v": 21.5})

    async with raw_client(transport.port, version=version) as thing:
        await thing.send(login(version), publish(UP, body, version=version, qos=1, packet_id=7))
        connack, puback = await thing.packets(2)

    assert (connack.kind, connack.code) == (_CONNACK, 0)
    assert (puback.kind, puback.packet_id, puback.code) == (_PUBACK, 7, 0)

    async def collected() -> bool:
        return bool(others.collector.messages)

    await eventually(collected, what="the pack is in the stream")
    (message,) = others.collector.messages
    assert (message.endpoint_id, message.app_version, message.resource) == ("tree", VERSION, "/senml")
    assert json.loads(message.payload)[0]["v"] == 21.5


@pytest.mark.parametrize(("version", "code"), [(V3_1_1, 5), (V5, 0x86)], ids=["3.1.1", "5.0"])
@pytest.mark.parametrize(
    ("username", "password"),
    [
        pytest.param(NAME, b"x" * 40, id="wrong secret"),
        pytest.param(NAME, None, id="no secret"),
        pytest.param(NAME, b"\xff" * 40, id="no text"),
        pytest.param(NAME.replace(DVN, DVN[:-1] + "0"), SECRET.encode(), id="unknown device"),
    ],
)
async def test_who_is_not_the_device_is_refused_at_connect(
    transport: Transport, others: Others, username: str, password: bytes | None, version: int, code: int
) -> None:
    async with raw_client(transport.port, version=version) as thing:
        await thing.send(login(version, username=username, password=password))
        connack = await thing.packet()
        await thing.closed()

    assert (connack.kind, connack.code) == (_CONNACK, code)


async def test_any_other_user_name_is_accepted_and_ignored(transport: Transport, others: Others) -> None:
    async with raw_client(transport.port) as device:
        await device.send(login(V3_1_1, username="somebody", password=b"anything"))
        assert (await device.packet()).code == 0


@pytest.mark.parametrize(
    ("topic", "body", "status"),
    [
        pytest.param(UP, pack({"n": "t", "v": 1}, device=DVN[:-1] + "0"), 400, id="another device's pack"),
        pytest.param(UP, b"[]", 400, id="no SenML"),
        pytest.param(UP.replace(DVN, "x"), pack({"n": "t", "v": 1}), 404, id="another topic"),
        pytest.param(UP, b" " * (64 * 1024 + 1), 413, id="too large"),
    ],
)
async def test_what_is_wrong_is_told_acknowledged_and_not_stored(
    transport: Transport, others: Others, topic: str, body: bytes, status: int
) -> None:
    async with raw_client(transport.port) as thing:
        await logged_in(thing)
        await thing.send(publish(topic, body, qos=1, packet_id=7))
        answer = await thing.answer()
        await thing.send(publish(UP, pack({"n": "t", "v": 2}), qos=1, packet_id=8))

        async def collected() -> bool:
            return bool(others.collector.messages)

        await eventually(collected, what="the good one is stored")

    assert answer.topic == f"{topic}/error"
    assert json.loads(answer.payload)["statusCode"] == status
    assert len(others.collector.messages) == 1


async def test_who_did_not_log_in_may_not_speak_for_a_device(transport: Transport, others: Others) -> None:
    async with raw_client(transport.port) as stranger:
        await stranger.connect()
        await stranger.send(publish(UP, pack({"n": "t", "v": 1}), qos=1, packet_id=7))
        answer = await stranger.answer()

    assert json.loads(answer.payload)["statusCode"] == 403


@VERSIONS
async def test_a_revoked_secret_ends_the_connection_it_let_in(
    transport: Transport, others: Others, version: int
) -> None:
    async with raw_client(transport.port, version=version) as thing:
        await logged_in(thing)
        await others.revoke()
        said = await thing.closed()

    assert (said[:1] == bytes((_DISCONNECT << 4,))) is (version == V5)
