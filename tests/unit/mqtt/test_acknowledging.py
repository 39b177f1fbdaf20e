"""Acknowledgements leave in order of arrival, what is left out never [MQTT 3.4, 4.6]."""

import pytest

from libs.mqtt import ReasonCode
from tests.support import mqtt_packets as packets
from tests.support.mqtt_packets import V3_1_1, V5, batch
from tests.support.mqtt_session import EACH, Driver, connected


@EACH
def test_acknowledgements_leave_in_order_of_arrival(version: int) -> None:
    """[MQTT-4.6.0-2], [MQTT-4.6.0-3]; delivery.md rule 13."""
    driver = connected(version)
    driver.send(
        batch(2, version=version),
        batch(1, version=version, qos=2, first=3),
        batch(1, first=4, version=version),
    )

    for number in (4, 3, 2):
        driver.session.acknowledge(number)
    assert driver.answers() == []
    assert driver.session.unacknowledged == 4
    driver.session.acknowledge(1)

    assert [(a.kind, a.packet_id) for a in driver.answers()] == [(4, 1), (4, 2), (5, 3), (4, 4)]
    assert driver.session.unacknowledged == 0


@pytest.mark.parametrize(
    "numbers",
    [range(1, 6), [1, 2, 3, 4, 5], [5, 4, 3, 2, 1], [1, 1, 2, 3, 2, 4, 5], iter([3, 1, 2, 5, 4, 99, 0, -1])],
    ids=["range", "list", "backwards", "twice", "iterator with numbers nobody has"],
)
def test_many_are_acknowledged_at_once_each_exactly_once(numbers: "range | list[int]") -> None:
    driver = connected()
    driver.send(batch(7))

    driver.session.acknowledge_many(numbers)

    assert driver.ids() == [1, 2, 3, 4, 5]
    driver.session.acknowledge_many([6, 7, 8])
    assert driver.ids() == [6, 7]


def test_a_batch_that_does_not_begin_at_the_front_waits() -> None:
    driver = connected()
    driver.send(batch(6))

    driver.session.acknowledge_many([3, 4])
    assert driver.ids() == []
    driver.session.acknowledge_many([1, 2])
    assert driver.ids() == [1, 2, 3, 4]
    driver.session.acknowledge_many([5, 6])
    assert driver.ids() == [5, 6]


def test_what_is_left_out_lets_the_others_pass_and_is_never_acknowledged() -> None:
    """delivery.md rule 13: 1 among 100."""
    driver = connected()
    driver.send(batch(101))
    driver.session.acknowledge_many(range(2, 102))
    assert driver.ids() == []

    driver.session.leave_out(1)
    driver.session.acknowledge(1)
    driver.session.leave_out(1)
    driver.session.leave_out(999)

    assert driver.ids() == list(range(2, 102))
    assert driver.session.unacknowledged == 0


def test_left_out_behind_one_that_waits_does_not_count() -> None:
    driver = connected()
    driver.send(batch(3))

    driver.session.leave_out(2)

    assert driver.session.unacknowledged == 2
    driver.session.acknowledge(2)
    driver.session.acknowledge(1)
    assert driver.ids() == [1]
    assert driver.session.unacknowledged == 1


@pytest.mark.parametrize(
    ("version", "qos", "expected"),
    [
        (V3_1_1, 1, b"\x40\x02\x00\x01"),
        (V3_1_1, 2, b"\x50\x02\x00\x01"),
        (V5, 1, b"\x40\x03\x00\x01\x87"),
        (V5, 2, b"\x50\x03\x00\x01\x87"),
    ],
)
def test_an_error_shows_only_in_v5(version: int, qos: int, expected: bytes) -> None:
    driver = connected(version)
    driver.send(batch(1, version=version, qos=qos))

    driver.session.acknowledge(1, ReasonCode.NOT_AUTHORIZED)

    assert driver.session.data_to_send() == expected


def test_nothing_is_acknowledged_before_accept_or_after_the_end() -> None:
    driver = Driver()
    driver.session.acknowledge(1)
    driver.session.acknowledge_many([1])
    driver.session.leave_out(1)
    assert driver.session.unacknowledged == 0
    driver = connected()
    driver.send(batch(2), packets.disconnect())

    driver.session.acknowledge(1)
    driver.session.acknowledge_many([2])

    assert driver.answers() == []
