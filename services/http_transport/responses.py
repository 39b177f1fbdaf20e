"""Answers as bytes of HTTP: always JSON, never HTML, never a version of ours."""

from collections.abc import Mapping
from http import HTTPStatus

from aiohttp import web

from libs.bus.front_door import Answer, error_body

RETRY_AFTER_S = 1
"""What 503 suggests; queues and reconnects are over within a second or not soon."""

_ALWAYS = {"Server": "Olivegrove", "X-Content-Type-Options": "nosniff", "Cache-Control": "no-store"}
_JSON = {"Content-Type": "application/json"}
_RETRY = {"Retry-After": str(RETRY_AFTER_S)}


def render(answer: Answer, *, correlation_id: str, headers: Mapping[str, str] | None = None) -> web.Response:
    """Make the HTTP response of an answer."""
    body = answer.body
    response = web.Response(status=answer.status_code, body=body, headers=_ALWAYS)
    fields = response.headers
    fields["Correlation-ID"] = correlation_id
    if body:
        fields.update(_JSON)
    if answer.status_code == HTTPStatus.SERVICE_UNAVAILABLE:
        fields.update(_RETRY)
    if headers:
        fields.update(headers)
    return response


def last_words(status: HTTPStatus, reason_phrase: str) -> bytes:
    """Write a whole response by hand, where there is no request to answer; the connection ends."""
    body = error_body(status, reason_phrase)
    fields = {**_ALWAYS, **_JSON, "Content-Length": str(len(body)), "Connection": "close"}
    if status is HTTPStatus.SERVICE_UNAVAILABLE:
        fields |= _RETRY
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return f"HTTP/1.1 {status.value} {status.phrase}\r\n{head}\r\n".encode() + body
