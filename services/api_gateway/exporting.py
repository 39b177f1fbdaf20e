"""An export on its way: rows of endpoints are asked for some at a time, and sent on before the next are."""

import asyncio
from collections.abc import Sequence
from typing import Final

import msgspec
import structlog
from aiohttp import hdrs, web

from libs.contracts.csv_text import table
from libs.contracts.endpoint_tables import EXPORT_ENDPOINTS, ExportedRow, ExportEndpoints
from libs.contracts.errors import GroveError
from services.api_gateway.csv_columns import cell_of, header_line
from services.api_gateway.edge import dress
from services.api_gateway.ports import Owners
from services.api_gateway.series_formats import CSV
from services.api_gateway.streaming import READ_WITHIN_S

_PAGE_WITHIN_S: Final = 30.0
"""After a start the embedded store takes seconds to find a place in 100,000 endpoints (docs/adr/0011)."""
_HEADERS: Final = {hdrs.CONTENT_DISPOSITION: 'attachment; filename="endpoints.csv"'}

_log = structlog.get_logger()


async def export_table(
    request: web.Request, message: ExportEndpoints, *, owners: Owners
) -> web.StreamResponse:
    """Answer endpoints as CSV; what breaks off has no end.

    Raises:
        GroveError: What the owner answered to the first question.
    """
    reply = await owners.ask(EXPORT_ENDPOINTS, message, timeout_s=_PAGE_WITHIN_S)
    piece = table([header_line(message.columns)])
    if not reply.next:
        piece += _written(reply.rows, message.columns)
        return web.Response(headers=_HEADERS, body=piece, content_type=CSV, charset="utf-8")
    response = web.StreamResponse(headers=_HEADERS)
    response.content_type, response.charset = CSV, "utf-8"
    dress(request, response)
    await response.prepare(request)
    if request.method == hdrs.METH_HEAD:
        return response
    try:
        while True:
            piece += _written(reply.rows, message.columns)
            if piece:
                async with asyncio.timeout(READ_WITHIN_S):
                    await response.write(piece)
            piece = b""
            if not reply.next:
                break
            following = msgspec.structs.replace(message, after=reply.next)
            reply = await owners.ask(EXPORT_ENDPOINTS, following, timeout_s=_PAGE_WITHIN_S)
        await response.write_eof()
    except (GroveError, TimeoutError, ConnectionError) as error:
        _log.warning("export.broken", reason=str(error) or type(error).__name__)
        if request.transport is not None:
            request.transport.abort()
    return response


def _written(rows: Sequence[ExportedRow], keys: Sequence[str]) -> bytes:
    return table(
        [
            cell_of(row.endpoint_id),
            row.app_version,
            row.created_date,
            *(cell_of(row.metadata.get(key)) for key in keys),
        ]
        for row in rows
    )
