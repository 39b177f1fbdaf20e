"""HTTP connections that cannot be held for ever: aiohttp's server plus the limits it lacks.

What is added, each by one timer or counter of its own:

- the head of a request must be complete within ``head_s`` and ``MAX_HEAD_BYTES``;
- an answer that is not read is cut off after ``stall_s``;
- more than ``max_connections`` are told 503 and closed;
- what arrives is counted until its request is answered, all connections within one budget: over
  it, the request is told 503 (its body raises that), and the connection ends;
- a client that pipelines is read one socket read ahead at most;
- what is no HTTP is answered in JSON, without a traceback and without its own bytes.

Idle connections and the order of pipelined requests are aiohttp's own; the deadline of a body is
for whoever reads it. Nothing else touches aiohttp's protected members, so an upgrade of it is
checked here.
"""

import asyncio
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any, cast

import structlog
from aiohttp import StreamReader, web
from aiohttp.http import RawRequestMessage
from aiohttp.http_exceptions import HttpProcessingError
from prometheus_client import Counter, Gauge

from libs.contracts.errors import UnavailableError
from libs.process.budget import Budget
from libs.process.complaints import Complain, MalformedError, as_bytes, as_response, no_http, plain_complaint
from libs.process.connection_limits import ConnectionLimits

MAX_HEAD_BYTES = 32 * 1024
MAX_LINE_BYTES = 8190
"""Of a request line or one header, aiohttp's own default."""

_MAX_HEADERS = 64
_READ_AHEAD_BYTES = 64 * 1024
_LINGER_S = 2.0
"""How long what a refused client still sends is read and thrown away, so that it sees the answer."""

_CONNECTIONS = Gauge("grove_http_connections", "Open HTTP connections.", ["listener"])
_CUT_OFF = Counter(
    "grove_http_cut_off_total", "HTTP connections ended by us, by reason.", ["listener", "reason"]
)
_MALFORMED = Counter("grove_http_malformed_total", "Requests that were no HTTP.", ["listener"])

_log = structlog.get_logger()
AnswerRequest = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


class BoundedServer(web.Server):
    """Makes the connections, and takes each request to ``answer``.

    Args:
        answer: Answers one request, whatever it is.
        listener: Label in metrics and log.
        limits: Of each connection, and of their number.
        budget: Of the bytes that requests hold.
        complain: Spells the answers that are given without ``answer``.
        request_factory: Of an application; None makes plain requests.
    """

    def __init__(
        self,
        answer: AnswerRequest,
        *,
        listener: str,
        limits: ConnectionLimits,
        budget: Budget,
        complain: Complain = plain_complaint,
        request_factory: Any = None,  # noqa: ANN401 - a private type of aiohttp
    ) -> None:
        super().__init__(
            self._serve,
            request_factory=request_factory,
            keepalive_timeout=limits.idle_s,
            access_log=None,
            max_line_size=MAX_LINE_BYTES,
            max_field_size=MAX_LINE_BYTES,
            max_headers=_MAX_HEADERS,
            lingering_time=_LINGER_S,
            read_bufsize=_READ_AHEAD_BYTES,
            auto_decompress=False,  # of bodies that nobody reads: 700 KB of a stranger took seconds
        )
        self.listener = listener
        self.limits = limits
        self.budget = budget
        self.complain = complain
        self._answer = answer

    @property
    def full(self) -> bool:
        """Whether there may be no more connections."""
        return len(self._connections) >= self.limits.max_connections

    def __call__(self) -> web.RequestHandler:
        """Make the protocol of one connection."""
        return BoundedConnection(self, loop=self._loop, **self._kwargs)

    async def _serve(self, request: web.BaseRequest) -> web.StreamResponse:
        connection = request.protocol
        assert isinstance(connection, BoundedConnection)  # noqa: S101 - made by __call__; for the type checker
        connection.begin(request.content)
        try:
            return await self._answer(request)
        except web.HTTPError as error:  # aiohttp's own: no such path, no such method
            response = as_response(error.status, self.complain(error.status, HTTPStatus(error.status).phrase))
            if "Allow" in error.headers:
                response.headers["Allow"] = error.headers["Allow"]
            return response
        finally:
            connection.end()


class BoundedConnection(web.RequestHandler):
    """One connection of a client."""

    __slots__ = (
        "_begun",
        "_body",
        "_bounds",
        "_gone",
        "_head_bytes",
        "_head_timer",
        "_held_bytes",
        "_in_hand",
        "_malformed",
        "_refused",
        "_socket",
        "_stall_timer",
        "on_upgraded_data",
    )

    def __init__(self, server: BoundedServer, *, loop: asyncio.AbstractEventLoop, **kwargs: Any) -> None:  # noqa: ANN401 - aiohttp's
        super().__init__(server, loop=loop, **kwargs)
        self._msg_queue_resume_size = 0
        self._bounds = server
        self._socket: asyncio.Transport | None = None  # stays when aiohttp forgets its own on closing
        self._body: StreamReader | None = None  # of the request that was begun last
        self._begun = 0
        self._in_hand = False
        self._refused: StreamReader | None = None  # the body there was no room for
        self._held_bytes = 0
        self._head_bytes = 0
        self._head_timer: asyncio.TimerHandle | None = None
        self._stall_timer: asyncio.TimerHandle | None = None
        self._malformed = False
        self._gone: asyncio.Future[None] | None = None  # set once the last answer is being given
        self.on_upgraded_data: Callable[[int], None] | None = None
        """Told how much a WebSocket brought: none of it is counted here."""

    # --- a request's life, told by the server -------------------------------------------------

    def begin(self, body: StreamReader) -> None:
        """Take the next request in hand."""
        self._body = body
        self._begun += 1
        self._in_hand = True
        if body.is_eof() and not self._messages:
            self._keep(min(self._held_bytes, body.total_bytes))

    def let_go(self) -> None:
        """Count no more what has arrived of the request in hand: who streams a body has read all of it."""
        if not self._messages:
            self._keep(0)

    def end(self) -> None:
        """Be done with the request in hand; its answer is about to be written."""
        self._in_hand = False
        if not self._messages:
            self._keep(0)
        if self._buffer_paused and not self._messages:
            self._resume_reading_if_drained()

    # --- what asyncio tells -------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Admit the connection, or refuse it where there are too many."""
        # TCP always gives one; uvloop's do not inherit from it, so this cannot be checked.
        transport = cast("asyncio.Transport", transport)
        if self._bounds.full:
            phrase = "too many connections"
            self._count_cut_off(phrase)
            status = HTTPStatus.SERVICE_UNAVAILABLE
            transport.write(as_bytes(status, self._bounds.complain(status, phrase)))
            transport.close()
            return
        # Not 64 KiB: a client that does not read is noticed from the first byte that stays here.
        transport.set_write_buffer_limits(high=0)
        self._socket = transport
        super().connection_made(transport)
        _CONNECTIONS.labels(self._bounds.listener).inc()
        self._head_timer = self._loop.call_later(self._bounds.limits.head_s, self._head_overdue)

    def connection_lost(self, exc: BaseException | None) -> None:
        """Forget the timers and the bytes of a connection that is gone."""
        if self._socket is not None:
            _CONNECTIONS.labels(self._bounds.listener).dec()
            self._socket = None
        for timer in (self._head_timer, self._stall_timer):
            if timer is not None:
                timer.cancel()
        self._head_timer = self._stall_timer = None
        self._keep(0)
        if self._gone is not None and not self._gone.done():
            self._gone.set_result(None)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse what arrived, and see whether its sender may have sent it."""
        if self._malformed:
            return
        if not data:
            super().data_received(data)
            return
        if self.on_upgraded_data is not None:
            super().data_received(data)
            self.on_upgraded_data(len(data))
            return
        ahead = self._in_hand and self._body is not None and self._body.is_eof()
        if self._holds_more():
            if not self._bounds.budget.take(len(data)):
                self._refuse(ahead=ahead)
                return
            self._held_bytes += len(data)
        self._feed(data)
        if ahead and not self._buffer_paused:
            self._pause_reading_for_buffer()

    def pause_writing(self) -> None:
        """The client does not read: give it a while."""
        super().pause_writing()
        if self._stall_timer is None:
            self._stall_timer = self._loop.call_later(self._bounds.limits.stall_s, self._stalled)

    def resume_writing(self) -> None:
        """Everything was read."""
        super().resume_writing()
        if self._stall_timer is not None:
            self._stall_timer.cancel()
            self._stall_timer = None

    # --- what aiohttp tells -------------------------------------------------------------------

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer what is no HTTP, or what our own code failed at."""
        phrase = str(exc) if isinstance(exc, MalformedError) else HTTPStatus(status).phrase
        complaint = self._bounds.complain(status, phrase)
        correlation_id = complaint.headers.get("Correlation-ID")
        if isinstance(exc, MalformedError):
            self._tell_malformed(phrase, status=status, correlation_id=correlation_id)
        else:
            _log.error("http_failed", status=status, exc_info=exc, correlation_id=correlation_id)
        if request.writer.output_size > 0:
            message = "an answer had begun already"
            raise ConnectionError(message)
        response = as_response(status, complaint)
        response.force_close()
        self._gone = self._loop.create_future()
        return response

    def log_exception(self, *args: Any, **kw: Any) -> None:  # noqa: ANN401 - aiohttp's signature
        """Log what went wrong outside of an answer, unless it was the client: then not what it sent."""
        error = kw.get("exc_info")
        if isinstance(error, web.RequestPayloadError | HttpProcessingError):
            self._tell_malformed("malformed body")
        else:
            _log.error("http_failed", reason=str(args[0]) if args else "", exc_info=error)

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        """Write the response; the last one is given time to be read.

        Closing while the client still sends would reset the connection, and the client would see
        the reset instead of the answer (RFC 9112 section 9.6).
        """
        if self._refused is not None:
            self._refused.feed_eof()  # nothing more is read into it, and nobody waits for more
            self._refused = None
            resp.force_close()
        finished = await super().finish_response(request, resp, start_time)
        self._shorten_complaint()  # what follows a declined Upgrade is parsed in there
        if self._gone is not None and self.transport is not None and self.transport.can_write_eof():
            self.transport.write_eof()
            await asyncio.wait({self._gone}, timeout=_LINGER_S)
        return finished

    # --- what is told -------------------------------------------------------------------------

    def _tell_malformed(self, phrase: str, **fields: object) -> None:
        _MALFORMED.labels(self._bounds.listener).inc()
        _log.info("http_malformed", listener=self._bounds.listener, reason=phrase, **fields)

    def _count_cut_off(self, phrase: str) -> None:
        _CUT_OFF.labels(self._bounds.listener, phrase).inc()

    # --- limits -------------------------------------------------------------------------------

    def _parses_head(self) -> bool:
        """Whether the next byte belongs to the head of a request, not to a body."""
        body = self._messages[-1][1] if self._messages else self._body
        return body is None or body.is_eof()

    def _feed(self, data: bytes) -> None:
        heads = self._request_count
        begins_in_head = self._parses_head()  # what ends an unread body is no head
        super().data_received(data)
        if self._request_count != heads:
            self._head_complete()
            self._shorten_complaint()
        elif begins_in_head and not self._in_hand and heads == self._begun and self._parses_head():
            self._head_goes_on(len(data))

    def _shorten_complaint(self) -> None:
        """Keep of the parser's complaint what we answer: it quotes all it was given, again at each read."""
        if not self._messages:
            return
        complaint, body = self._messages[-1]
        if isinstance(complaint, RawRequestMessage):
            return
        self._malformed = True
        error = no_http(complaint.exc)
        self._messages[-1] = (type(complaint)(status=complaint.status, exc=error, message=""), body)

    def _holds_more(self) -> bool:
        """Whether what arrives is kept: not once a body is only read to its end, nor by a WebSocket."""
        if self._payload_parser is not None:
            return False
        return self._in_hand or bool(self._messages) or self._body is None or self._body.is_eof()

    def _keep(self, count: int) -> None:
        self._bounds.budget.give(self._held_bytes - count)
        self._held_bytes = count

    def _refuse(self, *, ahead: bool) -> None:
        """End a connection whose bytes there is no room for, after the answer that is due."""
        phrase = "too many bytes in flight"
        self._count_cut_off(phrase)
        if not self._in_hand and not self._messages:
            self._turn_away(HTTPStatus.SERVICE_UNAVAILABLE, phrase)
            return
        self.close()
        body = self._messages[-1][1] if self._messages else self._body
        if not ahead and len(self._messages) <= 1 and body is not None and not body.is_eof():
            body.set_exception(UnavailableError(phrase))
            self._refused = body
            self._gone = self._loop.create_future()

    def _turn_away(self, status: HTTPStatus, phrase: str) -> None:
        """Answer without a request, and let the client finish sending so that it sees the answer."""
        self._malformed = True
        if self.transport is not None and not self.transport.is_closing():
            self.transport.write(as_bytes(status, self._bounds.complain(status.value, phrase)))
            if self.transport.can_write_eof():
                self.transport.write_eof()
        self._head_complete()
        self._head_timer = self._loop.call_later(_LINGER_S, self.force_close)
        self.close()

    def _head_complete(self) -> None:
        self._head_bytes = 0
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _head_goes_on(self, count: int) -> None:
        self._head_bytes += count
        if self._head_bytes > MAX_HEAD_BYTES:
            self._cut_off(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "request head too long")
        elif self._head_timer is None:
            self._head_timer = self._loop.call_later(self._bounds.limits.head_s, self._head_overdue)

    def _head_overdue(self) -> None:
        self._head_timer = None
        if self._head_bytes:
            self._cut_off(HTTPStatus.REQUEST_TIMEOUT, "request head not complete in time")
        else:
            self.force_close()

    def _cut_off(self, status: HTTPStatus, phrase: str) -> None:
        """End a connection between two requests."""
        self._count_cut_off(phrase)
        if self.transport is not None and not self.transport.is_closing():
            self.transport.write(as_bytes(status, self._bounds.complain(status.value, phrase)))
        self.force_close()

    def _stalled(self) -> None:
        self._stall_timer = None
        self._count_cut_off("answer not read")
        if self._socket is not None:
            self._socket.abort()
