"""Read a request body: bounded in bytes and time, and only when somebody wants it."""

import asyncio
from typing import Final

from aiohttp import hdrs, web

from libs.contracts.errors import BadRequestError, PayloadTooLargeError, UnsupportedMediaTypeError
from services.api_gateway.answers import JSON, RequestTimeoutError
from services.api_gateway.routes import Route

# What curl, Python and shell scripts send when nobody thought of the header: read as JSON.
_UNTHINKING: Final = frozenset(
    {"", "application/octet-stream", "application/x-www-form-urlencoded", "text/json", "text/plain"}
)


async def expect_nothing(_request: web.Request) -> None:
    """Answer ``Expect: 100-continue`` not yet: only :func:`read_body` asks the caller to go on."""


async def read_body(request: web.Request, route: Route, *, timeout_s: float) -> bytes:
    """Read the body a route takes.

    Raises:
        UnsupportedMediaTypeError: Its Content-Type or Content-Encoding is not taken.
        PayloadTooLargeError: It is, or says it is, above the route's limit.
        RequestTimeoutError: It did not arrive in time.
        BadRequestError: It broke off.
    """
    _check_type(request, route)
    limit = route.max_body_bytes
    if (request.content_length or 0) > limit:
        raise _too_large(limit)
    if request.headers.get(hdrs.EXPECT, "").lower() == "100-continue":
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        request.writer.output_size = 0
    try:
        async with asyncio.timeout(timeout_s):
            return await _read(request, limit)
    except TimeoutError as error:
        raise RequestTimeoutError(f"the body did not arrive within {timeout_s:g} s") from error
    except (web.RequestPayloadError, ConnectionError) as error:
        raise BadRequestError("the body broke off") from error


async def _read(request: web.Request, limit: int) -> bytes:
    body = bytearray()
    async for chunk in request.content.iter_any():
        body += chunk
        if len(body) > limit:
            raise _too_large(limit)
    return bytes(body)


def _check_type(request: web.Request, route: Route) -> None:
    if request.headers.get(hdrs.CONTENT_ENCODING, "identity").lower() != "identity":
        raise UnsupportedMediaTypeError("the body must come without Content-Encoding")
    kind = request.headers.get(hdrs.CONTENT_TYPE, "").partition(";")[0].strip().lower()
    wanted = route.document.media_type if route.document else JSON
    if kind == wanted:
        return
    if wanted == JSON and (kind in _UNTHINKING or kind.endswith("+json")):
        return
    raise UnsupportedMediaTypeError(f"the Content-Type must be {wanted}")


def _too_large(limit: int) -> PayloadTooLargeError:
    return PayloadTooLargeError(f"the body is above the limit of {limit} bytes")
