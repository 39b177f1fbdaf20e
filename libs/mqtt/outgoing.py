"""What the server publishes to one client: QoS 0 at once, QoS 1 within the client's window [MQTT5 4.9].

Made when the first QoS 1 message is sent: most devices never get one.
"""

from collections import OrderedDict
from collections.abc import Container
from typing import NamedTuple

from libs.mqtt import properties
from libs.mqtt.codes import ProtocolVersion
from libs.mqtt.fields import MAX_STRING_BYTES, binary, varint

_LAST_ID = 65_535
_DUP = 0x08
_MAX_MESSAGES = 32_768  # whatever the limits say: there must be ids left


class Message(NamedTuple):
    """A message on its way out."""

    topic: str
    payload: bytes
    correlation_data: bytes | None = None


def encode_publish(
    message: Message, version: ProtocolVersion, *, packet_id: int, identifiers: tuple[int, ...], dup: bool
) -> bytes | None:
    """Make a PUBLISH, of QoS 1 if it has a packet id; None when the topic or data do not fit the wire."""
    topic = message.topic.encode()
    if len(topic) > MAX_STRING_BYTES or len(message.correlation_data or b"") > MAX_STRING_BYTES:
        return None
    parts = [binary(topic)]
    if packet_id:
        parts.append(packet_id.to_bytes(2, "big"))
    if version is ProtocolVersion.MQTT_5:
        inner = b"".join([bytes((properties.SUBSCRIPTION_IDENTIFIER,)) + varint(i) for i in identifiers])
        if message.correlation_data is not None:
            inner += bytes((properties.CORRELATION_DATA,)) + binary(message.correlation_data)
        parts += (varint(len(inner)), inner)
    parts.append(message.payload)
    body = b"".join(parts)
    head = 0x30 | (0x02 if packet_id else 0) | (_DUP if dup else 0)
    return bytes((head,)) + varint(len(body)) + body


class _InFlight(NamedTuple):
    size: int
    delivery: object


class _Queued(NamedTuple):
    packet: bytes
    delivery: object


class OutgoingWindow:
    """QoS 1 messages in flight to the client, and those that wait for their turn."""

    __slots__ = ("_inflight", "_last_id", "_max_bytes", "_max_queued", "_queue", "_window", "size_bytes")

    def __init__(self, window: int, max_queued: int, max_bytes: int) -> None:
        self._window = window
        self._max_queued = max_queued
        self._max_bytes = max_bytes
        self._inflight: dict[int, _InFlight] = {}
        self._queue: OrderedDict[int, _Queued] = OrderedDict()
        self._last_id = 0
        self.size_bytes = 0

    def has_room(self, size: int) -> bool:
        """Whether a message of this size can be sent or queued."""
        return (
            len(self._queue) < self._max_queued
            and self.size_bytes + size <= self._max_bytes
            and len(self._queue) + len(self._inflight) < _MAX_MESSAGES
        )

    def uses(self, packet_id: int) -> bool:
        return packet_id in self._inflight or packet_id in self._queue

    def next_id(self, taken: Container[int]) -> int:
        """Give a packet id that nothing uses [MQTT-2.3.1-2]; bounds keep some of them free."""
        packet_id = self._last_id
        while True:
            packet_id = packet_id % _LAST_ID + 1
            if packet_id not in taken and not self.uses(packet_id):
                self._last_id = packet_id
                return packet_id

    def add(self, packet_id: int, packet: bytes, delivery: object) -> bytes:
        """Send a message or queue it; what to write now."""
        self.size_bytes += len(packet)
        if len(self._inflight) >= self._window:
            self._queue[packet_id] = _Queued(packet, delivery)
            return b""
        self._inflight[packet_id] = _InFlight(len(packet), delivery)
        return packet

    def acknowledged(self, packet_id: int) -> tuple[object, list[tuple[int, bytes]]] | None:
        """Finish a message: its delivery and what is sent instead, by id; None if it was not in flight."""
        done = self._inflight.pop(packet_id, None)
        if done is None:
            return None
        self.size_bytes -= done.size
        sent = []
        while self._queue and len(self._inflight) < self._window:
            following_id, following = self._queue.popitem(last=False)
            self._inflight[following_id] = _InFlight(len(following.packet), following.delivery)
            sent.append((following_id, following.packet))
        return done.delivery, sent
