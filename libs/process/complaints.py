"""What a listener says where no application can: to malformed HTTP, to too many clients, when code failed.

Each service spells its errors in its own way, so it brings a function from status and phrase to a
:class:`Complaint`; nothing of what the client sent is ever part of one.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Final

from aiohttp import web
from aiohttp.http_exceptions import LineTooLong

_ALWAYS: Final = {
    "Server": "Olivegrove",
    "Content-Type": "application/json",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}
_RETRY: Final = {"Retry-After": "1"}


@dataclass(frozen=True, kw_only=True)
class Complaint:
    """The parts of an answer that services spell differently.

    Attributes:
        body: JSON.
        headers: What is said besides type, length and caching.
    """

    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


Complain = Callable[[int, str], Complaint]


class MalformedError(Exception):
    """What arrived is no HTTP, in one phrase."""


def no_http(error: BaseException) -> MalformedError:
    """Name what the parser found, without what it quotes: all that it was given."""
    too_long = isinstance(error, LineTooLong)
    return MalformedError("request line or headers too long" if too_long else "malformed HTTP")


def plain_complaint(_status: int, phrase: str) -> Complaint:
    """Spell an error for people and scripts: ``{"message": ...}``."""
    return Complaint(body=json.dumps({"message": phrase}).encode())


def as_response(status: int, complaint: Complaint) -> web.Response:
    """Answer a request with a complaint."""
    return web.Response(status=status, headers=_headers(status, complaint), body=complaint.body)


def as_bytes(status: HTTPStatus, complaint: Complaint) -> bytes:
    """Write a whole response by hand, where there is no request to answer; the connection ends."""
    fields = {
        **_headers(status, complaint),
        "Content-Length": str(len(complaint.body)),
        "Connection": "close",
    }
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return f"HTTP/1.1 {status.value} {status.phrase}\r\n{head}\r\n".encode() + complaint.body


def _headers(status: int, complaint: Complaint) -> dict[str, str]:
    retry = _RETRY if status == HTTPStatus.SERVICE_UNAVAILABLE else {}
    return {**_ALWAYS, **retry, **complaint.headers}
