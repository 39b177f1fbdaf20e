"""The client's side of MQTT for tests: makes packets, wrong ones as well, and reads what a server answers.

Nothing of libs.mqtt is used, so that a mistake there is not made twice. Values are written as given:
whoever asks for QoS 3 gets QoS 3.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

V3_1, V3_1_1, V5 = 3, 4, 5
VERSIONS = (V3_1, V3_1_1, V5)

Maker = Callable[[int], bytes]
"""Makes a packet for a version."""

Property = tuple[int, bytes]
"""Identifier and encoded value; make values with :func:`short`, :func:`long`, :func:`text`."""


def varint(value: int) -> bytes:
    out = bytearray()
    while True:
        value, low = divmod(value, 128)
        out.append(low | (128 if value else 0))
        if not value:
            return bytes(out)


def short(value: int) -> bytes:
    return value.to_bytes(2, "big")


def long(value: int) -> bytes:
    return value.to_bytes(4, "big")


def binary(data: bytes) -> bytes:
    return short(len(data)) + data


def text(value: str | bytes) -> bytes:
    return binary(value.encode() if isinstance(value, str) else value)


def properties(values: Iterable[Property]) -> bytes:
    inner = b"".join(bytes((identifier,)) + value for identifier, value in values)
    return varint(len(inner)) + inner


def packet(head: int, body: bytes = b"") -> bytes:
    return bytes((head,)) + varint(len(body)) + body


@dataclass(frozen=True, kw_only=True)
class Connect:
    """A CONNECT; ``flags`` overrides what the other fields would set."""

    version: int = V3_1_1
    client_id: str | bytes = "device-1"
    clean: bool = True
    keep_alive_s: int = 0
    username: str | None = None
    password: bytes | None = None
    will: tuple[str, bytes] | None = None
    flags: int | None = None
    properties: Sequence[Property] = ()
    will_properties: Sequence[Property] = ()
    protocol: tuple[bytes, int] | None = None

    def encode(self) -> bytes:
        name, level = self.protocol or (b"MQIsdp" if self.version == V3_1 else b"MQTT", self.version)
        flags = (2 if self.clean else 0) | (4 if self.will else 0)
        flags |= (128 if self.username is not None else 0) | (64 if self.password is not None else 0)
        parts = [binary(name), bytes((level, flags if self.flags is None else self.flags))]
        parts.append(short(self.keep_alive_s))
        if self.version == V5:
            parts.append(properties(self.properties))
        parts.append(text(self.client_id))
        if self.will:
            if self.version == V5:
                parts.append(properties(self.will_properties))
            parts += (text(self.will[0]), binary(self.will[1]))
        if self.username is not None:
            parts.append(text(self.username))
        if self.password is not None:
            parts.append(binary(self.password))
        return packet(0x10, b"".join(parts))


def publish(
    topic: str | bytes,
    payload: bytes = b"",
    *,
    version: int = V3_1_1,
    qos: int = 0,
    packet_id: int | None = None,
    flags: int = 0,
    values: Sequence[Property] = (),
) -> bytes:
    """Make a PUBLISH; ``flags`` adds DUP (8) and RETAIN (1)."""
    body = text(topic)
    if qos:
        body += short(1 if packet_id is None else packet_id)
    if version == V5:
        body += properties(values)
    return packet(0x30 | qos << 1 | flags, body + payload)


def ack(kind: int, packet_id: int, *, reason: int | None = None, values: Sequence[Property] = ()) -> bytes:
    """Make PUBACK (4), PUBREC (5), PUBREL (6) or PUBCOMP (7); with a reason only for v5."""
    body = short(packet_id)
    if reason is not None:
        body += bytes((reason,))
        if values:
            body += properties(values)
    return packet(kind << 4 | (2 if kind == 6 else 0), body)


def subscribe(
    filters: Iterable[tuple[str | bytes, int]],
    *,
    version: int = V3_1_1,
    packet_id: int = 1,
    values: Sequence[Property] = (),
) -> bytes:
    body = short(packet_id) + (properties(values) if version == V5 else b"")
    return packet(0x82, body + b"".join(text(name) + bytes((options,)) for name, options in filters))


def unsubscribe(filters: Iterable[str], *, version: int = V3_1_1, packet_id: int = 1) -> bytes:
    body = short(packet_id) + (properties(()) if version == V5 else b"")
    return packet(0xA2, body + b"".join(text(name) for name in filters))


def disconnect(*, reason: int | None = None, values: Sequence[Property] = ()) -> bytes:
    if reason is None:
        return packet(0xE0)
    return packet(0xE0, bytes((reason,)) + (properties(values) if values else b""))


PINGREQ = packet(0xC0)


@dataclass(frozen=True)
class Received:
    """One packet of the server: its type, flags and body, and what most tests ask of it."""

    kind: int
    flags: int
    body: bytes
    raw: bytes = field(repr=False)

    @property
    def packet_id(self) -> int:
        """The id of an acknowledgement, SUBACK or UNSUBACK."""
        return int.from_bytes(self.body[:2], "big")

    @property
    def code(self) -> int:
        """The code of CONNACK, the reason of DISCONNECT or of a v5 acknowledgement; 0 where there is none."""
        index = {2: 1, 14: 0}.get(self.kind, 2)
        return self.body[index] if len(self.body) > index else 0


def _read_varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at


def read_packets(data: bytes) -> list[Received]:
    """Cut what the server sent into packets; it must be whole packets."""
    found = []
    at = 0
    while at < len(data):
        size, start = _read_varint(data, at + 1)
        stop = start + size
        assert stop <= len(data), "the server sent half a packet"
        found.append(Received(data[at] >> 4, data[at] & 15, data[start:stop], data[at:stop]))
        at = stop
    return found


@dataclass(frozen=True)
class Publish:
    """A PUBLISH of the server, read."""

    topic: str
    payload: bytes
    qos: int
    dup: bool
    retain: bool
    packet_id: int
    properties: bytes


def read_publish(received: Received, *, version: int = V3_1_1) -> Publish:
    body = received.body
    at = 2 + int.from_bytes(body[:2], "big")
    topic = body[2:at].decode()
    qos = received.flags >> 1 & 3
    packet_id = 0
    if qos:
        packet_id = int.from_bytes(body[at : at + 2], "big")
        at += 2
    inner = b""
    if version == V5:
        size, at = _read_varint(body, at)
        inner, at = body[at : at + size], at + size
    return Publish(
        topic, body[at:], qos, bool(received.flags & 8), bool(received.flags & 1), packet_id, inner
    )


def read_properties(data: bytes) -> dict[int, bytes]:
    """Read the server's properties (length first), each value as it was encoded, and no other kind twice."""
    size, at = _read_varint(data, 0)
    end = at + size
    found: dict[int, bytes] = {}
    while at < end:
        identifier, at = data[at], at + 1
        width = {0x11: 4, 0x27: 4, 0x13: 2, 0x21: 2, 0x22: 2}.get(identifier)
        if width is None:  # a string or binary data
            width = 2 + int.from_bytes(data[at : at + 2], "big")
        found[identifier], at = data[at : at + width], at + width
    return found


def batch(count: int, *, version: int = V3_1_1, qos: int = 1, first: int = 1) -> bytes:
    """Publish to ``t`` so often, with packet ids and payloads that count up."""
    return b"".join(
        publish("t", b"%d" % n, qos=qos, packet_id=n, version=version) for n in range(first, first + count)
    )
