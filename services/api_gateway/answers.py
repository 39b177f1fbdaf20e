"""Replies and errors as HTTP: the one place that knows statuses, headers and error bodies."""

import re
import secrets
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import quote

import msgspec
from aiohttp import web

from libs.contracts.errors import GroveError, InternalError, TooManyRequestsError
from libs.contracts.messages import Reply
from libs.process.complaints import Complaint
from services.api_gateway.problems import MAX_TOLD, ErrorBody, InvalidRequestError
from services.api_gateway.routes import Location, Route
from services.api_gateway.routing import MethodNotAllowedError

JSON: Final = "application/json"
RETRY_AFTER_S: Final = 1
CORRELATION_ID: Final = "Correlation-ID"

_REALM = 'Bearer realm="olivegrove"'
_PLACEHOLDER = re.compile(r"\{(\w+)\}")


class RequestTimeoutError(GroveError):
    """The body did not arrive in time."""

    status_code = 408
    retried = True
    default_phrase = "Request Timeout"


# statusCode of the bus -> HTTP headers it adds. The status itself is the same on both sides.
_HEADERS: Mapping[int, Mapping[str, str]] = {
    401: {"WWW-Authenticate": _REALM},
    403: {"WWW-Authenticate": f'{_REALM}, error="insufficient_scope"'},
    408: {"Connection": "close"},
    503: {"Retry-After": str(RETRY_AFTER_S)},
}


def success(route: Route, reply: Reply, *, values: Mapping[str, str]) -> web.Response:
    """Answer what the owner answered.

    Args:
        route: The route that was called.
        reply: A reply below 400.
        values: Placeholders of the path, for the Location of what was created.
    """
    body = _body(route, reply)
    headers: dict[str, str] = {}
    e_tag = getattr(reply, "e_tag", "")
    if e_tag:
        headers |= {"ETag": e_tag, "Cache-Control": "private, no-cache"}
    if reply.status_code == HTTPStatus.NOT_MODIFIED:
        return web.Response(status=HTTPStatus.NOT_MODIFIED, headers=headers)
    if route.location is not None:
        headers["Location"] = _location(route.location, reply, values)
    if body is None:
        return web.Response(status=route.success, headers=headers)
    return web.Response(status=route.success, headers=headers, body=body, content_type=JSON)


def failure(error: GroveError) -> web.Response:
    """Answer an error; a 500 never says more than that."""
    phrase = InternalError.default_phrase if error.status_code == InternalError.status_code else str(error)
    details = list(error.problems[:MAX_TOLD]) if isinstance(error, InvalidRequestError) else None
    headers = dict(_HEADERS.get(error.status_code, {}))
    if isinstance(error, MethodNotAllowedError):
        headers["Allow"] = error.allowed
    if isinstance(error, TooManyRequestsError):
        headers["Retry-After"] = str(error.retry_after_s)
    return web.Response(
        status=error.status_code,
        headers=headers,
        body=msgspec.json.encode(ErrorBody(phrase, details)),
        content_type=JSON,
    )


def complain(_status: int, phrase: str) -> Complaint:
    """Spell what is answered where no HTTP request could be read, or no more are taken."""
    return Complaint(
        body=msgspec.json.encode(ErrorBody(phrase, None)),
        headers={CORRELATION_ID: secrets.token_hex(8)},
    )


def _body(route: Route, reply: Reply) -> bytes | None:
    if route.success == HTTPStatus.NO_CONTENT:
        return None
    if route.answer is not None:
        payload: bytes = getattr(reply, "payload", b"")
        return payload
    return msgspec.json.encode(getattr(reply, "body", None))


def _location(location: Location, reply: Reply, values: Mapping[str, str]) -> str:
    body: Mapping[str, Any] = msgspec.to_builtins(getattr(reply, "body", {}))
    known = {**values, **{name: str(body[field]) for name, field in location.takes.items()}}
    return _PLACEHOLDER.sub(lambda match: quote(known[match[1]], safe="~"), location.path)
