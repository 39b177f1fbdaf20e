"""What one connection may take; the service overrides what its settings name."""

from dataclasses import dataclass

_LEAST_PACKET = 256
_MOST_MESSAGES = 65_535
_MOST_KEPT = 16_384


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Bounds of one connection. Frozen and shared by all of them.

    Attributes:
        maximum_packet_size: Largest packet in bytes, header included; told to v5 clients.
        connect_bytes: Largest CONNECT: nobody has shown yet who they are.
        early_bytes: What may follow CONNECT before it was accepted; from there on ``blocked``.
        receive_maximum: Messages whose acknowledgement is not written yet. A v5 client that exceeds
            it is closed [MQTT5-3.3.4-9]; for 3.x, which knows no such window, parsing waits.
        max_unreleased: QoS 2 messages whose PUBREL has not come; more close the connection.
        topic_alias_maximum: Told to v5 clients; 0 turns aliases off.
        connect_s: From the first byte possible to a whole CONNECT.
        max_session_expiry_s: Longer expiries are cut to this, and v5 clients are told.
        outgoing_inflight: QoS 1 messages to the client without PUBACK; v5 clients may ask for fewer.
        max_queued: Messages that wait for that window; more are dropped.
        max_queued_bytes: Their size, what is in flight included.
        max_subscriptions: Filters of one session; more are refused in SUBACK.
        max_subscription_bytes: Their length in bytes.
        max_kept: Unacknowledged answers that a session carries over to its next connection.
        max_kept_bytes: Their size; the oldest make way.
    """

    maximum_packet_size: int = 1_048_576
    connect_bytes: int = 65_536
    early_bytes: int = 262_144
    receive_maximum: int = 1000
    max_unreleased: int = 2048
    topic_alias_maximum: int = 16
    connect_s: float = 10.0
    max_session_expiry_s: int = 3600
    outgoing_inflight: int = 100
    max_queued: int = 1000
    max_queued_bytes: int = 1_048_576
    max_subscriptions: int = 1000
    max_subscription_bytes: int = 65_536
    max_kept: int = 100
    max_kept_bytes: int = 262_144

    def __post_init__(self) -> None:
        """Hold what the code builds on.

        Raises:
            ValueError: A limit makes no sense.
        """
        if self.maximum_packet_size < _LEAST_PACKET or not 0 < self.receive_maximum <= _MOST_MESSAGES:
            raise ValueError("maximum_packet_size is at least 256, receive_maximum 1 to 65535")
        if not 0 <= self.max_kept < _MOST_KEPT:
            raise ValueError("max_kept leaves no packet ids for anything else")
