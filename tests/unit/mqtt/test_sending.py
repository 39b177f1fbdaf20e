"""What the server sends: one copy, the right QoS, within the client's window, kept for whoever owns it."""

import pytest

from libs.mqtt import Delivered, Limits, SessionState
from libs.mqtt.outgoing import OutgoingWindow
from libs.mqtt.state import Kept
from tests.support import mqtt_packets as packets
from tests.support.mqtt_packets import V3_1_1, V5, Connect, Publish
from tests.support.mqtt_session import EACH, Driver, connected

STAYS = Connect(clean=False)
STAYS_V5 = Connect(version=V5, properties=[(0x11, packets.long(60))])


def sent(driver: Driver, version: int = V3_1_1) -> list[Publish]:
    return [packets.read_publish(answer, version=version) for answer in driver.answers() if answer.kind == 3]


@pytest.mark.parametrize(("asked", "given"), [(0, 0), (1, 1), (2, 1)])
@EACH
def test_a_client_that_subscribed_to_nothing_gets_what_was_asked(
    version: int, asked: int, given: int
) -> None:
    driver = connected(version)

    assert driver.session.publish("a/status", b"{}", qos=asked)

    (message,) = sent(driver, version)
    assert (message.topic, message.payload, message.qos) == ("a/status", b"{}", given)
    assert (message.dup, message.retain) == (False, False)
    assert bool(message.packet_id) is bool(given)


@pytest.mark.parametrize(
    ("filters", "given"),
    [([("a/#", 0)], 0), ([("a/#", 0), ("a/+", 1)], 1), ([("b", 0)], 1), ([("a/#", 1), ("#", 1)], 1)],
)
@EACH
def test_a_matching_filter_lowers_the_qos_and_makes_no_second_copy(
    version: int, filters: list[tuple[str, int]], given: int
) -> None:
    """[MQTT-3.3.5-1], [MQTT-3.8.4-8]: the highest of those that match."""
    driver = connected(version)
    driver.send(packets.subscribe(filters, version=version))
    driver.answers()

    driver.session.publish("a/status", b"", qos=1)

    assert [message.qos for message in sent(driver, version)] == [given]


def test_v5_gets_the_identifiers_of_matching_filters_and_its_correlation_data() -> None:
    """[MQTT-3.3.4-3], [MQTT-3.3.4-4], [MQTT-3.3.4-5]."""
    driver = connected(V5)
    driver.send(packets.subscribe([("a/#", 0)], version=V5, values=[(0x0B, packets.varint(300))]))
    driver.send(packets.subscribe([("a/+", 0)], version=V5, values=[(0x0B, b"\x02")]))
    driver.send(packets.subscribe([("#", 0)], version=V5))
    driver.answers()

    driver.session.publish("a/b", b"p", qos=0, correlation_data=b"cd")

    (message,) = sent(driver, V5)
    assert message.properties == b"\x0b" + packets.varint(300) + b"\x0b\x02\x09\x00\x02cd"
    assert message.payload == b"p"


def test_a_puback_tells_what_was_delivered_once() -> None:
    """[MQTT-4.3.2-3]; an unknown id means nothing."""
    driver = connected()
    driver.session.publish("a", b"", qos=1, delivery="first")
    driver.session.publish("b", b"", qos=1)
    first, second = sent(driver)

    assert driver.send(packets.ack(4, 999)) == []
    assert driver.send(packets.ack(4, first.packet_id)) == [Delivered("first", 0)]
    assert driver.send(packets.ack(4, first.packet_id)) == []
    assert driver.send(packets.ack(4, second.packet_id)) == []
    assert not driver.session.closing


def test_a_v5_puback_may_say_that_it_failed() -> None:
    driver = connected(V5)
    driver.session.publish("a", b"", qos=1, delivery=7)
    (message,) = sent(driver, V5)

    assert driver.send(packets.ack(4, message.packet_id, reason=0x97)) == [Delivered(7, 0x97)]


def test_more_than_the_client_receives_at_once_waits_in_order() -> None:
    """[MQTT-3.3.4-7]."""
    connect = Connect(version=V5, properties=[(0x21, packets.short(2))])
    driver = connected(limits=Limits(max_queued=2), connect=connect)

    taken = [driver.session.publish(str(n), b"", qos=1) for n in range(5)]
    first = sent(driver, V5)
    driver.session.publish("qos 0 passes", b"", qos=0)
    passing = sent(driver, V5)
    driver.send(packets.ack(4, first[1].packet_id), packets.ack(4, first[0].packet_id))
    later = sent(driver, V5)

    assert taken == [True, True, True, True, False]
    assert [message.topic for message in first] == ["0", "1"]
    assert [message.topic for message in passing] == ["qos 0 passes"]
    assert [message.topic for message in later] == ["2", "3"]
    assert len({message.packet_id for message in first + later}) == 4


def test_what_waits_is_bounded_in_bytes() -> None:
    driver = connected(limits=Limits(max_queued_bytes=1000))

    taken = [driver.session.publish("a", b"x" * 400, qos=1) for _ in range(3)]

    assert taken == [True, True, False]
    assert 800 < driver.session.outgoing_bytes <= 1000
    driver.send(packets.ack(4, 1), packets.ack(4, 2))
    assert driver.session.outgoing_bytes == 0


def test_a_message_the_client_does_not_take_is_dropped() -> None:
    """[MQTT-3.1.2-24], [MQTT-3.1.2-25]; and what the wire cannot carry."""
    driver = connected(connect=Connect(version=V5, properties=[(0x27, packets.long(100))]))

    assert driver.session.publish("a", b"x" * 80, qos=1)
    assert not driver.session.publish("a", b"x" * 100, qos=1)
    assert not driver.session.publish("a", b"x" * 100, qos=0)
    assert not driver.session.publish("x" * 65_536, b"", qos=0)
    assert not driver.session.publish("a", b"", qos=0, correlation_data=b"x" * 65_536)

    assert len(sent(driver, V5)) == 1


def test_nothing_is_published_before_accept_or_after_the_end() -> None:
    driver = Driver()
    assert not driver.session.publish("a", b"", qos=0)
    driver.send(Connect().encode())
    assert not driver.session.publish("a", b"", qos=0)
    driver.session.accept(state=None)
    driver.send(packets.disconnect())

    assert not driver.session.publish("a", b"", qos=0)
    assert driver.session.outgoing_bytes == 0


def test_packet_ids_go_round_and_skip_those_in_use() -> None:
    """[MQTT-2.3.1-2], [MQTT-2.3.1-3]."""
    window = OutgoingWindow(2, 2, 1000)
    ids = []
    for _ in range(65_535):
        packet_id = window.next_id(())
        if packet_id == 5:
            window.add(packet_id, b"x", None)
        ids.append(packet_id)

    assert ids == list(range(1, 65_536))
    assert [window.next_id({2}) for _ in range(5)] == [1, 3, 4, 6, 7]


# --- kept answers (delivery.md rule 27) --------------------------------------------------------------


@pytest.mark.parametrize(("connect", "version"), [(STAYS, V3_1_1), (STAYS_V5, V5)], ids=["3.1.1", "5"])
def test_an_unacknowledged_answer_is_sent_again_to_whoever_shows_its_token(
    connect: Connect, version: int
) -> None:
    """[MQTT-4.4.0-1]: DUP and the same packet id."""
    first = connected(connect=connect)
    first.session.publish("a", b"1", qos=1, owner="token-a", keep=True)
    first.session.publish("b", b"2", qos=1, owner="token-b", keep=True, correlation_data=b"c")
    first.session.publish("c", b"3", qos=1, owner="token-a")
    before = sent(first, version)

    second = connected(state=first.session.state, connect=connect)
    assert sent(second, version) == []
    second.session.show_owner("token-b")
    (again,) = sent(second, version)
    second.session.show_owner("token-b")
    second.session.show_owner("token-c")
    assert sent(second, version) == []

    assert (again.topic, again.payload, again.dup) == ("b", b"2", True)
    assert again.packet_id == before[1].packet_id
    assert again.properties == before[1].properties
    second.send(packets.ack(4, again.packet_id))
    third = connected(state=second.session.state, connect=connect)
    third.session.show_owner("token-b")
    third.session.show_owner("token-a")
    assert [message.topic for message in sent(third, version)] == ["a"]


def test_two_boards_with_one_client_id_get_only_their_own_answers() -> None:
    board_a = connected(connect=STAYS)
    board_a.session.publish("a/status", b"secret", qos=1, owner="a", keep=True)

    board_b = connected(state=board_a.session.state, connect=STAYS)
    board_b.session.show_owner("b")

    assert board_b.answers() == []
    board_b.session.publish("b/status", b"", qos=1)
    assert sent(board_b)[0].packet_id != 1  # the kept answer still has that one


def test_nothing_is_kept_when_the_session_ends_with_its_connection() -> None:
    driver = connected()

    driver.session.publish("a", b"", qos=1, owner="a", keep=True)

    assert driver.session.state is not None
    assert driver.session.state.kept == {}


def test_an_answer_that_never_left_is_sent_without_dup() -> None:
    limits = Limits(outgoing_inflight=1)
    first = connected(limits=limits, connect=STAYS)
    first.session.publish("a", b"", qos=1, owner="o", keep=True)
    first.session.publish("b", b"", qos=1, owner="o", keep=True)

    second = connected(state=first.session.state, connect=STAYS)
    second.session.show_owner("o")

    assert [(message.topic, message.dup) for message in sent(second)] == [("a", True), ("b", False)]


def test_kept_answers_wait_for_the_window_of_the_next_connection() -> None:
    first = connected(connect=STAYS)
    for n in range(3):
        first.session.publish(str(n), b"", qos=1, owner="o", keep=True)

    second = connected(limits=Limits(outgoing_inflight=1), state=first.session.state, connect=STAYS)
    second.session.show_owner("o")
    order = []
    while messages := sent(second):
        order += [message.topic for message in messages]
        second.send(packets.ack(4, messages[-1].packet_id))

    assert order == ["0", "1", "2"]


def test_a_kept_answer_that_no_longer_fits_is_forgotten() -> None:
    state = SessionState()
    first = connected(state=state, connect=STAYS)
    first.session.publish("a", b"x" * 200, qos=1, owner="o", keep=True)
    small = Connect(version=V5, properties=[(0x27, packets.long(100)), (0x11, packets.long(60))])

    second = connected(state=state, connect=small)
    second.session.show_owner("o")

    assert sent(second, V5) == []
    assert state.kept == {}


def test_kept_answers_are_bounded_and_the_oldest_make_way() -> None:
    state = SessionState()
    limits = Limits(max_kept=3, max_kept_bytes=2000)
    driver = connected(limits=limits, state=state, connect=STAYS)
    for n in range(4):
        driver.session.publish(f"small-{n}", b"", qos=1, owner="o", keep=True)
    assert [kept.message.topic for kept in state.kept.values()] == ["small-1", "small-2", "small-3"]

    driver.session.publish("large", b"x" * 1200, qos=1, owner="o", keep=True)
    driver.session.publish("huge", b"x" * 3000, qos=1, owner="o", keep=True)

    assert [kept.message.topic for kept in state.kept.values()] == ["small-3", "large"]
    assert state.kept_dropped == 4
    assert isinstance(next(iter(state.kept.values())), Kept)
