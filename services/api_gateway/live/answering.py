"""A stream of events as the answer to a request."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

import structlog
from aiohttp import hdrs, web

from libs.contracts.api_keys import ApiKey
from libs.contracts.errors import BadRequestError
from libs.contracts.ids import check_endpoint_id
from libs.contracts.live import FollowEvents
from services.api_gateway import metrics
from services.api_gateway.edge import dress
from services.api_gateway.live import sse
from services.api_gateway.live.following import Follower
from services.api_gateway.live.places import Place, place_of
from services.api_gateway.live.streams import LiveStreams
from services.api_gateway.problems import InvalidRequestError, Problem

READ_WITHIN_S: Final = 30.0
"""How long a reader may take to read what was written at once."""
HEARD_WITHIN_S: Final = 2.0
"""How long the answer waits for data events to arrive here; they begin when they begin."""

_log = structlog.get_logger()


async def answer_events(
    request: web.Request,
    message: FollowEvents,
    api_key: ApiKey,
    *,
    live: LiveStreams,
    check: Callable[[], Awaitable[None]],
) -> web.StreamResponse:
    """Answer events until either side ends it.

    Raises:
        InvalidRequestError: An endpoint id or the last event id cannot be one.
        TooManyRequestsError: The key has as many streams as it may.
        UnavailableError: No more streams here, or the bus is away.
    """
    last = _last_place(message)
    with live.opened(api_key, message, check=check) as follower:
        await follower.begin(last)
        try:
            async with asyncio.timeout(HEARD_WITHIN_S):
                await follower.hears.wait()
        except TimeoutError:
            _log.warning("live.data_not_heard_yet")
        response = web.StreamResponse(headers={"X-Accel-Buffering": "no"})
        response.content_type, response.charset = sse.MEDIA_TYPE, "utf-8"
        dress(request, response)
        await response.prepare(request)
        if request.method != hdrs.METH_HEAD:
            await _follow(request, response, follower)
    return response


def _last_place(message: FollowEvents) -> Place | None:
    problems = []
    for endpoint_id in message.endpoint_id:
        try:
            check_endpoint_id(endpoint_id)
        except BadRequestError as error:
            problems.append(Problem("query.endpointId", error.reason_phrase))
    last = None
    try:
        last = None if not message.last_event_id else place_of(message.last_event_id)
    except ValueError as error:
        problems.append(Problem(f"header.{sse.LAST_EVENT_ID}", str(error)))
    if problems:
        raise InvalidRequestError(problems)
    return last


async def _follow(request: web.Request, response: web.StreamResponse, follower: Follower) -> None:
    async def write(piece: bytes) -> None:
        async with asyncio.timeout(READ_WITHIN_S):
            await response.write(piece)

    ended = "by us"
    try:
        await follower.run(write, is_gone=lambda: request.transport is None or request.transport.is_closing())
        async with asyncio.timeout(READ_WITHIN_S):
            await response.write_eof()
    except ConnectionError:
        ended = "reader gone"
    except TimeoutError:
        ended = "not read"
        if request.transport is not None:
            request.transport.abort()
    finally:
        metrics.LIVE_ENDED.labels(ended).inc()
