"""Messages to the client: which QoS they get, what is kept for a next connection, what is sent again."""

from libs.mqtt.codes import ProtocolVersion
from libs.mqtt.events import ConnectReceived
from libs.mqtt.limits import Limits
from libs.mqtt.outgoing import Message, OutgoingWindow, encode_publish
from libs.mqtt.state import Kept, SessionState

_NO_LIMIT = 0xFFFFFFFF


class Sender:
    """Publishes to one connection."""

    __slots__ = ("_limits", "_maximum", "_receive_maximum", "_state", "_version", "_window")

    def __init__(self, state: SessionState, connect: ConnectReceived, limits: Limits) -> None:
        self._state = state
        self._limits = limits
        self._version: ProtocolVersion = connect.version
        self._maximum = connect.maximum_packet_size or _NO_LIMIT
        self._receive_maximum = connect.receive_maximum
        self._window: OutgoingWindow | None = None

    @property
    def maximum(self) -> int:
        """The largest packet the client takes [MQTT-3.1.2-24]."""
        return self._maximum

    @property
    def size_bytes(self) -> int:
        """What waits for the client's PUBACK, in flight or queued."""
        return self._window.size_bytes if self._window is not None else 0

    def publish(
        self, message: Message, *, qos: int, kept_for: str | None = None, delivery: object | None = None
    ) -> bytes | None:
        """Send or queue a message; what to write now, None when it was dropped."""
        grants = self._state.subscriptions.matching(message.topic)
        qos = min(qos, 1)
        if grants:  # never more than the client asked for [MQTT-3.8.4-8]
            qos = min(qos, max(grant.qos for grant in grants))
        identifiers = tuple(grant.identifier for grant in grants if grant.identifier)
        if qos and not self._outgoing().has_room(len(message.payload)):
            return None
        packet_id = self._outgoing().next_id(self._state.kept) if qos else 0
        packet = encode_publish(
            message, self._version, packet_id=packet_id, identifiers=identifiers, dup=False
        )
        if packet is None or len(packet) > self._maximum:
            return None
        if not qos:
            return packet
        window = self._outgoing()
        if not window.has_room(len(packet)):
            return None
        if kept_for is not None:
            self._state.keep(packet_id, Kept(kept_for, message), self._limits)
        return self._sent(packet_id, window.add(packet_id, packet, delivery))

    def granted(self, topic: str, qos: int) -> int:
        """Lower a QoS to 1, and to what the filters that match were granted [MQTT-3.8.4-8]."""
        grants = self._state.subscriptions.matching(topic)
        return min(qos, 1, max(grant.qos for grant in grants)) if grants else min(qos, 1)

    def show_owner(self, owner: str) -> bytes:
        """Send again, under the same ids, what was kept for this owner [MQTT-4.4.0-1]."""
        mine = [(packet_id, kept) for packet_id, kept in self._state.kept.items() if kept.owner == owner]
        if not mine:
            return b""
        window = self._outgoing()
        out = []
        for packet_id, kept in mine:
            if window.uses(packet_id):
                continue
            grants = self._state.subscriptions.matching(kept.message.topic)
            packet = encode_publish(
                kept.message,
                self._version,
                packet_id=packet_id,
                identifiers=tuple(grant.identifier for grant in grants if grant.identifier),
                dup=kept.sent,
            )
            if packet is None or len(packet) > self._maximum or not window.has_room(len(packet)):
                self._state.forget(packet_id)
            else:
                out.append(self._sent(packet_id, window.add(packet_id, packet, None)))
        return b"".join(out)

    def acknowledged(self, packet_id: int) -> tuple[object, bytes]:
        """Take a PUBACK: the delivery it ends, if any, and what to write now; unknown ids mean nothing."""
        done = self._window.acknowledged(packet_id) if self._window is not None else None
        if done is None:
            return None, b""
        self._state.forget(packet_id)
        delivery, following = done
        return delivery, b"".join([self._sent(following_id, packet) for following_id, packet in following])

    def _outgoing(self) -> OutgoingWindow:
        if self._window is None:
            limits = self._limits
            window = min(self._receive_maximum, limits.outgoing_inflight)  # [MQTT-3.3.4-7]
            self._window = OutgoingWindow(window, limits.max_queued, limits.max_queued_bytes)
        return self._window

    def _sent(self, packet_id: int, packet: bytes) -> bytes:
        if packet:
            self._state.mark_sent(packet_id)
        return packet
