"""How much may be unacknowledged, and what happens beyond [MQTT 4.9]."""

import pytest

from libs.mqtt import Limits, PublishReceived, ReasonCode, SessionState
from tests.support import mqtt_packets as packets
from tests.support.mqtt_packets import V5, Connect, batch
from tests.support.mqtt_session import closed_with, connected, publishes


def test_3_x_waits_when_too_many_messages_are_unacknowledged() -> None:
    driver = connected(limits=Limits(receive_maximum=3))

    events = driver.send(batch(3), packets.PINGREQ, batch(2, first=4))

    assert len(events) == 3
    assert driver.is_blocked()
    assert driver.kinds() == [13]  # what does not need room passes until a message does
    driver.session.acknowledge(1)
    assert len(driver.session.events_received()) == 1
    assert driver.is_blocked()
    driver.session.leave_out(2)
    assert len(driver.session.events_received()) == 1
    assert not driver.is_blocked()
    assert driver.session.unacknowledged == 3


def test_half_a_packet_does_not_block() -> None:
    driver = connected(limits=Limits(receive_maximum=1))
    driver.send(batch(1) + batch(1, first=2)[:-1])
    assert not driver.is_blocked()

    driver.send(batch(1, first=2)[-1:])

    assert driver.is_blocked()


def test_the_line_behind_one_that_waits_is_bounded_even_if_all_others_are_left_out() -> None:
    driver = connected(limits=Limits(receive_maximum=2))
    told = driver.send(batch(20))
    seen = 0
    while told:
        seen += len(told)
        for event in publishes(told):
            if event.number > 1:
                driver.session.leave_out(event.number)
        told = driver.session.events_received()

    assert seen == 8
    assert driver.is_blocked()


def test_a_v5_client_that_exceeds_receive_maximum_is_closed() -> None:
    """[MQTT-3.3.4-9]."""
    driver = connected(V5, limits=Limits(receive_maximum=3))

    events = driver.send(batch(4, version=V5))

    assert len(events) == 3
    assert closed_with(driver) is ReasonCode.RECEIVE_MAXIMUM_EXCEEDED


@pytest.mark.parametrize("qos", [1, 2])
def test_what_was_left_out_stays_in_the_quota_of_a_v5_client(qos: int) -> None:
    """[MQTT5 4.9]: the client counts what it has no answer to."""
    driver = connected(V5, limits=Limits(receive_maximum=3))
    driver.send(batch(3, version=V5, qos=qos))
    driver.session.leave_out(1)
    driver.session.acknowledge_many([2])
    driver.send(packets.ack(6, 2))

    assert len(driver.send(batch(1, version=V5, first=4, qos=qos))) == 1
    assert driver.send(batch(1, version=V5, first=5, qos=qos)) == []

    assert closed_with(driver) is ReasonCode.RECEIVE_MAXIMUM_EXCEEDED


def test_a_qos_2_message_uses_quota_until_pubcomp() -> None:
    driver = connected(V5, limits=Limits(receive_maximum=1))
    driver.send(batch(1, version=V5, qos=2))
    driver.session.acknowledge(1)
    driver.send(packets.ack(6, 1))

    assert len(driver.send(batch(1, version=V5, first=2))) == 1


def test_qos_0_passes_a_full_window() -> None:
    driver = connected(V5, limits=Limits(receive_maximum=1))

    events = driver.send(batch(1, version=V5), packets.publish("a", version=V5))

    assert len(events) == 2


def test_nothing_is_kept_of_an_idle_connection() -> None:
    driver = connected(state=SessionState(), connect=Connect(clean=False))
    driver.send(batch(1000)[:-2])

    driver.send(batch(1000)[-2:])

    assert driver.session.buffered_bytes == 0
    assert isinstance(driver.session.events_received(), list)
    assert all(isinstance(event, PublishReceived) for event in driver.session.events_received())
