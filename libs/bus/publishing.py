"""Publish events to JetStream until it says that they are stored (protocol/delivery.md rule 5).

Every attempt carries the identical body and id, so that JetStream recognises what it has already
stored, however often its acknowledgement was lost. nats-py's ``publish_async`` is not used:
its futures never completed after a server was killed.
"""

import asyncio
from dataclasses import dataclass

import msgspec
import structlog

from libs.bus import metrics
from libs.bus.codec import encode, stamped
from libs.bus.connection import Connection, NotSentError
from libs.bus.jetstream import ApiError
from libs.bus.requests import NobodyThereError, Requester, SilenceError, pauses_s
from libs.contracts.errors import InternalError, UnavailableError
from libs.contracts.messages import Event

ATTEMPT_S = 1.0
DEFAULT_DEADLINE_S = 15.0
"""An R3 leader change takes 4 to 6.5 s and must not surface."""

_MESSAGE_ID = "Nats-Msg-Id"
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Announced:
    """Where JetStream stored a message.

    Attributes:
        stream: Name of the stream.
        sequence: Its place there.
        duplicate: It had been stored by an earlier attempt, at this very place.
    """

    stream: str
    sequence: int
    duplicate: bool


class _PubAck(msgspec.Struct):
    stream: str = ""
    seq: int = 0
    duplicate: bool = False
    error: ApiError | None = None


class _RefusedForNowError(UnavailableError):
    """JetStream answered that it cannot store it now: full, or without a quorum."""

    default_phrase = "the event stream does not take messages now"


class _FullError(_RefusedForNowError):
    """JetStream answered that the stream, or the account, has no room."""

    default_phrase = "the stream is full"


_FULL = frozenset({10023, 10028, 10047, 10077})
"""Insufficient resources, of the account, or storage exceeded, and what a stream's own limit says."""

_decode_ack = msgspec.json.Decoder(_PubAck).decode


class Announcer:
    """Publishes with acknowledgement."""

    def __init__(self, connection: Connection, requester: Requester, *, replica: str) -> None:
        """Sign events with ``replica``."""
        self._connection = connection
        self._requester = requester
        self._replica = replica

    async def announce(
        self, subject: str, event: Event, *, msg_id: str, deadline_s: float = DEFAULT_DEADLINE_S
    ) -> Announced:
        """Store an event in the stream that captures ``subject``.

        Raises:
            UnavailableError: Not acknowledged in time; whether it was stored is unknown, and the
                same event with the same id may be announced again.
            PayloadTooLargeError: Larger than anything on the bus may be; nothing was sent.
            InternalError: JetStream refuses such a message for good.
        """
        kind = type(event).__name__
        body = encode(stamped(event, originator_replica_id=self._replica))
        try:
            announced = await self.store(subject, body, msg_id=msg_id, deadline_s=deadline_s)
        except UnavailableError:
            metrics.ANNOUNCED.labels(kind, "failed").inc()
            raise
        metrics.ANNOUNCED.labels(kind, "duplicate" if announced.duplicate else "stored").inc()
        return announced

    async def store(
        self, subject: str, body: bytes, *, msg_id: str, deadline_s: float, wait_when_full: bool = False
    ) -> Announced:
        """Store bytes in the stream that captures ``subject``.

        Args:
            subject: Where.
            body: What; the same for every attempt.
            msg_id: Names it, so that the stream keeps one of several copies.
            deadline_s: How long to try.
            wait_when_full: Do not count the time during which the stream says that it is full.

        Raises:
            UnavailableError: Not acknowledged in time; whether it was stored is unknown.
            InternalError: JetStream refuses such a message for good.
        """
        loop = asyncio.get_running_loop()
        headers = {_MESSAGE_ID: msg_id}
        deadline = loop.time() + deadline_s
        pauses = pauses_s()
        while True:
            try:
                await self._connection.usable(within_s=deadline - loop.time())
                return await self._attempt(subject, body, headers, min(ATTEMPT_S, deadline - loop.time()))
            except (NobodyThereError, NotSentError, _RefusedForNowError) as error:
                pause_s = next(pauses)
                if wait_when_full and isinstance(error, _FullError):
                    deadline = loop.time() + pause_s + deadline_s
                if loop.time() + pause_s >= deadline:
                    raise UnavailableError("the message could not be stored in time") from error
                await asyncio.sleep(pause_s)
            except (SilenceError, UnavailableError) as error:
                if loop.time() >= deadline:
                    raise UnavailableError("the message could not be stored in time") from error

    async def _attempt(
        self, subject: str, body: bytes, headers: dict[str, str], timeout_s: float
    ) -> Announced:
        msg = await self._requester.exchange(subject, body, headers=headers, timeout_s=timeout_s)
        try:
            ack = _decode_ack(msg.data)
        except msgspec.DecodeError as error:
            _log.error("bus_no_puback", subject=subject, answer=msg.data[:200])
            raise InternalError from error
        if ack.error is None:
            return Announced(ack.stream, ack.seq, ack.duplicate)
        if ack.error.err_code in _FULL:
            raise _FullError
        if ack.error.passes:
            raise _RefusedForNowError
        _log.error("bus_announce_refused", subject=subject, error=ack.error.description)
        raise InternalError
