"""Read a request body: bounded in bytes and time, and only when somebody wants it."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from aiohttp import hdrs, web

from libs.contracts.errors import BadRequestError, PayloadTooLargeError, UnsupportedMediaTypeError
from libs.process.http_connections import BoundedConnection
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
    _check_type(request, route.document.media_type if route.document else JSON)
    limit = route.max_body_bytes
    if (request.content_length or 0) > limit:
        raise _too_large(limit)
    await _go_on(request)
    try:
        async with asyncio.timeout(timeout_s):
            return await _read(request, limit)
    except TimeoutError as error:
        raise RequestTimeoutError(f"the body did not arrive within {timeout_s:g} s") from error
    except (web.RequestPayloadError, ConnectionError) as error:
        raise BadRequestError("the body broke off") from error


def arriving(request: web.Request, media_type: str) -> Callable[[], Awaitable[bytes]]:
    """Read a body of any length piece by piece: each call gives what has arrived, nothing at the end.

    What it gives counts no longer among the bytes that requests hold; deadlines are the caller's.

    Raises:
        UnsupportedMediaTypeError: Its Content-Type or Content-Encoding is not taken.
        BadRequestError: By the calls: it broke off.
    """
    _check_type(request, media_type)
    asked = False

    async def chunk() -> bytes:
        nonlocal asked
        if not asked:
            asked = True
            await _go_on(request)
        try:
            data = await request.content.readany()
        except (web.RequestPayloadError, ConnectionError) as error:
            raise BadRequestError("the body broke off") from error
        if isinstance(request.protocol, BoundedConnection):
            request.protocol.let_go()
        return data

    return chunk


async def _go_on(request: web.Request) -> None:
    if request.headers.get(hdrs.EXPECT, "").lower() == "100-continue":
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        request.writer.output_size = 0


async def _read(request: web.Request, limit: int) -> bytes:
    body = bytearray()
    async for chunk in request.content.iter_any():
        body += chunk
        if len(body) > limit:
            raise _too_large(limit)
    return bytes(body)


def _check_type(request: web.Request, wanted: str) -> None:
    if request.headers.get(hdrs.CONTENT_ENCODING, "identity").lower() != "identity":
        raise UnsupportedMediaTypeError("the body must come without Content-Encoding")
    kind = request.headers.get(hdrs.CONTENT_TYPE, "").partition(";")[0].strip().lower()
    if kind == wanted:
        return
    if wanted == JSON and (kind in _UNTHINKING or kind.endswith("+json")):
        return
    raise UnsupportedMediaTypeError(f"the Content-Type must be {wanted}")


def _too_large(limit: int) -> PayloadTooLargeError:
    return PayloadTooLargeError(f"the body is above the limit of {limit} bytes")
