"""PUBLISH from the client, acknowledgement in order, QoS 2, windows [MQTT 3.3 - 3.7, 4.3, 4.6, 4.9]."""

import pytest

from libs.mqtt import Limits, ReasonCode
from tests.support import mqtt_packets as packets
from tests.support.mqtt_packets import V3_1_1, V5, Connect, batch
from tests.support.mqtt_session import EACH, Driver, closed_with, connected, publishes


@pytest.mark.parametrize("size", [0, 1, 100, 121, 122, 200, 16_370, 16_380, 70_000, 1_048_560])
@pytest.mark.parametrize("qos", [0, 1, 2])
@EACH
def test_messages_of_any_size_are_told(version: int, qos: int, size: int) -> None:
    driver = connected(version)
    sent = packets.publish("a/b", b"x" * size, qos=qos, packet_id=9, version=version)

    events = [*driver.send(sent), *driver.send(sent.replace(b"\0\x09", b"\0\x0a", 1))]

    first, second = publishes(events)
    assert (first.topic, len(first.payload), first.qos, first.dup) == ("a/b", size, qos, False)
    assert (first.number, second.number) == ((1, 2) if qos else (0, 0))
    assert second[1:4] == first[1:4]


@EACH
def test_flags_are_reported_and_retain_means_nothing(version: int) -> None:
    driver = connected(version)

    (event,) = publishes(driver.send(packets.publish("a", qos=1, flags=9, version=version)))

    assert (event.dup, event.retain) == (True, True)
    driver.session.acknowledge(event.number)
    assert driver.session.data_to_send() == b"\x40\x02\x00\x01"


BAD = [
    ("MQTT-3.3.1-4 QoS 3", lambda v: packets.publish("a", qos=3, version=v), 0x81),
    ("MQTT-3.3.1-2 DUP with QoS 0", lambda v: packets.publish("a", flags=8, version=v), 0x81),
    ("MQTT-2.3.1-1 packet id 0", lambda v: packets.publish("a", qos=1, packet_id=0, version=v), 0x82),
    ("MQTT-3.3.2-2 plus", lambda v: packets.publish("a/+", qos=1, version=v), 0x90),
    ("MQTT-3.3.2-2 hash", lambda v: packets.publish("#", version=v), 0x90),
    ("MQTT-4.7.3-2 NUL", lambda v: packets.publish("a\0", version=v), 0x81),
    ("MQTT-1.5.4-1 surrogate", lambda v: packets.publish(b"\xed\xa0\x80", qos=1, version=v), 0x81),
    ("MQTT-4.7.3-1 empty topic", lambda v: packets.publish("", qos=1, version=v), 0x82),
    ("cut inside the topic", lambda _: packets.packet(0x32, b"\0\x09abc"), 0x81),
    ("no topic at all", lambda _: packets.packet(0x32, b"\0"), 0x81),
    ("no packet id", lambda _: packets.packet(0x32, b"\0\x01a"), 0x81),
    ("MQTT-2.2.2-2 PINGREQ flags", lambda _: b"\xc1\x00", 0x81),
    ("MQTT-2.2.2-2 PUBREL flags", lambda _: b"\x60\x02\x00\x01", 0x81),
    ("MQTT-2.2.2-2 PUBACK flags", lambda _: b"\x42\x02\x00\x01", 0x81),
    ("MQTT-2.2.2-2 SUBSCRIBE flags", lambda _: b"\x80\x06\x00\x01\x00\x01a\x00", 0x81),
    ("MQTT-2.2.2-2 UNSUBSCRIBE flags", lambda _: b"\xa0\x05\x00\x01\x00\x01a", 0x81),
    ("MQTT-2.2.2-2 DISCONNECT flags", lambda _: b"\xe1\x00", 0x81),
    ("type 0", lambda _: b"\x00\x00", 0x81),
    ("of a server: CONNACK", lambda _: b"\x20\x02\x00\x00", 0x82),
    ("of a server: PINGRESP", lambda _: b"\xd0\x00", 0x82),
    ("answers nothing: PUBREC", lambda _: b"\x50\x02\x00\x01", 0x82),
    ("answers nothing: PUBCOMP", lambda _: b"\x70\x02\x00\x01", 0x82),
    ("PUBACK of packet id 0", lambda _: b"\x40\x02\x00\x00", 0x82),
    ("PUBREL of packet id 0", lambda _: b"\x62\x02\x00\x00", 0x82),
    ("PUBACK cut", lambda _: b"\x40\x01\x00", 0x81),
    ("PINGREQ with a body", lambda _: b"\xc0\x01x", 0x81),
    ("MQTT5 1.5.5 remaining length of five bytes", lambda _: b"\x30\x80\x80\x80\x80\x01", 0x81),
    ("remaining length above the maximum", lambda _: b"\x30\x80\x80\x80\x01", 0x95),
]


@pytest.mark.parametrize(("_clause", "make", "code"), BAD, ids=[row[0] for row in BAD])
@EACH
def test_a_broken_packet_closes_its_connection_and_keeps_what_came_before(
    version: int, _clause: str, make: "packets.Maker", code: int
) -> None:
    """[MQTT-4.8.0-1], [MQTT5 4.13.1]."""
    driver = connected(version)

    events = driver.send(packets.publish("a", b"before", version=version) + make(version) + packets.PINGREQ)

    assert [event.payload for event in publishes(events)] == [b"before"]
    assert driver.session.close_reason
    assert closed_with(driver) == (code if version == V5 else None)
    assert driver.session.buffered_bytes == 0
    assert driver.send(packets.PINGREQ) == []
    assert driver.answers() == []


def test_a_length_in_too_many_bytes_is_malformed_in_v5_only() -> None:
    """[MQTT-1.5.5-1]."""
    for version, closes in ((V3_1_1, False), (V5, True)):
        driver = connected(version)

        driver.send(b"\xc0\x80\x00")

        assert driver.session.closing is closes


def test_a_packet_above_the_maximum_is_refused_from_its_header() -> None:
    """0x95 without waiting for, or keeping, a byte of the body."""
    driver = connected(V5, limits=Limits(maximum_packet_size=1000))
    head = packets.publish("a", b"x" * 1000, version=V5)[:3]

    driver.send(head)

    assert closed_with(driver) is ReasonCode.PACKET_TOO_LARGE
    assert driver.session.buffered_bytes == 0


@pytest.mark.parametrize("extra", [0, 1])
def test_the_maximum_holds_for_the_whole_packet_on_every_path(extra: int) -> None:
    driver = connected(V5, limits=Limits(maximum_packet_size=1000))
    driver.send(packets.publish("a", qos=1, version=V5))
    payload = b"x" * (1000 - 1 - 2 - 3 - 2 - 1 + extra)

    events = driver.send(packets.publish("a", payload, qos=1, packet_id=2, version=V5))

    assert len(events) == 1 - extra
    assert driver.session.closing is bool(extra)


# --- properties and aliases -------------------------------------------------------------------------


def test_a_v5_message_tells_where_its_answer_goes() -> None:
    values = [
        (0x08, packets.text("answers/here")),
        (0x09, packets.binary(b"\x01\x02")),
        (0x01, b"\x01"),
        (0x02, packets.long(60)),
        (0x03, packets.text("application/json")),
        (0x26, packets.text("k") + packets.text("v")),
    ]

    (event,) = publishes(connected(V5).send(packets.publish("a", b"p", qos=1, version=V5, values=values)))

    assert (event.response_topic, event.correlation_data) == ("answers/here", b"\x01\x02")
    assert event.payload == b"p"


@pytest.mark.parametrize(
    ("values", "code"),
    [
        ([(0x08, packets.text("a/#"))], 0x82),
        ([(0x08, packets.text(""))], 0x82),
        ([(0x0B, b"\x01")], 0x82),
        ([(0x01, b"\x02")], 0x82),
        ([(0x23, packets.short(0))], 0x94),
        ([(0x23, packets.short(17))], 0x94),
        ([(0x09, packets.binary(b"")), (0x09, packets.binary(b""))], 0x82),
        ([(0x11, packets.long(1))], 0x82),
        ([(0x7F, b"")], 0x81),
        ([(0x26, packets.text("k"))], 0x81),
        ([(0x26, packets.text("k") + packets.text("v"))] * 600, 0x97),
    ],
    ids=[
        "MQTT-3.3.2-14 wildcard in the response topic",
        "empty response topic",
        "MQTT-3.3.4-6 subscription identifier",
        "payload format 2",
        "MQTT-3.3.2-8 alias 0",
        "MQTT-3.3.2-9 alias above the maximum",
        "twice",
        "of another packet",
        "unknown",
        "half a user property",
        "too many",
    ],
)
def test_bad_properties_close_with_their_code(values: list[packets.Property], code: int) -> None:
    """[MQTT5 2.2.2], 3.3.2.3."""
    driver = connected(V5)

    assert driver.send(packets.publish("a", qos=1, version=V5, values=values)) == []

    assert closed_with(driver) == code


def test_properties_longer_than_their_packet_are_malformed() -> None:
    driver = connected(V5)

    driver.send(packets.packet(0x30, b"\0\x01a\x05\x01"))

    assert closed_with(driver) is ReasonCode.MALFORMED_PACKET


def test_an_alias_stands_for_the_topic_it_was_set_to_last() -> None:
    """[MQTT5 3.3.2.3.4]."""
    alias = [(0x23, packets.short(16))]
    sent = [
        packets.publish("a", b"1", version=V5, values=alias),
        packets.publish("", b"2", version=V5, values=alias),
        packets.publish("b", b"3", version=V5, values=alias, qos=1),
        packets.publish("", b"4", version=V5, values=alias, qos=1, packet_id=2),
    ]

    events = publishes(connected(V5).send(*sent))

    assert [event.topic for event in events] == ["a", "a", "b", "b"]


def test_an_unknown_alias_and_aliases_turned_off_close() -> None:
    for limits, code in ((Limits(), 0x82), (Limits(topic_alias_maximum=0), 0x94)):
        driver = connected(V5, limits=limits)

        driver.send(packets.publish("", version=V5, values=[(0x23, packets.short(1))]))

        assert closed_with(driver) == code


def test_the_topics_of_aliases_are_bounded_in_bytes() -> None:
    driver = connected(V5)
    long = [(0x23, packets.short(1)), (0x23, packets.short(2))]

    driver.send(*(packets.publish("a" * 10_000, version=V5, values=long[:1]) for _ in range(3)))
    assert not driver.is_closing()
    assert 10_000 < driver.session.held_bytes < 12_000
    driver.send(packets.publish("b" * 10_000, version=V5, values=long[1:]))

    assert closed_with(driver) is ReasonCode.QUOTA_EXCEEDED


def test_what_a_connection_holds_is_told() -> None:
    driver = Driver()
    driver.send(Connect().encode()[:-1])
    assert driver.session.held_bytes == len(Connect().encode()) - 1
    driver.send(Connect().encode()[-1:])
    driver.session.accept(state=None)
    before = driver.session.held_bytes

    driver.send(batch(100), packets.subscribe([("a" * 1000, 1)]), packets.publish("t", b"x" * 5000)[:-1])

    assert before + 100 * 40 + 1000 + 5000 < driver.session.held_bytes < before + 13_000


def test_aliases_end_with_the_connection() -> None:
    """[MQTT-3.3.2-7]."""
    first = connected(V5)
    first.send(packets.publish("a", version=V5, values=[(0x23, packets.short(1))]))

    second = connected(V5, state=first.session.state)
    second.send(packets.publish("", version=V5, values=[(0x23, packets.short(1))]))

    assert closed_with(second) is ReasonCode.PROTOCOL_ERROR


def test_more_topics_than_are_cached_are_all_told_right() -> None:
    driver = connected()
    topics = [f"t/{n}" for n in range(200)] * 2

    events = driver.send(*(packets.publish(topic, qos=1, packet_id=n + 1) for n, topic in enumerate(topics)))

    assert [event.topic for event in publishes(events)] == topics
