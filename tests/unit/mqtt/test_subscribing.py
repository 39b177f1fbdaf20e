"""SUBSCRIBE and UNSUBSCRIBE [MQTT 3.8 - 3.11]: the session answers them itself."""

import pytest

from libs.mqtt import Limits, ReasonCode, Subscribed, Unsubscribed
from tests.support import mqtt_packets as packets
from tests.support.mqtt_packets import V3_1_1, V5, Connect
from tests.support.mqtt_session import EACH, closed_with, connected


def codes(data: bytes, version: int) -> list[int]:
    (answer,) = packets.read_packets(data)
    return list(answer.body[3 if version == V5 else 2 :])


@EACH
def test_a_filter_is_granted_at_most_qos_1(version: int) -> None:
    """[MQTT-3.8.4-1], [MQTT-3.8.4-2], [MQTT-3.8.4-6], [MQTT-3.8.4-7]."""
    driver = connected(version)

    events = driver.send(
        packets.subscribe([("a", 0), ("b/+", 1), ("c/#", 2)], version=version, packet_id=0xABCD)
    )

    assert events == [Subscribed((("a", 0), ("b/+", 1), ("c/#", 1)))]
    data = driver.session.data_to_send()
    assert packets.read_packets(data)[0].packet_id == 0xABCD
    assert codes(data, version) == [0, 1, 1]


@EACH
def test_an_invalid_filter_is_refused_alone(version: int) -> None:
    """[MQTT-4.7.1-2], [MQTT-3.9.3-2]."""
    driver = connected(version)

    events = driver.send(packets.subscribe([("a#", 1), ("b", 1), ("", 0)], version=version))

    wrong = 0x8F if version == V5 else 0x80
    assert events == [Subscribed((("b", 1),))]
    assert codes(driver.session.data_to_send(), version) == [wrong, 1, wrong]
    assert not driver.session.closing


def test_share_has_a_meaning_in_v5_only() -> None:
    for version, code in ((V3_1_1, 1), (V5, 0x8F)):
        driver = connected(version)

        driver.send(packets.subscribe([("$share/+/a", 1)], version=version))

        assert codes(driver.session.data_to_send(), version) == [code]


BAD = [
    ("MQTT-3.8.3-3 no filter", lambda v: packets.subscribe([], version=v), 0x82),
    ("MQTT-3.10.3-2 no filter", lambda v: packets.unsubscribe([], version=v), 0x82),
    ("MQTT-2.3.1-1 packet id 0", lambda v: packets.subscribe([("a", 0)], version=v, packet_id=0), 0x82),
    ("MQTT-2.3.1-1 unsubscribe", lambda v: packets.unsubscribe(["a"], version=v, packet_id=0), 0x82),
    ("MQTT-3-8.3-4 QoS 3", lambda v: packets.subscribe([("a", 3)], version=v), 0x81),
    ("MQTT-3.8.3-5 reserved bits", lambda v: packets.subscribe([("a", 0xC1)], version=v), 0x81),
    ("MQTT-1.5.4-1 not UTF-8", lambda v: packets.subscribe([(b"\xff", 1)], version=v), 0x81),
    ("MQTT-1.5.4-2 NUL", lambda v: packets.subscribe([(b"a\0", 1)], version=v), 0x81),
    ("no QoS", lambda v: packets.packet(0x82, packets.subscribe([("abc", 0)], version=v)[2:-1]), 0x81),
    ("too many", lambda v: packets.subscribe([("a", 0)] * 1001, version=v), 0x97),
    ("too many unsubscribed", lambda v: packets.unsubscribe(["a"] * 1001, version=v), 0x97),
]


@pytest.mark.parametrize(("_clause", "make", "code"), BAD, ids=[row[0] for row in BAD])
@EACH
def test_a_broken_subscribe_closes(version: int, _clause: str, make: packets.Maker, code: int) -> None:
    driver = connected(version)

    assert driver.send(make(version)) == []

    assert closed_with(driver) == (code if version == V5 else None)


@pytest.mark.parametrize(
    ("filters", "values", "code"),
    [
        ([("a", 0x30)], [], 0x82),
        ([("$share/g/a", 0x05)], [], 0x82),
        ([("a", 1)], [(0x0B, b"\x00")], 0x82),
        ([("a", 1)], [(0x0B, b"\x01"), (0x0B, b"\x02")], 0x82),
        ([("a", 1)], [(0x23, packets.short(1))], 0x82),
    ],
    ids=[
        "retain handling 3",
        "MQTT-3.8.3-4 no local and shared",
        "identifier 0",
        "two identifiers",
        "of another packet",
    ],
)
def test_options_and_properties_of_v5_are_checked(
    filters: list[tuple[str, int]], values: list[packets.Property], code: int
) -> None:
    """[MQTT5 3.8.2.1, 3.8.3.1]."""
    driver = connected(V5)

    driver.send(packets.subscribe(filters, version=V5, values=values))

    assert closed_with(driver) == code


def test_options_that_change_nothing_here_are_accepted() -> None:
    driver = connected(V5)

    events = driver.send(packets.subscribe([("a", 0x2D), ("$share/g/b", 0x01)], version=V5))

    assert events == [Subscribed((("a", 1), ("$share/g/b", 1)))]


@EACH
def test_unsubscribe_tells_what_existed(version: int) -> None:
    """[MQTT-3.10.4-4], [MQTT-3.10.4-5]; v5 says 0x11 for what did not [MQTT-3.11.3-1]."""
    driver = connected(version)
    driver.send(packets.subscribe([("a", 1), ("b", 1)], version=version))
    driver.answers()

    events = driver.send(packets.unsubscribe(["a", "c", "a"], version=version, packet_id=7))

    assert events == [Unsubscribed(("a",))]
    (answer,) = driver.answers()
    assert (answer.kind, answer.packet_id) == (11, 7)
    assert answer.body[2:] == (b"\0\x00\x11\x11" if version == V5 else b"")


@EACH
def test_a_session_has_so_many_filters_and_no_more(version: int) -> None:
    driver = connected(version, limits=Limits(max_subscriptions=2, max_subscription_bytes=10))

    driver.send(packets.subscribe([("a", 0), ("bbbbbbbbbbb", 0)], version=version))
    first = codes(driver.session.data_to_send(), version)
    driver.send(packets.subscribe([("c", 0), ("a", 1)], version=version))
    second = codes(driver.session.data_to_send(), version)
    driver.send(packets.subscribe([("d", 0)], version=version))
    third = codes(driver.session.data_to_send(), version)

    full = 0x97 if version == V5 else 0x80
    assert (first, second, third) == ([0, full], [0, 1], [full])


def test_subscriptions_outlive_the_connection_with_their_session() -> None:
    """[MQTT-3.1.2-4]."""
    first = connected(connect=Connect(clean=False))
    first.send(packets.subscribe([("a/#", 0)]))
    state = first.session.state
    assert state is not None

    second = connected(state=state, connect=Connect(clean=False))

    assert state.subscriptions.filters() == (("a/#", 0),)
    second.session.publish("a/b", b"", qos=1)
    assert packets.read_publish(second.answers()[0]).qos == 0


def test_suback_larger_than_the_client_takes_closes() -> None:
    """[MQTT-3.1.2-24]."""
    driver = connected(connect=Connect(version=V5, properties=[(0x27, packets.long(30))]))

    driver.send(packets.subscribe([("a", 0)] * 40, version=V5))

    assert closed_with(driver) is ReasonCode.PACKET_TOO_LARGE
