"""SUBSCRIBE and UNSUBSCRIBE, their answers, and what they change [MQTT 3.8 - 3.11]."""

from libs.mqtt import properties
from libs.mqtt.codes import PacketType, ProtocolVersion, ReasonCode
from libs.mqtt.errors import ProtocolError, forbidden, malformed
from libs.mqtt.events import Subscribed, Unsubscribed
from libs.mqtt.fields import Reader, varint
from libs.mqtt.limits import Limits
from libs.mqtt.properties import NONE, read_properties
from libs.mqtt.state import SessionState
from libs.mqtt.subscriptions import Grant
from libs.mqtt.topics import is_valid_filter, is_valid_shared_filter

_V5 = ProtocolVersion.MQTT_5
_QOS, _NO_LOCAL, _HANDLING, _RESERVED = 0x03, 0x04, 0x30, 0xC0
_EXACTLY_ONCE = 2
_FAILURE = 0x80


def subscribe(
    reader: Reader, version: ProtocolVersion, state: SessionState, limits: Limits
) -> tuple[bytes, Subscribed]:
    """Grant what can be granted; SUBACK and what it granted."""
    packet_id = _packet_id(reader)
    found = read_properties(reader, PacketType.SUBSCRIBE) if version is _V5 else NONE
    identifier = found.get(properties.SUBSCRIPTION_IDENTIFIER, 0)
    wanted: list[tuple[str, int]] = []
    while reader.left:  # the whole packet first: a malformed one changes nothing
        _bound(len(wanted), limits)
        topic_filter = reader.text()
        wanted.append((topic_filter, _requested_qos(reader.byte(), topic_filter, version)))
    if not wanted:  # [MQTT-3.8.3-3]
        raise forbidden("SUBSCRIBE has no filter")
    answers = bytearray()
    granted = []
    for topic_filter, requested in wanted:
        grant = Grant(min(requested, 1), identifier)
        code = _add(topic_filter, grant, version, state, limits)
        answers.append(code)
        if code < _FAILURE:
            granted.append((topic_filter, code))
    return _answer(0x90, packet_id, version, bytes(answers)), Subscribed(tuple(granted))


def unsubscribe(
    reader: Reader, version: ProtocolVersion, state: SessionState, limits: Limits
) -> tuple[bytes, Unsubscribed]:
    """Remove filters; UNSUBACK and those that existed."""
    packet_id = _packet_id(reader)
    if version is _V5:
        read_properties(reader, PacketType.UNSUBSCRIBE)
    wanted: list[str] = []
    while reader.left:
        _bound(len(wanted), limits)
        wanted.append(reader.text())
    if not wanted:  # [MQTT-3.10.3-2]
        raise forbidden("UNSUBSCRIBE has no filter")
    removed = []
    answers = bytearray()
    for topic_filter in wanted:
        if state.subscriptions.remove(topic_filter):
            removed.append(topic_filter)
            answers.append(ReasonCode.SUCCESS)
        else:
            answers.append(ReasonCode.NO_SUBSCRIPTION_EXISTED)
    return _answer(0xB0, packet_id, version, bytes(answers) if version is _V5 else b""), Unsubscribed(
        tuple(removed)
    )


def _bound(count: int, limits: Limits) -> None:
    """Refuse a packet of more filters than a session may have: a million of them would stop everybody."""
    if count >= limits.max_subscriptions:
        raise ProtocolError(ReasonCode.QUOTA_EXCEEDED, "a packet has more filters than a session may have")


def _packet_id(reader: Reader) -> int:
    packet_id = reader.short()
    if not packet_id:  # [MQTT-2.3.1-1]
        raise forbidden("a packet identifier is 0")
    return packet_id


def _requested_qos(options: int, topic_filter: str, version: ProtocolVersion) -> int:
    qos = options & _QOS
    if qos > _EXACTLY_ONCE:  # [MQTT-3-8.3-4]
        raise malformed("SUBSCRIBE asks for QoS 3")
    if version is not _V5:
        if options > _EXACTLY_ONCE:  # [MQTT-3-8.3-4]: reserved bits
            raise malformed("a reserved bit of SUBSCRIBE is set")
        return qos
    if options & _RESERVED:  # [MQTT-3.8.3-5]
        raise malformed("a reserved bit of SUBSCRIBE is set")
    if options & _HANDLING == _HANDLING:
        raise forbidden("SUBSCRIBE asks for retain handling 3")
    if options & _NO_LOCAL and topic_filter.startswith("$share/"):  # [MQTT-3.8.3-4]
        raise forbidden("a shared subscription is not local")
    return qos


def _add(
    topic_filter: str, grant: Grant, version: ProtocolVersion, state: SessionState, limits: Limits
) -> int:
    valid = is_valid_shared_filter if version is _V5 else is_valid_filter
    if not valid(topic_filter):
        return ReasonCode.TOPIC_FILTER_INVALID if version is _V5 else _FAILURE
    added = state.subscriptions.add(
        topic_filter, grant, most=limits.max_subscriptions, most_bytes=limits.max_subscription_bytes
    )
    if added:
        return grant.qos
    return ReasonCode.QUOTA_EXCEEDED if version is _V5 else _FAILURE


def _answer(head: int, packet_id: int, version: ProtocolVersion, codes: bytes) -> bytes:
    body = packet_id.to_bytes(2, "big") + (b"\0" if version is _V5 else b"") + codes
    return bytes((head,)) + varint(len(body)) + body
