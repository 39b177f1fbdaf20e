"""Messages to bytes and back, with the common fields and the size limit (protocol/bus.md)."""

import functools
import secrets
import time
from typing import TypeVar

import msgspec
import structlog

from libs.contracts.errors import BadRequestError, InternalError, PayloadTooLargeError, error_for
from libs.contracts.messages import MessageT, Reply, ReplyT

MAX_MESSAGE_BYTES = 768 * 1024
"""Nothing on the bus exceeds this: production NATS is run by others, with the 1 MiB default."""

CLOCK_SKEW_MS = 30_000
"""How far two hosts' clocks may be apart before a message is called expired (rule 28)."""

_FIRST_ERROR = 400
_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)

_encode = msgspec.msgpack.Encoder().encode
T = TypeVar("T")


@functools.cache
def decoder(kind: type[T]) -> msgspec.msgpack.Decoder[T]:
    """Give the decoder of a message type; making one costs more than using it."""
    return msgspec.msgpack.Decoder(kind)


def now_ms() -> int:
    """Milliseconds since the Unix epoch, for the time stamps of messages."""
    return time.time_ns() // 1_000_000


def new_correlation_id() -> str:
    """Draw an id for a request that has none yet."""
    return secrets.token_hex(8)


def stamped(message: MessageT, **fields: object) -> MessageT:
    """Copy a message with its common fields filled in.

    The correlation id is the one it has, else that of the request being worked on, else a new one.
    """
    bound = message.correlation_id or structlog.contextvars.get_contextvars().get("correlation_id")
    return msgspec.structs.replace(
        message, correlation_id=str(bound or new_correlation_id()), timestamp=now_ms(), **fields
    )


def encode(message: msgspec.Struct) -> bytes:
    """Turn a message into what crosses the bus.

    Raises:
        PayloadTooLargeError: It is larger than anything on the bus may be.
    """
    body = _encode(message)
    if len(body) > MAX_MESSAGE_BYTES:
        raise PayloadTooLargeError(f"a message of {len(body)} bytes exceeds {MAX_MESSAGE_BYTES} bytes")
    return body


def decode_request(body: bytes, decode: msgspec.msgpack.Decoder[MessageT]) -> MessageT:
    """Read a request.

    Raises:
        BadRequestError: It is malformed; the phrase says which field.
    """
    try:
        return decode.decode(body)
    except _UNREADABLE as error:
        raise BadRequestError(str(error)) from error


def decode_reply(body: bytes, kind: type[ReplyT]) -> ReplyT:
    """Read an answer: first how it went, because an error carries nothing else.

    Raises:
        GroveError: The error that was answered; InternalError when the answer is malformed.
    """
    try:
        outcome = decoder(Reply).decode(body)
        if outcome.status_code < _FIRST_ERROR:
            reply: ReplyT = decoder(kind).decode(body)
            return reply
    except _UNREADABLE as error:
        raise InternalError("an answer on the bus could not be read") from error
    raise error_for(outcome.status_code, outcome.reason_phrase)


def expired(timestamp: int, timeout: int) -> bool:
    """Whether a message is worthless by now, with room for clocks that differ."""
    return timeout > 0 and timestamp + timeout + CLOCK_SKEW_MS < now_ms()
