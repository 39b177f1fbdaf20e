"""Answers as bytes of HTTP: always JSON, never HTML, never a version of ours."""

from collections.abc import Mapping
from http import HTTPStatus

from aiohttp import web

from libs.bus.codec import new_correlation_id
from libs.bus.front_door import Answer, error_body
from libs.process.complaints import Complaint
from services.http_transport import metrics

RETRY_AFTER_S = 1
"""What 503 suggests; queues and reconnects are over within a second or not soon."""
_TO_COME_BACK = frozenset({HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.TOO_MANY_REQUESTS})

_ALWAYS = {"Server": "Olivegrove", "X-Content-Type-Options": "nosniff", "Cache-Control": "no-store"}
_JSON = {"Content-Type": "application/json"}


def render(answer: Answer, *, correlation_id: str, headers: Mapping[str, str] | None = None) -> web.Response:
    """Make the HTTP response of an answer."""
    body = answer.body
    response = web.Response(status=answer.status_code, body=body, headers=_ALWAYS)
    fields = response.headers
    fields["Correlation-ID"] = correlation_id
    if body:
        fields.update(_JSON)
    if answer.status_code in _TO_COME_BACK:
        fields["Retry-After"] = str(answer.retry_after_s or RETRY_AFTER_S)
    if headers:
        fields.update(headers)
    return response


def complain(status: int, reason_phrase: str) -> Complaint:
    """Spell, and count, what is answered before or instead of :func:`render`: there is no request."""
    metrics.REQUESTS.labels(metrics.NO_EXTENSION, status).inc()
    return Complaint(body=error_body(status, reason_phrase), headers={"Correlation-ID": new_correlation_id()})
