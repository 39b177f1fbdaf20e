"""Any sequence of what client and owner may do, against a model; any cut of a stream gives the same answers.

The model knows a message by its payload and holds what the wire must show: acknowledgements in order
of arrival, each once, none for what was left out; QoS 2 told once however often it is sent; one copy of
what is published; and only the client's mistakes close a connection.
"""

import random
from itertools import islice, pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from libs.mqtt import Delivered, Event, Limits, PublishReceived, ReasonCode, Session, SessionState
from tests.support import mqtt_packets as packets
from tests.support.mqtt_mutator import LIMITS, cases
from tests.support.mqtt_packets import V5, Connect
from tests.support.mqtt_session import Driver

WINDOW = 4  # small enough that windows are full and exceeded all the time
SMALL = Limits(receive_maximum=WINDOW, outgoing_inflight=3, max_queued=4, maximum_packet_size=1000)
ILLEGAL = (
    b"\x00\x00",
    b"\x36\x05\0\x01a\0\x01",
    b"\x32\x05\0\x01#\0\x01",
    b"\xc0\x80\x80\x80\x80\x00",
    b"\x62\x02\0\0",
)


class Message:
    """A message as the model sees it: one told and not yet out of the line."""

    def __init__(self, packet_id: int, qos: int) -> None:
        self.packet_id = packet_id
        self.qos = qos
        self.fate: str | None = None  # acknowledged, failed, left


class Conversation(RuleBasedStateMachine):
    """A client that knows its packet ids, an owner that acknowledges in any order, and reconnects."""

    version = 0

    @initialize()
    def connect(self) -> None:
        self.state: SessionState | None = None
        self.unreleased: set[int] = set()
        self.payload = 0
        self._open_connection()

    def _open_connection(self) -> None:
        values = [(0x11, packets.long(100))]
        self.driver = Driver(SMALL)
        self.driver.send(Connect(version=self.version, clean=False, properties=values).encode())
        self.driver.session.accept(state=self.state)
        self.state = self.driver.session.state
        self.driver.answers()
        self.line: list[Message] = []
        self.numbered: list[Message] = []
        self.left_out: set[int] = set()
        self.counted: set[int] = set()  # QoS 2 of this connection without PUBREL: in the quota
        self.inflight: list[int] = []
        self.waiting = 0
        self.expected: list[tuple[int, int]] = []
        self.broken = False

    @property
    def usable(self) -> bool:
        return not self.broken

    def _quota(self) -> int:
        return len(self.line) + len(self.left_out) + len(self.counted)

    def _free_id(self) -> int:
        used = {message.packet_id for message in self.line} | self.left_out | self.unreleased
        return min(set(range(1, 60)) - used)

    def _check_output(self) -> None:
        written = []
        for answer in self.driver.answers():
            if answer.kind == 3:
                message = packets.read_publish(answer, version=self.version)
                if message.qos:
                    self.inflight.append(message.packet_id)
            elif answer.kind != 14:
                written.append((answer.kind, answer.packet_id if answer.kind != 13 else 0))
        assert written == self.expected
        self.expected = []

    def _flush(self) -> None:
        while self.line and self.line[0].fate:
            message = self.line.pop(0)
            if message.fate == "left":
                self.left_out.add(message.packet_id)
                continue
            self.expected.append((5 if message.qos == 2 else 4, message.packet_id))
            if message.qos == 2 and message.packet_id in self.unreleased:
                self.counted.add(message.packet_id)

    @precondition(lambda self: self.usable and self._quota() < WINDOW)
    @rule(qos=st.integers(0, 2), cut=st.integers(0, 8))
    def client_publishes(self, qos: int, cut: int) -> None:
        packet_id = self._free_id() if qos else 0
        self.payload += 1
        data = packets.publish(
            "t", b"%d" % self.payload, qos=qos, packet_id=packet_id or None, version=self.version
        )
        events = self.driver.send(data[:cut]) + self.driver.send(data[cut:])
        (event,) = events
        assert isinstance(event, PublishReceived)
        assert (event.payload, event.qos) == (b"%d" % self.payload, qos)
        if qos:
            message = Message(packet_id, qos)
            self.line.append(message)
            self.numbered.append(message)
            assert event.number == len(self.numbered)
        else:
            assert event.number == 0
        self._check_output()

    @precondition(lambda self: self.usable and self._quota() >= WINDOW and self.version == V5)
    @rule()
    def client_exceeds_receive_maximum(self) -> None:
        data = packets.publish("t", qos=1, packet_id=self._free_id(), version=V5)
        assert self.driver.send(data) == []
        self._closes()

    @precondition(lambda self: self.usable and self.unreleased)
    @rule(data=st.data())
    def client_sends_qos_2_again(self, data: st.DataObject) -> None:
        packet_id = data.draw(st.sampled_from(sorted(self.unreleased)))
        pending = any(m.packet_id == packet_id and m.qos == 2 for m in self.line)
        again = packets.publish("t", b"dup", qos=2, packet_id=packet_id, flags=8, version=self.version)
        assert self.driver.send(again) == []
        if not pending and not self.driver.is_blocked():
            self.expected.append((5, packet_id))
            self.counted.add(packet_id)
        self._check_output()

    @precondition(lambda self: self.usable)
    @rule(packet_id=st.integers(1, 12))
    def client_releases(self, packet_id: int) -> None:
        if any(message.packet_id == packet_id for message in self.line):
            return  # a client waits for its PUBREC
        assert self.driver.send(packets.ack(6, packet_id)) == []
        self.unreleased.discard(packet_id)
        self.counted.discard(packet_id)
        self.expected.append((7, packet_id))
        self._check_output()

    @precondition(lambda self: self.usable)
    @rule()
    def client_pings(self) -> None:
        assert self.driver.send(packets.PINGREQ) == []
        self.expected.append((13, 0))
        self._check_output()

    def _settle(self, index: int, fate: str) -> None:
        message = self.numbered[index]
        if message in self.line and message.fate is None:
            message.fate = fate
            if message.qos == 2 and (fate == "acknowledged" or (fate == "failed" and self.version != V5)):
                self.unreleased.add(message.packet_id)
        self._flush()
        self._check_output()

    @precondition(lambda self: self.usable and self.numbered)
    @rule(data=st.data())
    def owner_acknowledges(self, data: st.DataObject) -> None:
        index = data.draw(st.integers(0, len(self.numbered) - 1))
        self.driver.session.acknowledge(index + 1)
        self._settle(index, "acknowledged")

    @precondition(lambda self: self.usable and self.numbered)
    @rule(data=st.data())
    def owner_fails(self, data: st.DataObject) -> None:
        index = data.draw(st.integers(0, len(self.numbered) - 1))
        self.driver.session.acknowledge(index + 1, ReasonCode.NOT_AUTHORIZED)
        self._settle(index, "failed")

    @precondition(lambda self: self.usable and self.numbered)
    @rule(data=st.data())
    def owner_leaves_out(self, data: st.DataObject) -> None:
        index = data.draw(st.integers(0, len(self.numbered) - 1))
        self.driver.session.leave_out(index + 1)
        self._settle(index, "left")

    @precondition(lambda self: self.usable and self.numbered)
    @rule(data=st.data())
    def owner_acknowledges_many(self, data: st.DataObject) -> None:
        first = data.draw(st.integers(max(0, len(self.numbered) - WINDOW), len(self.numbered) - 1))
        numbers = list(range(first + 1, len(self.numbered) + 1))
        self.driver.session.acknowledge_many(numbers)
        for message in self.numbered[first:]:
            if message in self.line and message.fate is None:
                message.fate = "acknowledged"
                if message.qos == 2:
                    self.unreleased.add(message.packet_id)
        self._flush()
        self._check_output()

    @precondition(lambda self: self.usable)
    @rule(qos=st.integers(0, 2), keep=st.booleans())
    def owner_publishes(self, qos: int, *, keep: bool) -> None:
        room = qos == 0 or len(self.inflight) < 3 or self.waiting < 4
        taken = self.driver.session.publish("t/status", b"", qos=qos, delivery=1, owner="o", keep=keep)
        assert taken is room
        if taken and qos and len(self.inflight) >= 3:
            self.waiting += 1
        self._check_output()

    @precondition(lambda self: self.usable and self.inflight)
    @rule(data=st.data())
    def client_acknowledges(self, data: st.DataObject) -> None:
        packet_id = data.draw(st.sampled_from(self.inflight))
        self.inflight.remove(packet_id)
        events = self.driver.send(packets.ack(4, packet_id))
        assert events == [Delivered(1, 0)]
        self.waiting = max(0, self.waiting - 1)
        self._check_output()

    @precondition(lambda self: self.usable)
    @rule(data=st.sampled_from(ILLEGAL))
    def client_breaks_the_protocol(self, data: bytes) -> None:
        assert self.driver.send(data + packets.PINGREQ) == []
        self._closes()

    def _closes(self) -> None:
        assert self.driver.is_closing()
        kinds = self.driver.kinds()
        assert kinds == ([14] if self.version == V5 else [])
        self.broken = True

    @rule()
    def client_reconnects(self) -> None:
        if not self.broken:
            self.driver.send(packets.disconnect())
        # What was not acknowledged is unknown again; what was received is remembered.
        self.driver.answers()
        self._open_connection()

    @invariant()
    def it_is_bounded_and_open(self) -> None:
        if not hasattr(self, "driver"):
            return
        session = self.driver.session
        assert session.closing is self.broken
        assert session.buffered_bytes <= SMALL.maximum_packet_size
        if not self.broken:
            left = sum(message.fate == "left" for message in self.line)
            assert session.unacknowledged == len(self.line) - left


class Conversation31(Conversation):
    version = packets.V3_1


class Conversation311(Conversation):
    version = packets.V3_1_1


class Conversation5(Conversation):
    version = V5


# Two thousand conversations in `make test` as well: they take 20 s, more where coverage is measured.
@pytest.mark.timeout(300)
@pytest.mark.parametrize("machine", [Conversation31, Conversation311, Conversation5])
def test_any_sequence_of_client_and_owner_keeps_to_the_model(machine: type[Conversation]) -> None:
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=700, stateful_step_count=16, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )


def transcript(stream: bytes, cuts: list[int]) -> tuple[list[Event], bytes]:
    """Send a stream in these pieces, accepting and acknowledging at once; all events and all output."""
    session = Session(LIMITS, now=0.0)
    told: list[Event] = []
    out = b""
    edges = [0, *sorted(cuts), len(stream)]
    for start, stop in pairwise(edges):
        session.receive_data(stream[start:stop], now=0.0)
        while events := session.events_received():
            told += events
            session.accept(state=None)
    session.acknowledge_many(range(1, LIMITS.receive_maximum + 1))
    while events := session.events_received():
        told += events
    out += session.data_to_send()
    return told, out


@pytest.mark.parametrize("seed", range(4))
def test_any_cut_of_a_stream_gives_the_same_events_and_bytes(seed: int) -> None:
    rng = random.Random(seed)
    for case in islice(cases(seed + 77), 150):
        stream = case.connect + b"".join(case.sent)
        whole = transcript(stream, [])

        assert transcript(stream, list(range(1, len(stream)))) == whole
        for _ in range(3):
            assert transcript(stream, rng.choices(range(len(stream) + 1), k=rng.randrange(1, 9))) == whole


@given(st.binary(max_size=400))
def test_any_bytes_at_all_are_survived(data: bytes) -> None:
    for first in (b"", Connect().encode(), Connect(version=V5).encode()):
        told, _ = transcript(first + data, [])

        assert len(told) <= 200
