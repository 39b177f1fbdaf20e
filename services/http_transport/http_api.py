"""HTTP requests to KP1 requests and back: what differs from MQTT, and no rule of KP1.

A request whose body is still on its way is let in before the body is read, so a stranger cannot
make us keep bytes; the front door then checks again, because reading may have taken a while.
"""

import time
from collections.abc import Callable, Mapping
from http import HTTPStatus

import structlog
from aiohttp import web
from msgspec import Struct
from structlog.contextvars import bind_contextvars

from libs.bus.codec import new_correlation_id
from libs.bus.front_door import Answer, FrontDoor
from libs.contracts.errors import GroveError, NotFoundError, UnsupportedMediaTypeError
from libs.contracts.ids import sane_correlation_id
from libs.contracts.kp1 import EXTENSIONS, PREFIX, Kp1Path, parse_levels
from services.http_transport import metrics
from services.http_transport.body import is_complete, read_body
from services.http_transport.domain import levels_of
from services.http_transport.responses import render
from services.http_transport.usecases import Packs, check_pack_size

ABOUT = b'{"service":"http-transport","usage":"POST /kp1/<appVersion>/<extension>/<token>/<resource>"}'
"""What ``GET /`` tells somebody who wonders whether this is the right port."""

SENML_PATH = "/ingestion/ip/senml/v1"
"""Where KPN Things devices post their packs."""
_SENML_TYPES = frozenset(
    {
        "application/json",
        "application/senml+json",
        "application/x-www-form-urlencoded",  # curl's, unless told otherwise
    }
)
_ONLY_POST = {"Allow": "POST"}
_log = structlog.get_logger()


class _Refused(Exception):  # noqa: N818 - a signal inside this module: an answer that no GroveError has
    """An outcome of HTTP alone."""

    def __init__(self, status: HTTPStatus, phrase: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(phrase)
        self.answer = Answer(status.value, phrase)
        self.headers = headers


class _Outcome(Struct):
    """What a request came to, and whether the front door has logged it."""

    answer: Answer
    extension: str = metrics.NO_EXTENSION
    headers: Mapping[str, str] | None = None
    logged: bool = False


class DeviceApi:
    """Answers devices."""

    def __init__(self, door: FrontDoor, packs: Packs, *, body_s: float, stopping: Callable[[], bool]) -> None:
        self._door = door
        self._packs = packs
        self._body_s = body_s
        self._stopping = stopping

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one HTTP request, whatever it is."""
        started = time.perf_counter()
        correlation_id = sane_correlation_id(request.headers.get("Correlation-ID")) or new_correlation_id()
        bind_contextvars(correlation_id=correlation_id)
        with metrics.IN_FLIGHT.track_inprogress():
            outcome = await self._outcome(request)
        status = outcome.answer.status_code
        if not outcome.logged:
            _log.info("http_request", status=status, reason=outcome.answer.reason_phrase)
        metrics.count_request(outcome.extension, status, duration_s=time.perf_counter() - started)
        response = render(outcome.answer, correlation_id=correlation_id, headers=outcome.headers)
        if self._stopping() or status == HTTPStatus.REQUEST_TIMEOUT:
            response.force_close()
        return response

    async def _outcome(self, request: web.BaseRequest) -> _Outcome:
        if request.raw_path == "/" and request.method in {"GET", "HEAD"}:
            return _Outcome(Answer(payload=ABOUT))
        extension = metrics.NO_EXTENSION
        try:
            if request.path == SENML_PATH:
                return await self._take_pack(request)
            path = _path_of(request)
            if path.extension in EXTENSIONS:
                extension = path.extension
            payload = await self._payload(request, path)
            return _Outcome(await self._door.answer(path, payload), extension, logged=True)
        except _Refused as refused:
            return _Outcome(refused.answer, extension, refused.headers)
        except GroveError as error:
            return _Outcome(Answer.to(error), extension)

    async def _take_pack(self, request: web.BaseRequest) -> _Outcome:
        if request.method != "POST":
            raise _Refused(HTTPStatus.METHOD_NOT_ALLOWED, "only POST is allowed", _ONLY_POST)
        if "Content-Type" in request.headers and request.content_type not in _SENML_TYPES:
            raise UnsupportedMediaTypeError("SenML is application/senml+json or application/json")
        check_pack_size(request.content_length or 0)
        body = await self._body(request)
        told = await self._packs.take(body, request.headers.get("Things-Message-Token"))
        return _Outcome(Answer(payload=told), metrics.SENML)

    async def _payload(self, request: web.BaseRequest, path: Kp1Path) -> bytes:
        if not is_complete(request):
            await self._door.admit(path)
        return await self._body(request)

    async def _body(self, request: web.BaseRequest) -> bytes:
        if request.headers.get("Content-Encoding", "identity").lower() != "identity":
            raise UnsupportedMediaTypeError("compressed bodies are not taken")
        try:
            return await read_body(request, within_s=self._body_s)
        except TimeoutError:
            raise _Refused(HTTPStatus.REQUEST_TIMEOUT, "body not complete in time") from None


def _path_of(request: web.BaseRequest) -> Kp1Path:
    levels = levels_of(request.raw_path)
    if levels[0] != PREFIX:
        raise NotFoundError("device requests are POST /kp1/...")
    if request.method != "POST":
        raise _Refused(HTTPStatus.METHOD_NOT_ALLOWED, "only POST is allowed", _ONLY_POST)
    return parse_levels(levels)
