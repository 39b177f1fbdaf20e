"""Keep-alive, DISCONNECT from both sides, and what a session costs [MQTT 3.1.2.10, 3.12, 3.14, 4.8]."""

import tracemalloc

import pytest

from libs.mqtt import Disconnected, Event, Limits, ReasonCode, Session
from tests.support import mqtt_packets as packets
from tests.support.mqtt_packets import V3_1_1, V5, Connect
from tests.support.mqtt_session import EACH, Driver, closed_with, connected

IDLE_BYTES = 2048


@EACH
def test_pingreq_is_answered(version: int) -> None:
    """[MQTT-3.12.4-1]."""
    driver = connected(version)

    driver.send(packets.PINGREQ * 3)

    assert driver.kinds() == [13, 13, 13]


@EACH
def test_one_and_a_half_keep_alives_of_silence_close(version: int) -> None:
    """[MQTT-3.1.2-24]; v5 is told 0x8D."""
    driver = connected(connect=Connect(version=version, keep_alive_s=10))
    began = driver.now
    assert driver.session.next_timeout() == began + 15
    driver.now = began + 14
    driver.send(packets.PINGREQ)
    driver.answers()

    driver.session.handle_timeout(began + 28)
    assert not driver.is_closing()
    assert driver.session.next_timeout() == began + 29
    driver.session.handle_timeout(began + 29)

    assert closed_with(driver) == (ReasonCode.KEEP_ALIVE_TIMEOUT if version == V5 else None)
    assert driver.session.next_timeout() is None
    driver.session.handle_timeout(began + 99)
    assert driver.answers() == []


def test_half_a_packet_is_silence() -> None:
    """It is control packets that count, not bytes."""
    driver = connected(connect=Connect(keep_alive_s=10))
    deadline = driver.session.next_timeout()
    driver.now += 5
    driver.send(packets.publish("a", b"x" * 100)[:-1])

    assert driver.session.next_timeout() == deadline


def test_keep_alive_0_is_none() -> None:
    """3.1.2.10."""
    driver = connected(connect=Connect(keep_alive_s=0))

    assert driver.session.next_timeout() is None
    driver.session.handle_timeout(driver.now + 1e9)
    assert not driver.is_closing()


@pytest.mark.parametrize(("given", "expected"), [(4, 6.0), (0, None)])
def test_the_owner_may_choose_the_keep_alive(given: int, expected: float | None) -> None:
    driver = Driver()
    driver.send(Connect(keep_alive_s=100).encode())

    driver.session.accept(state=None, keep_alive_s=given, now=driver.now + 3)

    deadline = driver.session.next_timeout()
    assert deadline == (None if expected is None else driver.now + 3 + expected)


def test_the_clock_stands_still_while_the_socket_is_not_read() -> None:
    """delivery.md rule 14: our own pause closes nobody."""
    driver = connected(connect=Connect(keep_alive_s=10))
    began = driver.now
    driver.session.pause(began + 5)
    driver.session.pause(began + 50)
    assert driver.session.next_timeout() is None
    driver.session.handle_timeout(began + 60)
    assert not driver.is_closing()

    driver.session.resume(began + 65)
    driver.session.resume(began + 90)

    assert driver.session.next_timeout() == began + 75
    driver.session.handle_timeout(began + 75)
    assert driver.is_closing()


def test_a_packet_that_waited_during_a_pause_takes_no_time_away() -> None:
    driver = connected(connect=Connect(keep_alive_s=10), limits=Limits(receive_maximum=1))
    driver.send(packets.publish("a", qos=1, packet_id=1), packets.publish("a", qos=1, packet_id=2))
    driver.session.pause(driver.now)
    driver.session.resume(driver.now + 60)
    driver.session.acknowledge(1)

    assert len(driver.session.events_received()) == 1

    assert driver.session.next_timeout() == driver.now + 75


def test_a_pause_before_connect_does_not_move_its_deadline() -> None:
    driver = Driver()
    driver.session.pause(driver.now)

    assert driver.session.next_timeout() == driver.now + 10
    driver.session.resume(driver.now + 5)
    assert driver.session.next_timeout() == driver.now + 10


@EACH
def test_a_client_says_goodbye(version: int) -> None:
    """[MQTT-3.14.4-1], [MQTT-3.14.4-2]: nothing behind it is read."""
    driver = connected(version)

    events = driver.send(packets.disconnect(), packets.publish("a", version=version))

    assert events == [Disconnected(0, 0)]
    assert driver.is_closing()
    assert driver.session.close_reason == "the client disconnected"
    assert driver.answers() == []


def test_a_3_x_goodbye_has_no_body() -> None:
    driver = connected()

    assert driver.send(b"\xe0\x01\x00") == []

    assert driver.is_closing()


@pytest.mark.parametrize(
    ("asked", "later", "result"),
    [
        (60, None, 60),
        (60, 0, 0),
        (60, 5, 5),
        (60, 0xFFFFFFFF, 3600),
        (0xFFFFFFFF, None, 3600),
        (0, 0, 0),
        (0, None, 0),
    ],
)
def test_disconnect_may_change_the_session_expiry(asked: int, later: int | None, result: int) -> None:
    """[MQTT5 3.14.2.2.2]; 0xFFFFFFFF is never, which we cut to our maximum."""
    driver = connected(connect=Connect(version=V5, properties=[(0x11, packets.long(asked))]))
    values = [] if later is None else [(0x11, packets.long(later))]

    events = driver.send(packets.disconnect(reason=4, values=values))

    assert events == [Disconnected(4, result)]
    assert driver.session.session_expiry_s == result


def test_a_session_that_was_to_end_is_not_revived() -> None:
    """[MQTT-3.14.2-2]."""
    driver = connected(V5)

    assert driver.send(packets.disconnect(reason=0, values=[(0x11, packets.long(5))])) == []

    assert closed_with(driver) is ReasonCode.PROTOCOL_ERROR


@pytest.mark.parametrize("version", [V3_1_1, V5])
def test_auth_closes(version: int) -> None:
    """[MQTT-4.12.0-6]; type 15 is reserved before v5."""
    driver = connected(version)

    driver.send(b"\xf0\x00")

    assert closed_with(driver) == (ReasonCode.BAD_AUTHENTICATION_METHOD if version == V5 else None)


@EACH
def test_our_goodbye_comes_after_the_acknowledgements_that_are_due(version: int) -> None:
    """delivery.md rule 13."""
    driver = connected(version)
    driver.send(*(packets.publish("a", qos=1, packet_id=n, version=version) for n in (1, 2, 3)))
    driver.session.acknowledge_many([1, 3])

    driver.session.disconnect(ReasonCode.SERVER_SHUTTING_DOWN)
    driver.session.acknowledge(2)
    driver.session.disconnect(ReasonCode.SERVER_BUSY)

    told = [(answer.kind, answer.code) for answer in driver.answers()]
    assert told == [(4, 0)] + ([(14, 0x8B)] if version == V5 else [])
    assert driver.session.close_reason == "disconnected: SERVER_SHUTTING_DOWN"


def test_a_goodbye_before_the_decision_is_a_refusal() -> None:
    driver = Driver()
    driver.send(Connect().encode())

    driver.session.disconnect(ReasonCode.SERVER_SHUTTING_DOWN)

    assert driver.session.data_to_send() == b"\x20\x02\x00\x03"
    assert driver.is_closing()


def test_a_goodbye_before_connect_just_closes() -> None:
    driver = Driver()

    driver.session.disconnect(ReasonCode.SERVER_BUSY)

    assert driver.is_closing()
    assert driver.answers() == []


def test_a_packet_that_trickles_in_is_put_together_once() -> None:
    """Single bytes cost what they cost together: copying for each would move 5 GB here."""
    driver = connected(V5)
    data = packets.publish("a", b"x" * 100_000, qos=1, version=V5)

    events: list[Event] = []
    for index in range(len(data)):
        driver.session.receive_data(data[index : index + 1], now=driver.now)
        events = driver.session.events_received()

    assert len(events) == 1
    assert driver.session.buffered_bytes == 0


def test_what_was_read_is_let_go_when_half_a_packet_remains() -> None:
    """A reader hands over a quarter of a megabyte at a time; its tail must not hold the rest in memory."""
    drivers = [connected() for _ in range(20)]
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        for driver in drivers:
            driver.send(packets.publish("a", b"x" * 100_000) + packets.PINGREQ[:1])
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert (after - before) / len(drivers) < IDLE_BYTES


def test_an_idle_connection_is_small() -> None:
    """Ten thousand devices that say nothing cost 20 MB."""
    limits, data = Limits(), Connect(keep_alive_s=60).encode()

    def accepted() -> Session:
        session = Session(limits, now=0.0)
        session.receive_data(data, now=0.0)
        session.events_received()
        session.accept(state=None)
        session.data_to_send()
        return session

    accepted()
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        sessions = [accepted() for _ in range(200)]
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert (after - before) / len(sessions) < IDLE_BYTES
