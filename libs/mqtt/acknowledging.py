"""The messages of one connection that await acknowledgement, in order of arrival (delivery.md rule 13).

PUBACK and PUBREC leave in the order in which their messages came [MQTT-4.6.0-2, MQTT-4.6.0-3], so an
acknowledgement waits here until every earlier one was given or left out. Each message is a small bytes
object in a list: the two bytes of its packet id for QoS 1, a third one for QoS 2. The usual case, a
batch from the front of the line with no QoS 2 in it, is then a slice and a join.
"""

from collections.abc import Iterable

from libs.mqtt.codes import FIRST_ERROR, ReasonCode
from libs.mqtt.state import SessionState

_PUBACK = b"\x40\x02"
_PUBREC = 0x50
_EXACT = b"\x02"  # marks the entry of a QoS 2 message
_ID_BYTES = 2
_LEFT_OUT = b""


class AcknowledgementLine:
    """Who waits, who was acknowledged out of turn, and what a client may still send.

    Attributes:
        entries: One for each message in the line; :mod:`libs.mqtt.publishing` appends to it.
        first: The number of ``entries[0]``.
        open: Packet ids of QoS 2 messages without PUBREC, those left out as well: their DUPs are no messages.
        unreleased: Packet ids of QoS 2 messages of this connection that await PUBREL.
    """

    __slots__ = (
        "_answers",
        "_connection",
        "_left_in_line",
        "_passed",
        "entries",
        "first",
        "open",
        "state",
        "unreleased",
    )

    def __init__(self, state: SessionState) -> None:
        self.state = state
        self._connection = state.begin_connection()
        self.entries: list[bytes] = []
        self.first = 1
        self.open: dict[int, None] = {}
        self.unreleased: dict[int, None] = {}
        self._answers: dict[int, bytes] = {}  # by number: what is written when its turn comes
        self._left_in_line = 0
        self._passed = 0  # left out and behind us; the client still counts them

    @property
    def unacknowledged(self) -> int:
        """Messages whose acknowledgement is not written and was not left out."""
        return len(self.entries) - self._left_in_line

    @property
    def quota_used(self) -> int:
        """How much of its Receive Maximum a v5 client has used [MQTT5 4.9]."""
        return len(self.entries) + self._passed + len(self.unreleased)

    def add_exact(self, packet_id: int) -> int:
        """Put a QoS 2 message into the line; its number."""
        self.open[packet_id] = None
        self.entries.append(packet_id.to_bytes(2, "big") + _EXACT)
        return self.first + len(self.entries) - 1

    def acknowledge(self, number: int, reason: int, *, shows_reason: bool) -> bytes:
        """Give one message its answer; what may be written now."""
        index = number - self.first
        if not 0 <= index < len(self.entries) or number in self._answers:
            return b""
        entry = self.entries[index]
        failed = shows_reason and reason >= FIRST_ERROR
        exact = len(entry) > _ID_BYTES
        if exact and not failed:  # else it is finished, and no PUBREL follows [MQTT5 4.3.3]
            self._receive(int.from_bytes(entry[:2], "big"))
        kind = _PUBREC if exact else 0x40
        if shows_reason and reason != ReasonCode.SUCCESS:
            answer = bytes((kind, 3)) + entry[:2] + bytes((reason,))
        else:
            answer = bytes((kind, 2)) + entry[:2]
        self._answers[number] = answer
        return self._written() if not index else b""

    def acknowledge_many(self, numbers: Iterable[int]) -> bytes:
        """Give many messages a plain answer; what may be written now."""
        wanted = numbers if isinstance(numbers, range | list) else list(numbers)
        count = len(wanted)
        entries = self.entries
        if (
            count <= len(entries)
            and not self._answers
            and not self.open
            and wanted == _run(wanted, self.first, count)
        ):
            self.first += count
            if count == len(entries):
                answers = _PUBACK.join([b"", *entries])
                entries.clear()
            else:
                answers = _PUBACK.join([b"", *entries[:count]])
                del entries[:count]
            return answers
        return b"".join([self.acknowledge(number, 0, shows_reason=False) for number in wanted])

    def leave_out(self, number: int) -> bytes:
        """Let the line pass a message that is never acknowledged; what may be written now."""
        index = number - self.first
        if not 0 <= index < len(self.entries) or number in self._answers:
            return b""
        self._answers[number] = _LEFT_OUT
        self._left_in_line += 1
        return self._written() if not index else b""

    def _receive(self, packet_id: int) -> None:
        """Remember a QoS 2 message, even when its connection is lost by now and its DUP will come.

        Not once the next connection has the state: its client may have finished this id and used it
        again, and a message that only looks like a DUP would be lost.
        """
        if self.state.connection == self._connection:
            self.state.received[packet_id] = None

    def _written(self) -> bytes:
        """Take from the front of the line everyone who has an answer."""
        answers = self._answers
        number = self.first
        out = []
        while number in answers:
            answer = answers.pop(number)
            if not answer:
                self._left_in_line -= 1
                self._passed += 1
            elif answer[0] == _PUBREC:
                self._recorded(int.from_bytes(answer[2:4], "big"))
            out.append(answer)
            number += 1
        del self.entries[: number - self.first]
        self.first = number
        return b"".join(out)

    def _recorded(self, packet_id: int) -> None:
        """From its PUBREC on a QoS 2 message is waited for no more, but its PUBREL is, if it was taken."""
        self.open.pop(packet_id, None)
        if packet_id in self.state.received:
            self.unreleased[packet_id] = None


def _run(wanted: range | list[int], first: int, count: int) -> range | list[int]:
    """Give the numbers from ``first`` on in the type of ``wanted``: comparing equal types is quick."""
    run = range(first, first + count)
    return run if isinstance(wanted, range) else list(run)
