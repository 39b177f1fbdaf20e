"""What every answer gets and every request leaves behind, whatever happens in between.

The outermost middleware: correlation id, security headers, errors as JSON, one log line and the
metrics of a request. What is inside says which route it was by :func:`name_route`.
"""

import time
from collections.abc import Callable
from typing import Final

import structlog
from aiohttp import hdrs, web
from aiohttp.typedefs import Handler, Middleware

from libs.contracts.errors import GroveError, InternalError, NotFoundError, UnavailableError
from libs.contracts.ids import sane_correlation_id
from services.api_gateway import metrics
from services.api_gateway.answers import CORRELATION_ID, failure

_ROUTE: Final = web.RequestKey("route", str)
_API_KEY_ID: Final = web.RequestKey("api_key_id", str)
_CORRELATION: Final = web.RequestKey("correlation_id", str)
_NO_ROUTE = "none"
_METHODS = frozenset(hdrs.METH_ALL)

_log = structlog.get_logger()


def name_route(request: web.Request, template: str) -> None:
    """Tell log and metrics which route a request is for."""
    request[_ROUTE] = template


def name_caller(request: web.Request, api_key_id: str) -> None:
    """Tell the log whose request it is."""
    request[_API_KEY_ID] = api_key_id


def correlation_id_of(request: web.Request) -> str:
    """What the answer will carry as ``Correlation-ID``."""
    return request[_CORRELATION]


def dress(request: web.Request, response: web.StreamResponse) -> None:
    """Give an answer the headers all have; whoever streams one does it before it begins."""
    response.headers[CORRELATION_ID] = request[_CORRELATION]
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers.setdefault("Cache-Control", "no-store")


class Edge:
    """The outermost middleware.

    Args:
        new_correlation_id: Draws an id for requests that bring none.
        max_in_flight: Requests answered at the same time; more are told 503.
    """

    def __init__(self, *, new_correlation_id: Callable[[], str], max_in_flight: int) -> None:
        self._new_correlation_id = new_correlation_id
        self._max_in_flight = max_in_flight
        self._in_flight = 0

    def middleware(self) -> Middleware:
        """Make the aiohttp middleware."""

        @web.middleware
        async def around(request: web.Request, handler: Handler) -> web.StreamResponse:
            return await self._around(request, handler)

        return around

    async def _around(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        began = time.perf_counter()
        given = sane_correlation_id(request.headers.get(CORRELATION_ID))
        correlation_id = given or self._new_correlation_id()
        with structlog.contextvars.bound_contextvars(correlation_id=correlation_id):
            request[_CORRELATION] = correlation_id
            response = await self._answer(request, handler)
            if not response.prepared:
                dress(request, response)
            _leave_behind(request, response.status, time.perf_counter() - began)
        return response

    async def _answer(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if self._in_flight >= self._max_in_flight:
            return failure(UnavailableError("too many requests at the same time"))
        self._in_flight += 1
        metrics.IN_FLIGHT.inc()
        try:
            return await handler(request)
        except GroveError as error:
            return failure(error)
        except web.HTTPNotFound:  # aiohttp's own: a target that is no path, such as OPTIONS *
            return failure(NotFoundError())
        except Exception as error:  # noqa: BLE001 - nothing of it may reach the caller
            _log.error("request.failed", exc_info=error)
            return failure(InternalError())
        finally:
            self._in_flight -= 1
            metrics.IN_FLIGHT.dec()


def _leave_behind(request: web.Request, status: int, seconds: float) -> None:
    route = request.get(_ROUTE, _NO_ROUTE)
    method = request.method if request.method in _METHODS else "other"
    metrics.REQUESTS.labels(method, route, str(status)).inc()
    metrics.SECONDS.labels(method, route).observe(seconds)
    _log.info(
        "request",
        method=method,
        route=route,
        status=status,
        duration_ms=round(seconds * 1000, 1),
        api_key_id=request.get(_API_KEY_ID),
    )
