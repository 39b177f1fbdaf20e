"""Subscribing changes the QoS of an answer and nothing else: each comes once, whatever filters match."""

import pytest
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from tests.component.mqtt_transport.conftest import Transport
from tests.support import mqtt_packets as packets
from tests.support.mqtt_device import Device
from tests.support.mqtt_packets import V5, VERSIONS, publish, subscribe
from tests.support.mqtt_raw import raw_client

EVERY_VERSION = pytest.mark.parametrize("version", VERSIONS, ids=["3.1", "3.1.1", "5.0"])


@EVERY_VERSION
@pytest.mark.parametrize(
    "filters",
    [
        pytest.param(["kp1/#"], id="everything"),
        pytest.param(["{topic}/status"], id="its own answers"),
        pytest.param(["kp1/#", "{topic}/status", "{topic}/+", "#"], id="all at once"),
        pytest.param(["$SYS/#", "some/where/else", "+"], id="nonsense"),
        pytest.param(["$share/group/kp1/#"], id="shared"),
    ],
)
async def test_a_subscriber_gets_each_answer_exactly_once(
    transport: Transport, version: int, filters: list[str]
) -> None:
    topic = transport.topic(transport.owners.new_token(), "get/1")
    wanted = [(each.format(topic=topic), 1) for each in filters]

    async with raw_client(transport.port, version=version) as raw:
        await raw.connect()
        await raw.send(subscribe(wanted, version=version))
        suback = await raw.packet()
        await raw.send(publish(topic, b"1", version=version, qos=1))
        first = await raw.answer()
        await raw.send(publish(topic, b"2", version=version, qos=1, packet_id=2))
        second = await raw.answer()

    assert suback.kind == 9
    assert list(suback.body[-len(wanted) :]) == [1] * len(wanted)
    assert (first.payload, second.payload) == (b"1", b"2")


@EVERY_VERSION
@pytest.mark.parametrize("granted", [0, 1, 2])
@pytest.mark.parametrize("asked", [0, 1, 2])
async def test_an_answer_has_the_lower_qos_of_request_and_grant(
    transport: Transport, version: int, granted: int, asked: int
) -> None:
    topic = transport.topic(transport.owners.new_token(), "get/1")

    async with raw_client(transport.port, version=version) as raw:
        await raw.connect()
        await raw.send(subscribe([("kp1/#", granted)], version=version))
        await raw.packet()
        await raw.send(publish(topic, b"1", version=version, qos=asked))
        answer = await raw.answer()

    assert answer.qos == min(asked, granted, 1)


async def test_nobody_hears_what_others_are_told(transport: Transport) -> None:
    topic = transport.topic(transport.owners.new_token(), "get/1")

    def listen(listener: Device) -> bool:
        listener.client.subscribe([("kp1/#", 1), ("#", 1), (f"{topic}/status", 1)])
        return listener.silent(for_s=0.5)

    async with raw_client(transport.port) as raw:
        await raw.connect()
        for number in range(5):
            await raw.send(publish(topic, b"%d" % number, qos=1, packet_id=number + 1))
        silent = await transport.with_device(listen)
        answers = [await raw.answer() for _ in range(5)]

    assert silent
    assert [answer.payload for answer in answers] == [b"0", b"1", b"2", b"3", b"4"]


@pytest.mark.parametrize("version", [4, 5], ids=["3.1.1", "5.0"])
async def test_retain_is_ignored_and_never_set(transport: Transport, version: int) -> None:
    topic = transport.topic(transport.owners.new_token(), "get/1")

    def publish_retained(device: Device) -> tuple[bytes, bool]:
        device.request(topic, b"1", retain=True)
        answer = device.answer()
        return bytes(answer.payload), answer.retain

    def subscribe_later(device: Device) -> bool:
        device.client.subscribe("kp1/#", 1)
        return device.silent()

    answer = await transport.with_device(publish_retained, version=version)
    silent = await transport.with_device(subscribe_later, version=version)

    assert answer == (b"1", False)
    assert silent


@pytest.mark.parametrize("resource", ["get/1", "get", "nowhere/at/all/status"])
async def test_a_response_topic_gets_the_answer_with_its_correlation_data(
    transport: Transport, resource: str
) -> None:
    topic = transport.topic(transport.owners.new_token(), resource)
    properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]  # paho's
    properties.ResponseTopic = "my/answers"
    properties.CorrelationData = b"\x00\xff42"

    def use(device: Device) -> tuple[str, bytes]:
        device.request(topic, b"1", properties=properties)
        answer = device.answer()
        assert device.silent(for_s=0.1)
        assert answer.properties is not None
        return answer.topic, vars(answer.properties)["CorrelationData"]

    assert await transport.with_device(use, version=5) == ("my/answers", b"\x00\xff42")


async def test_a_subscription_identifier_comes_with_the_answer(transport: Transport) -> None:
    topic = transport.topic(transport.owners.new_token(), "get/1")

    async with raw_client(transport.port, version=V5) as raw:
        await raw.connect()
        await raw.send(subscribe([("kp1/#", 1)], version=V5, values=[(0x0B, b"\x07")]))
        await raw.packet()
        await raw.send(publish(topic, b"1", version=V5, qos=1))
        answer = await raw.answer()

    assert answer.properties == b"\x0b\x07"


async def test_unsubscribing_takes_the_answer_away_from_nobody(transport: Transport) -> None:
    topic = transport.topic(transport.owners.new_token(), "get/1")

    async with raw_client(transport.port) as raw:
        await raw.connect()
        await raw.send(subscribe([("kp1/#", 0)]), packets.unsubscribe(["kp1/#"]), publish(topic, b"1", qos=1))
        answer = await raw.answer()

    assert (answer.payload, answer.qos) == (b"1", 1)
