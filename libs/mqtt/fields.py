"""The data types of the wire: integers, strings, binary data, variable length integers [MQTT5 1.5]."""

from libs.mqtt.errors import malformed

MAX_STRING_BYTES = 65_535
_MORE = 0x80
_VALUE = 0x7F
_VARINT_BITS = 28


class Reader:
    """Reads one packet, from ``at`` to ``end``, without copying it."""

    __slots__ = ("at", "data", "end")

    def __init__(self, data: bytes, at: int, end: int) -> None:
        self.data = data
        self.at = at
        self.end = end

    @property
    def left(self) -> int:
        return self.end - self.at

    def _take(self, size: int) -> int:
        at = self.at
        if at + size > self.end:
            raise malformed("a packet ends inside a field")
        self.at = at + size
        return at

    def byte(self) -> int:
        return self.data[self._take(1)]

    def short(self) -> int:
        at = self._take(2)
        return self.data[at] << 8 | self.data[at + 1]

    def long(self) -> int:
        at = self._take(4)
        return int.from_bytes(self.data[at : at + 4], "big")

    def binary(self) -> bytes:
        size = self.short()
        at = self._take(size)
        return self.data[at : at + size]

    def text(self) -> str:
        return decode_text(self.binary())

    def varint(self) -> int:
        """Read a variable byte integer, in as few bytes as it needs [MQTT-1.5.5-1]."""
        value = 0
        for shift in range(0, _VARINT_BITS, 7):
            byte = self.byte()
            value |= (byte & _VALUE) << shift
            if byte < _MORE:
                if not byte and shift:
                    raise malformed("a variable byte integer is longer than it needs to be")
                return value
        raise malformed("a variable byte integer has more than four bytes")

    def rest(self) -> bytes:
        at, self.at = self.at, self.end
        return self.data[at : self.end]

    def finish(self) -> None:
        """Hold that nothing follows the last field."""
        if self.at != self.end:
            raise malformed("a packet is longer than its fields")


def decode_text(data: bytes) -> str:
    """Decode a string: well-formed UTF-8 without surrogates [MQTT-1.5.4-1] and NUL [MQTT-1.5.4-2]."""
    try:
        text = data.decode()
    except UnicodeDecodeError:
        raise malformed("a string is not UTF-8") from None
    if "\0" in text:
        raise malformed("a string contains NUL")
    return text


def varint(value: int) -> bytes:
    """Encode a variable byte integer [MQTT5 1.5.5]."""
    if value <= _VALUE:
        return bytes((value,))
    out = bytearray()
    while value > _VALUE:
        out.append(value & _VALUE | _MORE)
        value >>= 7
    out.append(value)
    return bytes(out)


def binary(data: bytes) -> bytes:
    """Encode binary data, or a string's bytes, with their length in front."""
    return len(data).to_bytes(2, "big") + data
