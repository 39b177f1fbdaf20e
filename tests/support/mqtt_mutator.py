"""Packets no client should send, from ones it may: a seeded mutator, and the judge of what comes of them.

A *case* is a version and a stream of packets, some of them mutated; the same seed makes the same
cases. :func:`judge` feeds a case in random pieces, acknowledges at random as a service would, and
holds what must be true whatever came: nothing is raised, memory is bounded, acknowledgements leave in
order and once, and a session that closes stays closed.
"""

import random
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from libs.mqtt import ConnectReceived, Event, Limits, PublishReceived, ReasonCode, Session
from tests.support import mqtt_packets as packets
from tests.support.mqtt_packets import V3_1, V3_1_1, V5, VERSIONS, Connect

PACKETS_PER_CASE = 10
LIMITS = Limits(maximum_packet_size=4096, receive_maximum=8, max_subscriptions=20, outgoing_inflight=4)
# A piece of 4 KiB is parsed in 2 ms; a hundred times that on a machine that is busy is still a failure.
_SLOWEST_S = 2.0

_PROPERTIES: tuple[packets.Property, ...] = (
    (0x01, b"\x01"),
    (0x02, packets.long(60)),
    (0x03, packets.text("type")),
    (0x08, packets.text("answer/here")),
    (0x09, packets.binary(b"correlation")),
    (0x0B, b"\x05"),
    (0x11, packets.long(100)),
    (0x12, packets.text("id")),
    (0x13, packets.short(3)),
    (0x15, packets.text("method")),
    (0x16, packets.binary(b"data")),
    (0x17, b"\x01"),
    (0x18, packets.long(1)),
    (0x19, b"\x00"),
    (0x1F, packets.text("why")),
    (0x21, packets.short(2)),
    (0x22, packets.short(2)),
    (0x23, packets.short(3)),
    (0x24, b"\x01"),
    (0x26, packets.text("key") + packets.text("value")),
    (0x27, packets.long(300)),
    (0x2A, b"\x01"),
    (0x7F, b""),
)


def corpus(version: int) -> list[bytes]:
    """Make at least one valid packet of every type a client sends in this version."""
    v5 = version == V5
    publish, subscribe = packets.publish, packets.subscribe
    made = [
        publish("a/b", b"zero", version=version),
        publish("a/b", b"one", version=version, qos=1, packet_id=1),
        publish("a/b", b"one" * 100, version=version, qos=1, packet_id=2),
        publish("a/b", b"two", version=version, qos=2, packet_id=3),
        publish("a/b", b"two", version=version, qos=2, packet_id=3, flags=8),
        publish("c", b"", version=version, qos=1, packet_id=4, flags=1),
        publish("a/b", b"again", version=version, qos=1, packet_id=1, flags=8),
        publish("a/b", b"kept", version=version, flags=1),
        packets.ack(4, 1),
        packets.ack(6, 3),
        packets.ack(6, 9),
        subscribe([("a/#", 1)], version=version),
        subscribe([("a/+", 2), ("$SYS/#", 0), ("bad#", 1)], version=version, packet_id=7),
        packets.unsubscribe(["a/#", "x"], version=version),
        packets.PINGREQ,
        packets.disconnect(),
        Connect(version=version).encode(),
    ]
    if v5:
        made += [
            publish("a", b"x", version=V5, qos=1, packet_id=5, values=_PROPERTIES[:5]),
            publish("a", b"x", version=V5, values=[(0x23, packets.short(3))]),
            publish("", b"x", version=V5, qos=1, packet_id=6, values=[(0x23, packets.short(3))]),
            packets.ack(4, 1, reason=0x10, values=[(0x1F, packets.text("why"))]),
            packets.ack(6, 3, reason=0x92),
            subscribe([("$share/g/a", 1)], version=V5, values=[(0x0B, b"\x81\x01")]),
            packets.disconnect(reason=4, values=[(0x11, packets.long(9))]),
            packets.packet(0xF0, b"\x18\x00"),
        ]
    return made


def connects(version: int) -> list[bytes]:
    """Make valid CONNECT packets with all that may stand in one."""
    bare = Connect(version=version, keep_alive_s=5)
    full = Connect(version=version, clean=False, username="u", password=b"p", will=("w/t", b"bye"))
    if version != V5:
        return [bare.encode(), full.encode()]
    values = [(0x11, packets.long(60)), (0x21, packets.short(2)), (0x27, packets.long(500)), _PROPERTIES[19]]
    rich = Connect(version=V5, properties=values, will=("w", b""), will_properties=[(0x18, packets.long(1))])
    return [bare.encode(), full.encode(), rich.encode()]


CORPUS = {version: corpus(version) for version in VERSIONS}
CONNECTS = {version: connects(version) for version in VERSIONS}


def mutate(data: bytes, rng: random.Random, version: int) -> bytes:
    """Break a packet in one way."""
    return rng.choice(_MUTATIONS)(bytearray(data), rng, version)


def _flip(data: bytearray, rng: random.Random, _: int) -> bytes:
    for _count in range(rng.choice((1, 1, 1, 2, 8))):
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    return bytes(data)


def _replace(data: bytearray, rng: random.Random, _: int) -> bytes:
    data[rng.randrange(len(data))] = rng.choice((0, 1, 2, 0x23, 0x2B, 0x7F, 0x80, 0xED, 0xFF))
    return bytes(data)


def _truncate(data: bytearray, rng: random.Random, _: int) -> bytes:
    return bytes(data[: rng.randrange(len(data))])


def _truncate_whole(data: bytearray, rng: random.Random, _: int) -> bytes:
    """Cut the body and say so in the length: the fields inside run past the end."""
    body = data[2:] if data[1] < 128 else data[3:]
    return packets.packet(data[0], bytes(body[: rng.randrange(len(body) + 1)]))


def _duplicate(data: bytearray, rng: random.Random, _: int) -> bytes:
    at, stop = sorted((rng.randrange(len(data) + 1), rng.randrange(len(data) + 1)))
    return bytes(data[:stop] + data[at:])


def _splice(data: bytearray, rng: random.Random, version: int) -> bytes:
    other = rng.choice(CORPUS[rng.choice((version, version, V3_1, V3_1_1, V5))])
    return bytes(data[: rng.randrange(len(data) + 1)]) + other[rng.randrange(len(other)) :]


def _length(data: bytearray, rng: random.Random, _: int) -> bytes:
    """Write another length into a place where one may stand."""
    if rng.random() < 0.5 or len(data) < 5:
        wrong = rng.choice((0, 1, 127, 128, 4000, 5000, 268_435_455, rng.randrange(300)))
        return bytes(data[:1]) + packets.varint(wrong) + bytes(data[2:])
    at = rng.randrange(1, len(data) - 1)
    data[at : at + 2] = packets.short(rng.choice((0, 1, 0xFFFF, rng.randrange(300))))
    return bytes(data)


def _long_length(data: bytearray, rng: random.Random, _: int) -> bytes:
    """Write a remaining length in more bytes than it needs, or than there may be."""
    size = len(data) - 2
    padded = bytes(((size & 127) | 128, *([0x80] * rng.randrange(5)), 0))
    return bytes(data[:1]) + padded + bytes(data[2:])


def _property(data: bytearray, rng: random.Random, version: int) -> bytes:
    """Put properties into a packet, with a length that is right for once."""
    values = packets.properties(rng.choices(_PROPERTIES, k=rng.randrange(1, 4)))
    if data[0] >> 4 == 3 and version == V5:
        qos = rng.randrange(3)
        body = packets.text("a/b") + (packets.short(rng.randrange(9)) if qos else b"") + values + b"x"
        return packets.packet(0x30 | qos << 1, body)
    body = bytes(data[2:])
    at = rng.randrange(len(body) + 1)
    return packets.packet(data[0], body[:at] + values + body[at:])


def _insert(data: bytearray, rng: random.Random, _: int) -> bytes:
    at = rng.randrange(len(data) + 1)
    return bytes(data[:at]) + rng.randbytes(rng.randrange(1, 9)) + bytes(data[at:])


_MUTATIONS = (
    _flip,
    _replace,
    _truncate,
    _truncate_whole,
    _duplicate,
    _splice,
    _length,
    _long_length,
    _property,
    _insert,
)


@dataclass(frozen=True)
class Case:
    """What one client sends, and the chance that decides how it is cut and answered."""

    version: int
    connect: bytes
    sent: list[bytes]
    seed: int
    mutated: int = field(default=0, compare=False)


def cases(seed: int) -> Iterator[Case]:
    """Make cases for ever: mostly a good CONNECT, then packets of which every second is mutated."""
    rng = random.Random(seed)
    while True:
        version = rng.choice(VERSIONS)
        connect, sent = rng.choice(CONNECTS[version]), rng.choices(CORPUS[version], k=PACKETS_PER_CASE)
        mutated = 0
        if rng.random() < 0.2:
            connect, mutated = mutate(connect, rng, version), 1
        # How far a session gets decides what the rest meets: some cases have one bad packet, some only such.
        share = rng.choice((0.1, 0.5, 1.0))
        for index, data in enumerate(sent):
            if rng.random() < share:
                sent[index], mutated = mutate(data, rng, version), mutated + 1
        yield Case(version, connect, sent, rng.getrandbits(32), mutated)


class Judge:
    """Drives one session through a case and holds what must always be true."""

    def __init__(self, case: Case) -> None:
        self._rng = random.Random(case.seed)
        self._session = Session(LIMITS, now=0.0)
        self._now = 0.0
        self._told: list[PublishReceived] = []
        self._open: list[int] = []
        self._ids: list[tuple[int, int]] = []
        self._left_out: set[int] = set()

    @property
    def closed(self) -> bool:
        return self._session.closing

    def feed(self, case: Case) -> None:
        stream = case.connect + b"".join(case.sent)
        while stream:
            size = self._rng.choice((1, 2, 3, 7, 40, len(stream)))
            piece, stream = stream[:size], stream[size:]
            began = time.perf_counter()
            self._session.receive_data(piece, now=self._now)
            self._now += 0.01
            self._settle()
            assert time.perf_counter() - began < _SLOWEST_S, "a piece took too long"
        self._acknowledge_all()
        self._hold_order()

    def _settle(self) -> None:
        session = self._session
        for _ in range(1000):
            was_closing = session.closing
            events = session.events_received()
            assert not (was_closing and events), "a closed session told something"
            for event in events:
                self._take(event)
            self._collect()
            if not session.blocked:
                break
            self._acknowledge_all()
        else:
            raise AssertionError("a session stays blocked although all is acknowledged")
        assert session.unacknowledged <= LIMITS.receive_maximum
        # Whatever is not parsed belongs to one packet that is not whole yet, or waits for the owner.
        assert session.buffered_bytes <= LIMITS.maximum_packet_size
        assert not (session.closing and session.buffered_bytes)
        assert session.closing == (session.close_reason is not None)

    def _take(self, event: Event) -> None:
        session, rng = self._session, self._rng
        if isinstance(event, ConnectReceived):
            if rng.random() < 0.1:
                session.refuse(rng.choice((ReasonCode.NOT_AUTHORIZED, ReasonCode.SERVER_BUSY)))
            else:
                session.accept(state=None, assigned_client_id=None if event.client_id else "auto")
            self._settle()
        elif isinstance(event, PublishReceived):
            assert event.topic
            assert not set("+#\0") & set(event.topic)
            if event.qos:
                self._told.append(event)
                assert event.number == len(self._told)
                self._open.append(event.number)
            if rng.random() < 0.3:
                session.publish(event.topic + "/status", event.payload, qos=event.qos, delivery=event.number)
            if rng.random() < 0.3:
                self._acknowledge_some()

    def _acknowledge_some(self) -> None:
        rng = self._rng
        rng.shuffle(self._open)
        for _ in range(rng.randrange(len(self._open) + 1)):
            number = self._open.pop()
            if rng.random() < 0.1:
                self._session.leave_out(number)
                self._left_out.add(number)
            elif rng.random() < 0.2:
                self._session.acknowledge(number, ReasonCode.NOT_AUTHORIZED)
            else:
                self._session.acknowledge(number)
        self._collect()

    def _acknowledge_all(self) -> None:
        self._session.acknowledge_many(sorted(self._open))
        self._open.clear()
        self._collect()

    def _collect(self) -> None:
        for answer in packets.read_packets(self._session.data_to_send()):
            if answer.kind in (4, 5):
                self._ids.append((answer.kind, answer.packet_id))

    def _hold_order(self) -> None:
        """Each PUBACK answers a message, in order of arrival, and none twice; PUBREC also comes again."""
        pubacks = [packet_id for kind, packet_id in self._ids if kind == 4]
        due = sum(1 for event in self._told if event.qos == 1 and event.number not in self._left_out)
        assert len(pubacks) <= due, "a message was acknowledged twice"
        if not self._session.closing:
            assert len(pubacks) == due, "a message was not acknowledged"


def judge(case: Case) -> bool:
    """Run a case; whether the session closed. AssertionError, or anything raised, is a finding."""
    referee = Judge(case)
    referee.feed(case)
    return referee.closed
