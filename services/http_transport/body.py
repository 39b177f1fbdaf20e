"""Read the body of a request: bounded in size and in time; the connection counts it as it arrives."""

import asyncio

from aiohttp import web

from libs.bus.front_door import check_size
from libs.contracts.errors import BadRequestError

_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


def is_complete(request: web.BaseRequest) -> bool:
    """Whether the whole body has arrived (or there is none), so that reading it takes no time."""
    return request.content.is_eof()


async def read_body(request: web.BaseRequest, *, within_s: float) -> bytes:
    """Read it all.

    Raises:
        PayloadTooLargeError: It is larger than a payload may be; not all of it was read.
        UnavailableError: There is no room for it now.
        BadRequestError: Its chunks are malformed, or the client went away.
        TimeoutError: It did not arrive in time.
    """
    try:
        if is_complete(request):
            return request.content.read_nowait()
        check_size(request.content_length or 0)
        _tell_to_go_on(request)
        async with asyncio.timeout(within_s):
            return await _read_on(request)
    except (web.RequestPayloadError, ConnectionError) as error:
        raise BadRequestError("malformed or broken body") from error


def _tell_to_go_on(request: web.BaseRequest) -> None:
    """Answer ``Expect: 100-continue``: by now the endpoint is known and the size is right."""
    transport = request.transport
    if request.headers.get("Expect", "").lower() != "100-continue":
        return
    if transport is not None and not transport.is_closing():
        transport.write(_CONTINUE)


async def _read_on(request: web.BaseRequest) -> bytes:
    parts: list[bytes] = []
    total = 0
    while not request.content.at_eof():
        part = await request.content.readany()
        total += len(part)
        check_size(total)
        parts.append(part)
    return b"".join(parts)
