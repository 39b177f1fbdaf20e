"""A message of a stream as its handler meets it, and what may be said of it.

Where the message stands is in the subject to which it is acknowledged
(``$JS.ACK.<stream>.<consumer>.<delivered>.<sequence>.<consumer sequence>.<ns>.<pending>``; servers may put
a domain and an account in front of the stream).
"""

from dataclasses import dataclass

from nats.aio.msg import Msg

from libs.bus.jetstream import NS

ACK_PREFIX = "$JS.ACK."
IN_PROGRESS = b"+WPI"

_SHORT = 9
_MS_IN_NS = 1_000_000


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is said of a message: its name in metrics, and its bytes on the wire."""

    name: str
    body: bytes


ACK = Verdict("ack", b"+ACK")


def nak(*, delay_s: float) -> Verdict:
    """Say that it has to come again, not before ``delay_s``."""
    return Verdict("nak", b'-NAK {"delay": %d}' % int(delay_s * NS) if delay_s else b"-NAK")


@dataclass(slots=True, kw_only=True)
class Delivery:
    """One delivery of one message.

    A handler that returns has acknowledged what it was given, one that raises has refused it for now;
    the methods here say otherwise for one message.

    Attributes:
        subject: Where it was published.
        body: What was published.
        sequence: Its place in the stream.
        stream_created_ms: When that stream was created, Unix milliseconds: a stream that is made
            again starts its sequences anew.
        at_ms: When the server stored it, Unix milliseconds.
        delivered: How often it was delivered, this time included.
        consumer_sequence: The place of this delivery among all of its consumer.
        reply: Where it is acknowledged.
        verdict: What will be said of it; None = not decided.
    """

    subject: str
    body: bytes
    sequence: int
    stream_created_ms: int
    at_ms: int
    delivered: int
    consumer_sequence: int
    reply: str
    verdict: Verdict | None = None

    def ack(self) -> None:
        """It is done, even if the handler fails later."""
        self.verdict = ACK

    def nak(self, *, delay_s: float) -> None:
        """It has to come again, not before ``delay_s``."""
        self.verdict = nak(delay_s=delay_s)

    def term(self, reason: str) -> None:
        """It must never come again: nobody will be able to handle it."""
        self.verdict = Verdict("term", b"+TERM " + reason.encode())


def delivery_of(msg: Msg, *, stream_created_ms: int) -> Delivery:
    """Read where a message stands."""
    tokens = msg.reply.split(".")
    at = 4 if len(tokens) == _SHORT else 6
    delivered, sequence, consumer_sequence, at_ns = map(int, tokens[at : at + 4])
    return Delivery(
        subject=msg.subject,
        body=msg.data,
        sequence=sequence,
        stream_created_ms=stream_created_ms,
        at_ms=at_ns // _MS_IN_NS,
        delivered=delivered,
        consumer_sequence=consumer_sequence,
        reply=msg.reply,
    )
