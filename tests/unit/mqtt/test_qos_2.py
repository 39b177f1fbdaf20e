"""QoS 2 from the client, in four steps and over several connections [MQTT 3.5 - 3.7, 4.3.3]."""

from libs.mqtt import Limits, ReasonCode
from tests.support import mqtt_packets as packets
from tests.support.mqtt_packets import V3_1, V5, batch
from tests.support.mqtt_session import EACH, connected, publishes


@EACH
def test_qos_2_takes_its_four_steps(version: int) -> None:
    """[MQTT-4.3.3-2]."""
    driver = connected(version)

    driver.send(batch(1, version=version, qos=2))
    driver.session.acknowledge(1)
    assert driver.session.data_to_send() == b"\x50\x02\x00\x01"
    driver.send(packets.ack(6, 1))

    assert driver.session.data_to_send() == b"\x70\x02\x00\x01"
    assert publishes(driver.send(batch(1, version=version, qos=2)))[0].number == 2


@EACH
def test_a_qos_2_message_that_comes_again_is_no_second_message(version: int) -> None:
    """[MQTT-4.3.3-10]: PUBREC again, on a resumed session as well."""
    first = connected(version)
    again = packets.publish("t", b"1", qos=2, packet_id=1, flags=8, version=version)
    first.send(batch(1, version=version, qos=2))
    assert first.send(again) == []
    assert first.answers() == []  # its PUBREC comes when it is durable
    first.session.acknowledge(1)
    assert first.ids() == [1]
    assert first.send(again) == []
    assert first.ids() == [1]

    second = connected(version, state=first.session.state)
    assert second.send(again) == []
    assert second.session.data_to_send() == b"\x50\x02\x00\x01"
    second.send(packets.ack(6, 1))
    assert second.session.data_to_send() == b"\x70\x02\x00\x01"

    assert len(second.send(batch(1, version=version, qos=2))) == 1


def test_durable_after_its_connection_was_lost_is_still_received() -> None:
    """The DUP that follows on the next connection is answered, not told."""
    first = connected()
    first.send(batch(1, qos=2))
    first.session.disconnect(ReasonCode.SERVER_BUSY)
    first.session.acknowledge(1)

    second = connected(state=first.session.state)

    assert second.send(packets.publish("t", b"1", qos=2, flags=8)) == []
    assert second.ids() == [1]


def test_durable_after_the_next_connection_took_over_is_not_mistaken_for_its_message() -> None:
    first = connected()
    first.send(batch(1, qos=2))
    first.session.disconnect(ReasonCode.SESSION_TAKEN_OVER)
    second = connected(state=first.session.state)
    second.send(packets.publish("t", b"1", qos=2, flags=8))
    second.session.acknowledge(1)
    second.send(packets.ack(6, 1))
    first.session.acknowledge(1)

    events = second.send(packets.publish("t", b"another", qos=2))

    assert [event.payload for event in publishes(events)] == [b"another"]


def test_an_unknown_pubrel_is_answered() -> None:
    """[MQTT-4.3.3-2]; v5 says 0x92."""
    for version, answer in ((V3_1, b"\x70\x02\x00\x05"), (V5, b"\x70\x03\x00\x05\x92")):
        driver = connected(version)

        driver.send(packets.ack(6, 5))

        assert driver.session.data_to_send() == answer


def test_a_v5_qos_2_message_that_failed_is_finished() -> None:
    """[MQTT5 4.3.3]: no PUBREL follows, the id is free."""
    driver = connected(V5)
    driver.send(batch(1, version=V5, qos=2))
    driver.session.acknowledge(1, ReasonCode.QUOTA_EXCEEDED)
    assert driver.session.data_to_send() == b"\x50\x03\x00\x01\x97"

    assert len(driver.send(batch(1, version=V5, qos=2))) == 1


def test_3_1_repeats_pubrel_and_subscribe_with_dup() -> None:
    driver = connected(V3_1)

    driver.send(b"\x6a\x02\x00\x01", b"\x8a\x06\x00\x01\x00\x01a\x00")

    assert driver.kinds() == [7, 9]


def test_v5_acknowledgements_may_carry_a_reason_and_properties() -> None:
    driver = connected(V5)

    driver.send(packets.ack(6, 1, reason=0, values=[(0x1F, packets.text("why"))]))
    driver.send(
        packets.ack(4, 1, reason=0x10), packets.ack(4, 1, reason=0, values=[(0x26, packets.text("k") * 2)])
    )

    assert driver.kinds() == [7]
    assert not driver.session.closing


def test_qos_2_messages_without_pubrel_are_bounded() -> None:
    driver = connected(limits=Limits(max_unreleased=3))
    driver.send(batch(3, qos=2))
    driver.session.acknowledge_many([1, 2, 3])

    driver.send(batch(1, qos=2, first=4))

    assert driver.session.closing
