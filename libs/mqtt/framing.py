"""Bytes that came and were not parsed yet, cut into packets by their fixed header [MQTT 2.2].

Data from the socket is parsed where it lies. Only the rest of a packet that has not come whole is copied,
once, when the whole is there: a packet that trickles in costs as much as one that does not.
"""

from typing import NamedTuple

from libs.mqtt.codes import ReasonCode
from libs.mqtt.errors import ProtocolError, malformed

_MORE = 0x80
_VALUE = 0x7F
_LENGTH_BYTES = 4


class Frame(NamedTuple):
    """Where a packet's body lies, and its first byte."""

    head: int
    start: int
    stop: int


_new = tuple.__new__  # what Frame(...) comes to, without the detour


class InputBuffer:
    """What came from the network, from ``at`` on.

    Attributes:
        data: What can be parsed.
        at: Where the next packet begins.
    """

    __slots__ = ("_chunks", "_needed", "at", "data")

    def __init__(self) -> None:
        self.data = b""
        self.at = 0
        self._chunks: bytearray | None = None  # not a list: of small pieces, each would weigh 40 times itself
        self._needed = 0

    @property
    def size(self) -> int:
        """How much is not parsed yet."""
        return len(self.data) - self.at + (0 if self._chunks is None else len(self._chunks))

    def add(self, data: bytes) -> None:
        if self._chunks is None and self.at >= len(self.data):
            self.data = data
            self.at = 0
            return
        if self._chunks is None:
            self._chunks = bytearray()
        self._chunks += data

    def gather(self) -> None:
        """Put together what came in pieces, unless the packet it belongs to is still not whole."""
        if self._chunks is not None and self.size >= self._needed:
            self.data = b"".join([self.data[self.at :], self._chunks])
            self.at = 0
            self._chunks = None

    def frame(self, *, largest: int, minimal: bool) -> Frame | None:
        """Find the next packet; None when it is not whole yet.

        Args:
            largest: A longer packet is refused before its body comes [MQTT-3.2.2-15].
            minimal: Whether a length in more bytes than it needs is malformed [MQTT-1.5.5-1].
        """
        data, at = self.data, self.at
        if len(data) - at > 1 and data[at + 1] < _MORE:  # nearly all of them
            return self._whole(data[at], at + 2, data[at + 1], largest)
        size = 0
        for index in range(1, min(len(data) - at, 1 + _LENGTH_BYTES)):
            byte = data[at + index]
            size |= (byte & _VALUE) << 7 * (index - 1)
            if byte < _MORE:
                if minimal and index > 1 and not byte:
                    raise malformed("a remaining length is longer than it needs to be")
                return self._whole(data[at], at + 1 + index, size, largest)
        if len(data) - at > _LENGTH_BYTES:
            raise malformed("a remaining length has more than four bytes")
        self._needed = len(data) - at + 1
        return None

    def _whole(self, head: int, start: int, size: int, largest: int) -> Frame | None:
        stop = start + size
        if stop > self.at + largest:
            raise ProtocolError(ReasonCode.PACKET_TOO_LARGE, "a packet is larger than the maximum")
        if stop > len(self.data):
            self._needed = stop - self.at
            return None
        return _new(Frame, (head, start, stop))

    def trim(self) -> None:
        """Let go of what was parsed, at a cost that is linear in all that comes."""
        if self.at > len(self.data) >> 1:
            self.data = self.data[self.at :]
            self.at = 0

    def clear(self) -> None:
        self.data = b""
        self.at = 0
        self._chunks = None
