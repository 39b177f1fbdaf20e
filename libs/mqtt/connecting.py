"""CONNECT and CONNACK of all three versions [MQTT 3.1, 3.2]."""

from collections.abc import Mapping
from typing import Any

from libs.mqtt import properties
from libs.mqtt.codes import PacketType, ProtocolVersion, ReasonCode
from libs.mqtt.errors import ProtocolError, forbidden, malformed
from libs.mqtt.events import ConnectReceived
from libs.mqtt.fields import Reader, binary, varint
from libs.mqtt.limits import Limits
from libs.mqtt.properties import NONE, read_properties
from libs.mqtt.topics import is_valid_name

NEVER_S = 0xFFFFFFFF
"""The session expiry that never comes [MQTT5 3.1.2.11.2]."""

_V3_1, _V3_1_1, _V5 = ProtocolVersion.MQTT_3_1, ProtocolVersion.MQTT_3_1_1, ProtocolVersion.MQTT_5
_BRIDGE = 0x80
_MAX_TIMER_S = 65_535
_LEVELS = {(b"MQIsdp", 3): _V3_1, (b"MQTT", 4): _V3_1_1, (b"MQTT", 5): _V5}

_RESERVED, _CLEAN, _WILL, _WILL_QOS, _WILL_RETAIN, _PASSWORD, _USERNAME = 1, 2, 4, 24, 32, 64, 128


class UnsupportedLevelError(Exception):
    """The protocol level is none of ours; ``answer`` is the CONNACK that says so."""

    def __init__(self, answer: bytes) -> None:
        super().__init__("the protocol level is not supported")
        self.answer = answer


def read_version(reader: Reader) -> ProtocolVersion:
    """Read protocol name and level.

    Raises:
        UnsupportedLevelError: It is MQTT of another level; a bridge sets bit 0x80 of its level.
        ProtocolError: It is not MQTT at all [MQTT-3.1.2-1].
    """
    name = reader.binary()
    level = reader.byte()
    version = _LEVELS.get((name, level))
    if version is not None:
        return version
    if name not in (b"MQTT", b"MQIsdp"):
        raise ProtocolError(ReasonCode.UNSUPPORTED_PROTOCOL_VERSION, "the protocol name is not MQTT")
    if _V5 < level < _BRIDGE:  # a client younger than v5 reads the answers of v5 [MQTT-3.1.2-2]
        raise UnsupportedLevelError(connack(_V5, ReasonCode.UNSUPPORTED_PROTOCOL_VERSION))
    raise UnsupportedLevelError(b"\x20\x02\x00\x01")


def read_connect(reader: Reader, version: ProtocolVersion) -> ConnectReceived:
    """Read what follows the level."""
    flags = reader.byte()
    _check_flags(flags, version)
    keep_alive = reader.short()
    found = read_properties(reader, PacketType.CONNECT) if version is _V5 else NONE
    if properties.AUTHENTICATION_METHOD in found or properties.AUTHENTICATION_DATA in found:
        raise ProtocolError(
            ReasonCode.BAD_AUTHENTICATION_METHOD, "the client asks for enhanced authentication"
        )
    client_id = reader.text()
    clean = bool(flags & _CLEAN)
    if not client_id and not clean and version is not _V5:  # [MQTT-3.1.3-8]
        raise ProtocolError(ReasonCode.CLIENT_IDENTIFIER_NOT_VALID, "no client id and no clean session")
    if flags & _WILL:
        _skip_will(reader, version)
    # Remaining length takes precedence over these flags in 3.1: what they announce may be missing.
    short = version is _V3_1 and not reader.left
    username = reader.text() if flags & _USERNAME and not short else None
    short = version is _V3_1 and not reader.left
    password = reader.binary() if flags & _PASSWORD and not short else None
    reader.finish()
    return ConnectReceived(
        version=version,
        client_id=client_id,
        clean_start=clean,
        keep_alive_s=keep_alive,
        session_expiry_s=_expiry(version, found, clean=clean),
        username=username,
        password=password,
        has_will=bool(flags & _WILL),
        receive_maximum=found.get(properties.RECEIVE_MAXIMUM, 65_535),
        maximum_packet_size=found.get(properties.MAXIMUM_PACKET_SIZE),
    )


def _check_flags(flags: int, version: ProtocolVersion) -> None:
    if flags & _RESERVED and version is not _V3_1:  # [MQTT-3.1.2-3]; 3.1 does not use the bit
        raise malformed("the reserved flag of CONNECT is set")
    if flags & _WILL_QOS == _WILL_QOS:  # [MQTT-3.1.2-14]
        raise malformed("the will's QoS is 3")
    if not flags & _WILL and flags & (_WILL_QOS | _WILL_RETAIN):  # [MQTT-3.1.2-13, MQTT-3.1.2-15]
        raise malformed("CONNECT describes a will it does not have")
    if flags & _PASSWORD and not flags & _USERNAME and version is not _V5:  # [MQTT-3.1.2-22]
        raise malformed("CONNECT has a password and no user name")


def _skip_will(reader: Reader, version: ProtocolVersion) -> None:
    """Read a will and forget it: none is ever published here."""
    found = read_properties(reader, properties.WILL) if version is _V5 else NONE
    if not is_valid_name(reader.text()):
        raise ProtocolError(ReasonCode.TOPIC_NAME_INVALID, "the will has no valid topic")
    if not is_valid_name(found.get(properties.RESPONSE_TOPIC, "x")):
        raise forbidden("a response topic is not valid")
    reader.binary()


def _expiry(version: ProtocolVersion, found: Mapping[int, Any], *, clean: bool) -> int:
    if version is _V5:
        return int(found.get(properties.SESSION_EXPIRY, 0))
    return 0 if clean else NEVER_S


def connack(version: ProtocolVersion, code: int, *, present: bool = False, inner: bytes = b"") -> bytes:
    """Make a CONNACK; ``code`` is a return code for 3.x and a reason code for v5."""
    body = bytes((present, code))
    if version is _V5:
        body += varint(len(inner)) + inner
    return b"\x20" + varint(len(body)) + body


def granted(
    connect: ConnectReceived,
    limits: Limits,
    *,
    expiry_s: int,
    client_id: str | None,
    keep_alive_s: int | None,
) -> bytes:
    """Make the properties of a CONNACK that accepts: our limits, and what is not as the client asked."""
    parts = []
    if expiry_s != connect.session_expiry_s:  # [MQTT5 3.2.2.3.2]
        parts.append(_integer(properties.SESSION_EXPIRY, expiry_s, 4))
    parts.append(_integer(properties.RECEIVE_MAXIMUM, limits.receive_maximum, 2))
    parts.append(_integer(properties.MAXIMUM_PACKET_SIZE, limits.maximum_packet_size, 4))
    if client_id:  # [MQTT-3.2.2-16]
        parts.append(bytes((properties.ASSIGNED_CLIENT_ID,)) + binary(client_id.encode()))
    if limits.topic_alias_maximum:
        parts.append(_integer(properties.TOPIC_ALIAS_MAXIMUM, limits.topic_alias_maximum, 2))
    if keep_alive_s is not None:  # [MQTT-3.2.2-21]
        parts.append(_integer(properties.SERVER_KEEP_ALIVE, min(keep_alive_s, _MAX_TIMER_S), 2))
    return b"".join(parts)


def _integer(identifier: int, value: int, size: int) -> bytes:
    return bytes((identifier,)) + value.to_bytes(size, "big")
