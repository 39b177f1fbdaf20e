"""The packets of a connection that was accepted: one handler a type, each giving the bytes that answer it."""

from collections.abc import Callable, Mapping

from libs.mqtt import properties
from libs.mqtt.acknowledging import AcknowledgementLine
from libs.mqtt.codes import PacketType, ProtocolVersion, ReasonCode
from libs.mqtt.errors import ProtocolError, forbidden, malformed
from libs.mqtt.events import ConnectReceived, Delivered, Disconnected, Event
from libs.mqtt.fields import Reader
from libs.mqtt.limits import Limits
from libs.mqtt.properties import NONE, read_properties
from libs.mqtt.publishing import PublishReader
from libs.mqtt.sending import Sender
from libs.mqtt.state import SessionState
from libs.mqtt.subscribing import subscribe, unsubscribe

_V3_1, _V5 = ProtocolVersion.MQTT_3_1, ProtocolVersion.MQTT_5
_QOS_BITS = 0x06
_DUP = 0x08
_ENTRY_BYTES = 45
_PINGRESP = b"\xd0\x00"

# What the low bits of the first byte must be [MQTT-2.2.2-2] by packet type; PUBLISH uses them, most are 0.
_FLAGGED = (PacketType.PUBREL, PacketType.SUBSCRIBE, PacketType.UNSUBSCRIBE)
_FLAGS = tuple(2 if kind in _FLAGGED else 0 for kind in range(16))
_PUBLISH = int(PacketType.PUBLISH)  # plain numbers: this is asked for every packet


class Exchange:
    """What both sides send each other from CONNACK on.

    Attributes:
        expiry_s: How long the session outlives the connection; DISCONNECT of v5 may change it.
    """

    __slots__ = ("_ends_here", "_limits", "_version", "expiry_s", "line", "publishes", "sender", "state")

    def __init__(
        self, state: SessionState, connect: ConnectReceived, limits: Limits, *, expiry_s: int
    ) -> None:
        self._version: ProtocolVersion = connect.version
        self._limits = limits
        self.state = state
        self.expiry_s = expiry_s
        self._ends_here = not connect.session_expiry_s
        self.line = AcknowledgementLine(state)
        self.publishes = PublishReader(self.line, connect.version, limits)
        self.sender = Sender(state, connect, limits)

    @property
    def size_bytes(self) -> int:
        """About what the line, the messages to the client and the state take in memory."""
        line = len(self.line.entries) * _ENTRY_BYTES
        return line + self.publishes.size_bytes + self.sender.size_bytes + self.state.size_bytes

    def must_wait(self, head: int) -> bool:
        """Whether a packet has to wait for acknowledgements: 3.x knows no window, so the socket is one."""
        return (
            head >> 4 == _PUBLISH
            and head & _QOS_BITS != 0
            and self._version is not _V5
            and self.publishes.room <= 0
        )

    def handle(self, head: int, reader: Reader, events: list[Event]) -> bytes:
        """Take one packet; the bytes that answer it."""
        kind, flags = head >> 4, head & 0x0F
        if kind == _PUBLISH:
            return self.publishes.read(flags, reader, events)
        handler = _HANDLERS.get(kind)
        if handler is None:
            return self._refuse(kind)
        if self._version is _V3_1 and _FLAGS[kind]:
            flags &= ~_DUP  # 3.1 sends these again with DUP
        if flags != _FLAGS[kind]:
            raise malformed("a packet has reserved bits set in its first byte")
        return handler(self, reader, events)

    def _refuse(self, kind: int) -> bytes:
        if kind == PacketType.AUTH and self._version is _V5:
            raise ProtocolError(ReasonCode.BAD_AUTHENTICATION_METHOD, "AUTH without enhanced authentication")
        if kind == PacketType.CONNECT:  # [MQTT-3.1.0-2]
            raise forbidden("a second CONNECT came")
        if kind in (0, PacketType.AUTH):
            raise malformed("a packet has a reserved type")
        raise forbidden("a packet came that only a server sends, or that answers nothing")

    def on_puback(self, reader: Reader, events: list[Event]) -> bytes:
        packet_id, reason = self._read_ack(reader, PacketType.PUBACK)
        delivery, following = self.sender.acknowledged(packet_id)
        if delivery is not None:
            events.append(Delivered(delivery, reason))
        return following

    def on_pubrel(self, reader: Reader, _: list[Event]) -> bytes:
        """Finish a QoS 2 message; an unknown id is answered as well [MQTT-4.3.3-2]."""
        packet_id, _reason = self._read_ack(reader, PacketType.PUBREL)
        self.line.unreleased.pop(packet_id, None)
        known = packet_id in self.state.received
        self.state.received.pop(packet_id, None)
        if known or self._version is not _V5:
            return b"\x70\x02" + packet_id.to_bytes(2, "big")
        return b"\x70\x03" + packet_id.to_bytes(2, "big") + bytes((ReasonCode.PACKET_IDENTIFIER_NOT_FOUND,))

    def _read_ack(self, reader: Reader, kind: PacketType) -> tuple[int, int]:
        packet_id = reader.short()
        if not packet_id:  # [MQTT-2.3.1-1]
            raise forbidden("a packet identifier is 0")
        reason = reader.byte() if self._version is _V5 and reader.left else 0
        if self._version is _V5 and reader.left:
            read_properties(reader, kind)
        reader.finish()
        return packet_id, reason

    def on_subscribe(self, reader: Reader, events: list[Event]) -> bytes:
        answer, event = subscribe(reader, self._version, self.state, self._limits)
        events.append(event)
        return self._fitting(answer)

    def on_unsubscribe(self, reader: Reader, events: list[Event]) -> bytes:
        answer, event = unsubscribe(reader, self._version, self.state, self._limits)
        events.append(event)
        return self._fitting(answer)

    def _fitting(self, answer: bytes) -> bytes:
        if len(answer) > self.sender.maximum:
            raise ProtocolError(
                ReasonCode.PACKET_TOO_LARGE, "the client takes no packet as large as its answer"
            )
        return answer

    def on_pingreq(self, reader: Reader, _: list[Event]) -> bytes:
        reader.finish()
        return _PINGRESP

    def on_disconnect(self, reader: Reader, events: list[Event]) -> bytes:
        reason = reader.byte() if self._version is _V5 and reader.left else 0
        found = (
            read_properties(reader, PacketType.DISCONNECT) if reader.left and self._version is _V5 else NONE
        )
        reader.finish()
        wanted = found.get(properties.SESSION_EXPIRY)
        if wanted is not None:
            if wanted and self._ends_here:  # [MQTT-3.14.2-2]
                raise forbidden("DISCONNECT revives a session that was to end")
            self.expiry_s = min(wanted, self._limits.max_session_expiry_s)
        events.append(Disconnected(reason, self.expiry_s))
        return b""


_HANDLERS: Mapping[int, Callable[[Exchange, Reader, list[Event]], bytes]] = {
    int(PacketType.PUBACK): Exchange.on_puback,
    int(PacketType.PUBREL): Exchange.on_pubrel,
    int(PacketType.SUBSCRIBE): Exchange.on_subscribe,
    int(PacketType.UNSUBSCRIBE): Exchange.on_unsubscribe,
    int(PacketType.PINGREQ): Exchange.on_pingreq,
    int(PacketType.DISCONNECT): Exchange.on_disconnect,
}
