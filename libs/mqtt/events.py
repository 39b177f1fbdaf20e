"""What a session tells its owner. Cheap to make: the hot path makes one a message."""

from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

from libs.mqtt.codes import ProtocolVersion, ReasonCode


class PublishReceived(NamedTuple):
    """A message of the client. A tuple, because nothing else is made as quickly.

    ``number`` counts the QoS 1 and 2 messages of this connection from 1; QoS 0 has number 0 and is
    never acknowledged. RETAIN is reported and means nothing here.
    """

    number: int
    topic: str
    payload: bytes
    qos: int
    dup: bool
    retain: bool
    response_topic: str | None = None
    correlation_data: bytes | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectReceived:
    """A valid CONNECT; answer with ``accept`` or ``refuse``. The will is already forgotten.

    ``session_expiry_s`` is 0 when the session ends with its connection; a 3.x session that does not
    is "never", as is 0xFFFFFFFF of v5. ``client_id`` is empty when the server chooses.
    """

    version: ProtocolVersion
    client_id: str
    clean_start: bool
    keep_alive_s: int
    session_expiry_s: int
    username: str | None = None
    password: bytes | None = None
    has_will: bool = False
    receive_maximum: int = 65_535
    maximum_packet_size: int | None = None

    def __repr__(self) -> str:
        """Show nothing the client sent: events end up in logs."""
        return f"ConnectReceived(version={self.version!r}, clean_start={self.clean_start})"


@dataclass(frozen=True, slots=True)
class Subscribed:
    """Filters granted, each with its QoS; SUBACK is already queued. Refused ones are not here."""

    filters: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class Unsubscribed:
    """Filters that existed and are gone; UNSUBACK is already queued."""

    filters: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Delivered:
    """The client acknowledged what was published with this ``delivery``; v5 may say that it failed."""

    delivery: object
    reason: int = ReasonCode.SUCCESS


@dataclass(frozen=True, slots=True)
class Disconnected:
    """The client said goodbye; ``session_expiry_s`` of the session is what it asked for last."""

    reason: int
    session_expiry_s: int


Event: TypeAlias = ConnectReceived | PublishReceived | Subscribed | Unsubscribed | Delivered | Disconnected
