"""What outlives a connection: subscriptions, QoS 2 messages half way, and answers nobody acknowledged.

Bounded by the :class:`Limits` of the connections that fill it; :mod:`libs.mqtt.store` bounds how many
there are and for how long.
"""

from typing import NamedTuple

from libs.mqtt.limits import Limits
from libs.mqtt.outgoing import Message
from libs.mqtt.subscriptions import Subscriptions

_EMPTY_BYTES = 512  # measured: the object with its three empty containers, rounded up
_FILTER_BYTES = 300  # its entry, its grant and its shape
_ID_BYTES = 100
_KEPT_BYTES = 300


class Kept(NamedTuple):
    """An answer without PUBACK, as fields: the next connection may speak another version."""

    owner: str
    message: Message
    sent: bool = False

    @property
    def size_bytes(self) -> int:
        topic, payload, correlation_data = self.message
        return len(topic) + len(payload) + len(correlation_data or b"") + _KEPT_BYTES


class SessionState:
    """The part of a session that the next connection of the client finds again [MQTT 3.1.2.4]."""

    __slots__ = ("_kept_bytes", "connection", "kept", "kept_dropped", "received", "subscriptions")

    def __init__(self) -> None:
        self.subscriptions = Subscriptions()
        # Ids of QoS 2 messages that are durable and whose PUBREL has not come [MQTT-4.3.3-2]. A dict,
        # because an empty one is a quarter of an empty set, and most sessions never need it.
        self.received: dict[int, None] = {}
        self.kept: dict[int, Kept] = {}
        self.kept_dropped = 0
        self.connection = 0
        self._kept_bytes = 0

    def begin_connection(self) -> int:
        """Count the connections, so that what an earlier one still has under way changes nothing."""
        self.connection += 1
        return self.connection

    @property
    def size_bytes(self) -> int:
        """About what it takes in memory."""
        filters = self.subscriptions
        return (
            _EMPTY_BYTES
            + filters.size_bytes
            + len(filters) * _FILTER_BYTES
            + len(self.received) * _ID_BYTES
            + self._kept_bytes
        )

    def keep(self, packet_id: int, answer: Kept, limits: Limits) -> None:
        """Keep an answer until its PUBACK; the oldest make way, best effort as they are."""
        if answer.size_bytes > limits.max_kept_bytes:
            self.kept_dropped += 1
            return
        self.forget(packet_id)
        self.kept[packet_id] = answer
        self._kept_bytes += answer.size_bytes
        while len(self.kept) > limits.max_kept or self._kept_bytes > limits.max_kept_bytes:
            self.forget(next(iter(self.kept)))
            self.kept_dropped += 1

    def mark_sent(self, packet_id: int) -> None:
        """Remember that the client may have seen it: from now on it carries DUP [MQTT-3.3.1-1]."""
        answer = self.kept.get(packet_id)
        if answer is not None:
            self.kept[packet_id] = answer._replace(sent=True)

    def forget(self, packet_id: int) -> None:
        """Drop an answer that arrived, or that nobody waits for any more."""
        answer = self.kept.pop(packet_id, None)
        if answer is not None:
            self._kept_bytes -= answer.size_bytes
