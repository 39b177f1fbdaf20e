"""The base of every message on the bus.

MessagePack, fields by name in camelCase as in the Kaa RFCs; unknown fields are ignored and new
ones need a default, so services may be upgraded in any order. The bus fills the common fields
in when it sends: nobody else sets them.
"""

from typing import TypeVar

from msgspec import Struct


class Message(Struct, rename="camel", kw_only=True, frozen=True):
    """What every message carries.

    Attributes:
        correlation_id: Names one request in the log of every service it touches.
        timestamp: When it was sent, milliseconds since the Unix epoch.
        timeout: Milliseconds after ``timestamp`` at which it is worthless; 0 = never.
    """

    correlation_id: str = ""
    timestamp: int = 0
    timeout: int = 0


class Request(Message, frozen=True, kw_only=True):
    """A request between services."""


class ManagementRequest(Request, frozen=True, kw_only=True):
    """A request made for an operator.

    Attributes:
        applications: The only applications the caller's API key may touch; None = all. The
            owner of the data enforces it: what lies outside is a 403.
    """

    applications: tuple[str, ...] | None = None


class Reply(Message, frozen=True, kw_only=True):
    """An answer; below 400 it is a success.

    Attributes:
        status_code: One of :data:`libs.contracts.errors.STATUS_CODES`.
        reason_phrase: One sentence when it is an error.
    """

    status_code: int = 200
    reason_phrase: str | None = None


class Event(Message, frozen=True, kw_only=True):
    """Something that has happened, told to everyone.

    Attributes:
        originator_replica_id: Which process says so.
    """

    originator_replica_id: str = ""


MessageT = TypeVar("MessageT", bound=Message)
RequestT = TypeVar("RequestT", bound=Request)
ReplyT = TypeVar("ReplyT", bound=Reply)
EventT = TypeVar("EventT", bound=Event)
