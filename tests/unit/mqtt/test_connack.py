"""CONNACK of the three versions, and what waits for it [MQTT 3.2]."""

import pytest

from libs.mqtt import Limits, PublishReceived, ReasonCode, SessionState
from tests.support import mqtt_packets as packets
from tests.support.mqtt_packets import V3_1, V3_1_1, V5, Connect
from tests.support.mqtt_session import EACH, Driver, connected

EACH_V3 = pytest.mark.parametrize("version", [V3_1, V3_1_1], ids=["3.1", "3.1.1"])


def test_connack_of_v5_tells_the_limits_and_nothing_we_do_not_limit() -> None:
    """kp1.md: Receive Maximum 1,000, Maximum Packet Size 1 MiB, no Maximum QoS, Retain Available absent."""
    driver = Driver()
    driver.send(Connect(version=V5, properties=[(0x11, packets.long(0xFFFFFFFF))]).encode())

    driver.session.accept(state=None, keep_alive_s=7)

    (connack,) = driver.answers()
    assert packets.read_properties(connack.body[2:]) == {
        0x11: packets.long(3600),
        0x21: packets.short(1000),
        0x27: packets.long(1_048_576),
        0x22: packets.short(16),
        0x13: packets.short(7),
    }
    assert driver.session.session_expiry_s == 3600


@pytest.mark.parametrize(
    ("clean", "expiry"), [(True, 0), (False, 3600)], ids=["clean session", "session that stays"]
)
def test_a_3_x_session_ends_with_its_connection_or_never(*, clean: bool, expiry: int) -> None:
    """3.1.2.4; never is cut to our hour."""
    driver = connected(connect=Connect(clean=clean))

    assert driver.session.session_expiry_s == expiry


@pytest.mark.parametrize(("version", "flag"), [(V3_1, 0), (V3_1_1, 1), (V5, 1)], ids=["3.1", "3.1.1", "5"])
def test_session_present_is_told_where_the_version_knows_it(version: int, flag: int) -> None:
    """[MQTT-3.2.2-2], [MQTT-3.2.2-3]; 3.1 reserves the byte."""
    for state, expected in ((SessionState(), flag), (None, 0)):
        driver = Driver()
        driver.send(Connect(version=version, clean=False).encode())

        driver.session.accept(state=state)

        assert driver.answers()[0].body[0] == expected


@pytest.mark.parametrize(
    ("reason", "code"),
    [
        (ReasonCode.UNSUPPORTED_PROTOCOL_VERSION, 1),
        (ReasonCode.CLIENT_IDENTIFIER_NOT_VALID, 2),
        (ReasonCode.SERVER_BUSY, 3),
        (ReasonCode.SERVER_UNAVAILABLE, 3),
        (ReasonCode.BAD_AUTHENTICATION_METHOD, 4),
        (ReasonCode.BAD_USER_NAME_OR_PASSWORD, 5),
        (ReasonCode.NOT_AUTHORIZED, 5),
    ],
)
@EACH
def test_a_refusal_has_the_code_of_its_version(version: int, reason: ReasonCode, code: int) -> None:
    """[MQTT-3.2.2-4], [MQTT-3.2.2-5]: closed after it, session present 0."""
    driver = Driver()
    driver.send(Connect(version=version).encode() + packets.publish("a", qos=1, version=version))

    driver.session.refuse(reason)

    (connack,) = driver.answers()
    assert connack.body[:2] == bytes((0, reason if version == V5 else code))
    assert driver.session.closing
    assert driver.session.events_received() == []
    assert driver.session.buffered_bytes == 0


@EACH
def test_packets_behind_connect_wait_until_it_is_accepted(version: int) -> None:
    """[MQTT-3.1.4-5]: clients need not wait for CONNACK."""
    driver = Driver()
    early = packets.publish("a", b"1", qos=1, version=version) + packets.PINGREQ

    events = driver.send(Connect(version=version).encode() + early)
    events += driver.send(packets.publish("a", b"2", qos=0, version=version))

    assert len(events) == 1
    assert driver.session.buffered_bytes > len(early)

    driver.session.accept(state=None)
    later = driver.session.events_received()

    assert [event.payload for event in later if isinstance(event, PublishReceived)] == [b"1", b"2"]
    assert driver.kinds() == [2, 13]


def test_what_may_follow_connect_is_bounded() -> None:
    driver = Driver(Limits(early_bytes=1000))
    driver.send(Connect().encode() + packets.publish("a", b"x" * 900))
    assert not driver.session.blocked

    driver.send(packets.publish("a", b"x" * 200))

    assert driver.is_blocked()
    driver.session.accept(state=None)
    assert not driver.is_blocked()
    assert len(driver.session.events_received()) == 2


def test_a_slow_connect_is_closed_at_its_deadline() -> None:
    """[MQTT 3.1]: "a reasonable amount of time"; kp1.md: 10 s."""
    driver = Driver()
    driver.send(Connect().encode()[:-1])
    deadline = driver.session.next_timeout()
    assert deadline == driver.now + 10.0

    driver.session.handle_timeout(deadline - 0.1)
    assert not driver.is_closing()
    driver.session.handle_timeout(deadline)

    assert driver.session.closing
    assert driver.answers() == []
    assert driver.session.next_timeout() is None


def test_no_deadline_runs_while_the_owner_decides() -> None:
    driver = Driver()
    driver.send(Connect().encode())

    driver.session.handle_timeout(driver.now + 1000)

    assert driver.session.next_timeout() is None
    assert not driver.session.closing


def test_a_large_connect_is_refused_before_its_body_comes() -> None:
    driver = Driver()

    driver.send(b"\x10\xff\xff\x7f" + b"x" * 10)

    assert driver.session.closing
    assert driver.session.buffered_bytes == 0


def test_a_client_that_takes_no_packet_as_large_as_connack_is_closed() -> None:
    """[MQTT-3.1.2-24]."""
    driver = Driver()
    driver.send(Connect(version=V5, properties=[(0x27, packets.long(8))]).encode())

    driver.session.accept(state=None)

    assert driver.session.closing
    assert driver.answers() == []


def test_accepting_or_refusing_twice_does_nothing() -> None:
    driver = connected()

    driver.session.accept(state=None)
    driver.session.refuse(ReasonCode.NOT_AUTHORIZED)

    assert driver.session.connected
    assert driver.answers() == []


def test_limits_that_make_no_sense_are_refused() -> None:
    for wrong in ({"receive_maximum": 0}, {"maximum_packet_size": 10}, {"max_kept": 65_000}):
        with pytest.raises(ValueError, match=r"is at least|leaves no"):
            Limits(**wrong)
