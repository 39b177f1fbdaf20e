"""PUBLISH of the client: the hot path of the product, twice.

:meth:`PublishReader.run` has one loop over the buffer for each usual message (QoS 1 or 0, no
properties, below 16 KiB) and stops at the first that is anything else;
:meth:`PublishReader.read` takes any message and names what is wrong with it. The loops accept nothing that
``read`` would refuse, so they may be left out without changing a single event; a test holds that.
"""

from libs.mqtt import properties
from libs.mqtt.acknowledging import AcknowledgementLine
from libs.mqtt.codes import PacketType, ProtocolVersion, ReasonCode
from libs.mqtt.errors import ProtocolError, forbidden, malformed
from libs.mqtt.events import Event, PublishReceived
from libs.mqtt.fields import Reader, decode_text
from libs.mqtt.limits import Limits
from libs.mqtt.properties import NONE, read_properties
from libs.mqtt.topics import is_valid_name

_V5 = ProtocolVersion.MQTT_5
_RETAIN, _QOS_SHIFT, _QOS, _DUP = 0x01, 1, 0x03, 0x08
_KIND_AND_QOS = 0xF6
_USUAL, _USUAL_QOS_0 = 0x32, 0x30
_AT_LEAST_ONCE, _EXACTLY_ONCE = 1, 2
_SHORTEST = 7  # head, length, topic's length and one byte, packet id
_SHORTEST_QOS_0 = 5
_LONGEST_BYTE = 127

# A device has a handful of topics; one that has more pays for decoding and validating them again.
_CACHED_TOPICS = 32
_CACHED_TOPIC_BYTES = 256
_CACHED_BYTES = 600  # both forms of a topic and its place, about

# Sixteen aliases of the longest topics would be a megabyte for every connection.
_ALIASED_BYTES = 16_384

# Messages in the line for each one of the window: many may be left out behind one that is not.
_LINE_FACTOR = 4


class PublishReader:
    """Turns the PUBLISH packets of one connection into events and puts them into the line."""

    __slots__ = ("_aliased_bytes", "_aliases", "_limits", "_line", "_topics", "_version")

    def __init__(self, line: AcknowledgementLine, version: ProtocolVersion, limits: Limits) -> None:
        self._line = line
        self._version = version
        self._limits = limits
        self._topics: dict[bytes, str] = {}
        self._aliases: dict[int, str] = {}
        self._aliased_bytes = 0

    @property
    def size_bytes(self) -> int:
        """About what topics and aliases take in memory."""
        return len(self._topics) * _CACHED_BYTES + self._aliased_bytes

    @property
    def room(self) -> int:
        """How many more QoS 1 and 2 messages there may be now."""
        line = self._line
        window = self._limits.receive_maximum
        if self._version is _V5:
            return window - line.quota_used
        return min(window - line.unacknowledged, _LINE_FACTOR * window - len(line.entries))

    def run(self, data: bytes, at: int, end: int, events: list[Event]) -> int:
        """Take usual messages while they last and there is room; where the first other packet begins."""
        while at < end:
            began = at
            if data[at] & _KIND_AND_QOS == _USUAL:
                at = self._run(data, at, end, events)
            elif data[at] & ~_RETAIN == _USUAL_QOS_0:
                at = self._run_qos_0(data, at, end, events)
            if at == began:
                break
        return at

    def _run(  # noqa: C901 - one flat loop: a call for each message would cost a third of the speed
        self, data: bytes, at: int, end: int, events: list[Event]
    ) -> int:
        line = self._line
        topic_of = self._topics.get
        first = line.first + len(line.entries)
        enter, tell = line.entries.append, events.append
        new = tuple.__new__
        largest = self._limits.maximum_packet_size - _SHORTEST
        skip = 3 if self._version is _V5 else 2
        head = data[at]
        dup, retain = bool(head & _DUP), bool(head & _RETAIN)  # the same for all that this call takes
        for number in range(first, first + self.room):
            if at + _SHORTEST > end or data[at] != head:
                break
            start = at + 2
            size = data[at + 1]
            if size > _LONGEST_BYTE:
                high = data[start]
                start += 1
                size += (high << 7) - 128
                if not 0 < high <= _LONGEST_BYTE or size > largest:
                    break
            stop = start + size
            if stop > end:
                break
            after = start + 2 + (data[start] << 8 | data[start + 1])
            body = after + skip
            if body > stop:
                break
            topic = topic_of(data[start + 2 : after]) or self._new_topic(data[start + 2 : after])
            if topic is None:
                break
            packet_id = data[after : after + 2]
            if packet_id == b"\0\0" or (skip > 2 and data[after + 2]):  # noqa: PLR2004 - v5 has properties
                break
            tell(new(PublishReceived, (number, topic, data[body:stop], 1, dup, retain, None, None)))
            enter(packet_id)
            at = stop
        return at

    def _run_qos_0(self, data: bytes, at: int, end: int, events: list[Event]) -> int:
        """Do the same for QoS 0, which needs no number, no room and no line."""
        topic_of, tell, new = self._topics.get, events.append, tuple.__new__
        largest = self._limits.maximum_packet_size - _SHORTEST
        skip = 1 if self._version is _V5 else 0
        head = data[at]
        retain = bool(head & _RETAIN)
        while at + _SHORTEST_QOS_0 <= end and data[at] == head:
            start = at + 2
            size = data[at + 1]
            if size > _LONGEST_BYTE:
                high = data[start]
                start += 1
                size += (high << 7) - 128
                if not 0 < high <= _LONGEST_BYTE or size > largest:
                    break
            stop = start + size
            after = start + 2 + (data[start] << 8 | data[start + 1])
            body = after + skip
            if stop > end or body > stop or (skip and data[after]):
                break
            topic = topic_of(data[start + 2 : after]) or self._new_topic(data[start + 2 : after])
            if topic is None:
                break
            tell(new(PublishReceived, (0, topic, data[body:stop], 0, False, retain, None, None)))
            at = stop
        return at

    def read(self, flags: int, reader: Reader, events: list[Event]) -> bytes:
        """Take any message; what to write at once, which is the PUBREC of one that came before."""
        qos = flags >> _QOS_SHIFT & _QOS
        if qos > _EXACTLY_ONCE:  # [MQTT-3.3.1-4]
            raise malformed("PUBLISH has QoS 3")
        if flags & _DUP and not qos:  # [MQTT-3.3.1-2]
            raise malformed("PUBLISH has DUP and QoS 0")
        topic = self._topic(reader.binary())
        packet_id = reader.short() if qos else 0
        if qos and not packet_id:  # [MQTT-2.3.1-1]
            raise forbidden("a packet identifier is 0")
        found = read_properties(reader, PacketType.PUBLISH) if self._version is _V5 else NONE
        topic = self._resolve(topic, found.get(properties.TOPIC_ALIAS, 0))
        response_topic = found.get(properties.RESPONSE_TOPIC)
        if response_topic is not None and not is_valid_name(response_topic):  # [MQTT-3.3.2-14]
            raise forbidden("a response topic is not valid")
        if qos == _EXACTLY_ONCE and packet_id in self._line.open:
            return b""  # its PUBREC comes in its turn
        if qos == _EXACTLY_ONCE and packet_id in self._line.state.received:  # [MQTT-4.3.3-10]
            self._line.unreleased[packet_id] = None
            return b"\x50\x02" + packet_id.to_bytes(2, "big")
        event = PublishReceived(
            self._enter(qos, packet_id),
            topic,
            reader.rest(),
            qos,
            bool(flags & _DUP),
            bool(flags & _RETAIN),
            response_topic,
            found.get(properties.CORRELATION_DATA),
        )
        events.append(event)
        return b""

    def _new_topic(self, raw: bytes) -> str | None:
        """Take a topic name that is not remembered; None for one that :meth:`read` has to look at."""
        try:
            return self._topic(raw) or None
        except ProtocolError:
            return None

    def _topic(self, raw: bytes) -> str:
        """Decode and validate a topic name, mostly once; empty is left to the alias."""
        topic = self._topics.get(raw)
        if topic is None:
            topic = decode_text(raw)
            if topic and not is_valid_name(topic):  # [MQTT-3.3.2-2]
                raise ProtocolError(ReasonCode.TOPIC_NAME_INVALID, "PUBLISH has a wildcard in its topic")
            if topic and len(raw) <= _CACHED_TOPIC_BYTES:
                if len(self._topics) >= _CACHED_TOPICS:
                    self._topics.clear()
                self._topics[raw] = topic
        return topic

    def _resolve(self, topic: str, alias: int) -> str:
        """Set an alias, or look one up for an empty topic [MQTT5 3.3.2.3.4]."""
        if not alias:
            if not topic:  # [MQTT-4.7.3-1]
                raise forbidden("PUBLISH has neither a topic nor an alias")
            return topic
        if alias > self._limits.topic_alias_maximum:  # [MQTT-3.3.2-9]
            raise ProtocolError(ReasonCode.TOPIC_ALIAS_INVALID, "a topic alias is above the maximum")
        if topic:
            self._aliased_bytes += len(topic) - len(self._aliases.get(alias, ""))
            if self._aliased_bytes > _ALIASED_BYTES:
                raise ProtocolError(ReasonCode.QUOTA_EXCEEDED, "the topics of the aliases are too long")
            self._aliases[alias] = topic
            return topic
        known = self._aliases.get(alias)
        if known is None:
            raise forbidden("a topic alias was never set")
        return known

    def _enter(self, qos: int, packet_id: int) -> int:
        """Put a message into the line; its number."""
        if not qos:
            return 0
        line = self._line
        if self.room <= 0:  # only v5: the session stops before a message of 3.x that has no room
            raise ProtocolError(ReasonCode.RECEIVE_MAXIMUM_EXCEEDED, "more messages than Receive Maximum")
        if qos == _EXACTLY_ONCE:
            if len(line.state.received) + len(line.open) >= self._limits.max_unreleased:
                raise ProtocolError(ReasonCode.RECEIVE_MAXIMUM_EXCEEDED, "too many messages without PUBREL")
            return line.add_exact(packet_id)
        line.entries.append(packet_id.to_bytes(2, "big"))
        return line.first + len(line.entries) - 1
