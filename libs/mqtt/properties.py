"""The properties of MQTT 5: which exist, where they may stand, and what their values may be [MQTT5 2.2.2].

A property that is unknown makes the packet malformed; one in the wrong packet, twice, or with a
value its clause forbids is a protocol error. User properties are read and forgotten.
"""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from libs.mqtt.codes import PacketType, ReasonCode
from libs.mqtt.errors import ProtocolError, forbidden, malformed
from libs.mqtt.fields import Reader

PAYLOAD_FORMAT: Final = 0x01
CORRELATION_DATA: Final = 0x09
RESPONSE_TOPIC: Final = 0x08
SUBSCRIPTION_IDENTIFIER: Final = 0x0B
SESSION_EXPIRY: Final = 0x11
ASSIGNED_CLIENT_ID: Final = 0x12
SERVER_KEEP_ALIVE: Final = 0x13
AUTHENTICATION_METHOD: Final = 0x15
AUTHENTICATION_DATA: Final = 0x16
RECEIVE_MAXIMUM: Final = 0x21
TOPIC_ALIAS_MAXIMUM: Final = 0x22
TOPIC_ALIAS: Final = 0x23
USER_PROPERTY: Final = 0x26
MAXIMUM_PACKET_SIZE: Final = 0x27

WILL: Final = 0
"""Stands for the will's properties, which are no packet of their own; type 0 is reserved."""

_MOST_PROPERTIES = 512  # a megabyte of user properties would stop everybody for half a second

NONE: Mapping[int, Any] = {}


class _Property(NamedTuple):
    """How a property is read, where it may stand from a client, and its largest and smallest value."""

    read: str
    places: frozenset[int]
    least: int = 0
    most: int | None = None


def _in(*places: int) -> frozenset[int]:
    return frozenset(places)


_CONNECT, _PUBLISH = PacketType.CONNECT, PacketType.PUBLISH
_ACKS = (PacketType.PUBACK, PacketType.PUBREC, PacketType.PUBREL, PacketType.PUBCOMP)
_MESSAGE = _in(_PUBLISH, WILL)
_FILTERS = (PacketType.SUBSCRIBE, PacketType.UNSUBSCRIBE)
_GOODBYE = PacketType.DISCONNECT
_NOWHERE = _in()  # only a server sends these: from a client they are a protocol error

_PROPERTIES: Final[Mapping[int, _Property]] = {
    PAYLOAD_FORMAT: _Property("byte", _MESSAGE, most=1),
    0x02: _Property("long", _MESSAGE),  # message expiry interval
    0x03: _Property("text", _MESSAGE),  # content type
    RESPONSE_TOPIC: _Property("text", _MESSAGE),
    CORRELATION_DATA: _Property("binary", _MESSAGE),
    # A client may not send it with PUBLISH [MQTT-3.3.4-6].
    SUBSCRIPTION_IDENTIFIER: _Property("varint", _in(PacketType.SUBSCRIBE), least=1),
    SESSION_EXPIRY: _Property("long", _in(_CONNECT, _GOODBYE)),
    ASSIGNED_CLIENT_ID: _Property("text", _NOWHERE),
    SERVER_KEEP_ALIVE: _Property("short", _NOWHERE),
    AUTHENTICATION_METHOD: _Property("text", _in(_CONNECT)),
    AUTHENTICATION_DATA: _Property("binary", _in(_CONNECT)),
    0x17: _Property("byte", _in(_CONNECT), most=1),  # request problem information
    0x18: _Property("long", _in(WILL)),  # will delay interval
    0x19: _Property("byte", _in(_CONNECT), most=1),  # request response information
    0x1A: _Property("text", _NOWHERE),  # response information
    0x1C: _Property("text", _NOWHERE),  # server reference
    0x1F: _Property("text", _in(*_ACKS, _GOODBYE)),  # reason string
    RECEIVE_MAXIMUM: _Property("short", _in(_CONNECT), least=1),
    TOPIC_ALIAS_MAXIMUM: _Property("short", _in(_CONNECT)),
    TOPIC_ALIAS: _Property("short", _in(_PUBLISH)),
    0x24: _Property("byte", _NOWHERE),  # maximum QoS
    0x25: _Property("byte", _NOWHERE),  # retain available
    USER_PROPERTY: _Property("text", _in(_CONNECT, _PUBLISH, WILL, *_ACKS, *_FILTERS, _GOODBYE)),
    MAXIMUM_PACKET_SIZE: _Property("long", _in(_CONNECT), least=1),
    0x28: _Property("byte", _NOWHERE),  # wildcard subscription available
    0x29: _Property("byte", _NOWHERE),  # subscription identifiers available
    0x2A: _Property("byte", _NOWHERE),  # shared subscription available
}


def read_properties(reader: Reader, place: int) -> Mapping[int, Any]:
    """Read the properties of a packet from its length on; the values by their identifiers."""
    size = reader.varint()
    if not size:
        return NONE
    if size > reader.left:
        raise malformed("properties are longer than their packet")
    inner = Reader(reader.data, reader.at, reader.at + size)
    reader.at += size
    found: dict[int, Any] = {}
    for _ in range(_MOST_PROPERTIES):
        if not inner.left:
            return found
        _read_property(inner, place, found)
    raise ProtocolError(ReasonCode.QUOTA_EXCEEDED, "a packet has too many properties")


def _read_property(reader: Reader, place: int, found: dict[int, Any]) -> None:
    identifier = reader.varint()
    known = _PROPERTIES.get(identifier)
    if known is None:
        raise malformed("a property has an unknown identifier")
    if place not in known.places:
        raise forbidden("a property stands in a packet it does not belong to")
    value = getattr(reader, known.read)()
    if identifier == USER_PROPERTY:  # a pair, and the only one a client may repeat [MQTT5 2.2.2.2]
        reader.text()
        return
    if identifier in found:
        raise forbidden("a property stands twice in a packet")
    if identifier == TOPIC_ALIAS and not value:  # [MQTT-3.3.2-8]
        raise ProtocolError(ReasonCode.TOPIC_ALIAS_INVALID, "a topic alias is 0")
    if isinstance(value, int) and (value < known.least or (known.most is not None and value > known.most)):
        raise forbidden("a property has a value it may not have")
    found[identifier] = value
