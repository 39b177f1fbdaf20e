"""Answers longer than any message: asked for page by page, and sent on before the next is asked for.

The first page is asked for before the answer begins, so that an error is still a status. One that comes later
breaks the connection off: a caller must not take half an answer for a whole one.
"""

import asyncio
from typing import Any, Final

import msgspec
import structlog
from aiohttp import hdrs, web

from libs.contracts.errors import GroveError
from libs.contracts.messages import Request
from libs.contracts.subjects import Operation
from libs.contracts.time_series import DataReply, Run
from services.api_gateway.edge import dress
from services.api_gateway.ports import Owners
from services.api_gateway.series_formats import FORMATS, SeriesFormat, chosen, written

NEXT: Final = "Grove-Next"
READ_WITHIN_S: Final = 30.0
"""How long a caller may take to read what one page comes to."""

_log = structlog.get_logger()


async def stream_series(
    request: web.Request, message: Request, operation: Operation[Any, Any], *, owners: Owners
) -> web.StreamResponse:
    """Answer points of time series in the form the caller accepts.

    What fits into one page is answered whole. With a ``limit`` that is all, and the header says where the
    next page begins.

    Raises:
        GroveError: What the owner answered to the first question.
    """
    media_type = chosen(request.headers.get(hdrs.ACCEPT, ""))
    page = await owners.ask(operation, message)
    headers: dict[str, str] = {hdrs.VARY: hdrs.ACCEPT}
    if not page.next or getattr(message, "limit", None) is not None:
        if page.next:
            headers[NEXT] = page.next
        text = written(page.runs, media_type)
        return web.Response(headers=headers, text=text, content_type=media_type)
    response = web.StreamResponse(headers=headers)
    response.content_type, response.charset = media_type, "utf-8"
    dress(request, response)
    await response.prepare(request)
    if request.method != hdrs.METH_HEAD:
        pages = _Pages(operation, message, page, owners=owners)
        await _send(request, response, pages, FORMATS[media_type]())
    return response


class _Pages:
    """The pages of an answer, one after the other."""

    def __init__(
        self,
        operation: Operation[Any, Any],
        message: Request,
        first: DataReply,
        *,
        owners: Owners,
    ) -> None:
        self._operation = operation
        self._message = message
        self._page = first
        self._owners = owners

    @property
    def runs(self) -> list[Run]:
        """What is on the page at hand."""
        return self._page.runs

    async def turn(self) -> bool:
        """Ask for the next page; False = there is none."""
        if not self._page.next:
            return False
        following = msgspec.structs.replace(self._message, cursor=self._page.next)
        self._page = await self._owners.ask(self._operation, following)
        return True


async def _send(
    request: web.Request, response: web.StreamResponse, pages: _Pages, form: SeriesFormat
) -> None:
    try:
        piece = form.start()
        while True:
            piece += b"".join(form.piece(run) for run in pages.runs)
            if piece:
                async with asyncio.timeout(READ_WITHIN_S):
                    await response.write(piece)
            piece = b""
            if not await pages.turn():
                break
        async with asyncio.timeout(READ_WITHIN_S):
            await response.write(form.end())
            await response.write_eof()
    except (GroveError, TimeoutError, ConnectionError) as error:
        _log.warning("stream.broken", reason=str(error) or type(error).__name__)
        if request.transport is not None:
            request.transport.abort()
