"""Answer requests: the one wrapper around every handler of every service.

Decoding, expiry, the correlation id, timing, metrics, the log line and the mapping of errors to
replies happen here and nowhere else. What leaves is a status code and one sentence; what went
wrong inside stays in the log. Handlers run beside each other in a bounded set: a request beyond
it is answered 503 at once, because a queue would only hide that we are too slow.
"""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Generic

import msgspec
import structlog
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from prometheus_client import Histogram
from structlog.contextvars import bind_contextvars

from libs.bus import metrics
from libs.bus.codec import decode_request, decoder, encode, expired, new_correlation_id, now_ms
from libs.bus.connection import Connection
from libs.bus.tasks import TaskSet
from libs.contracts.errors import GroveError, InternalError, UnavailableError
from libs.contracts.messages import Reply, RequestT

DEFAULT_MAX_IN_FLIGHT = 512

_FIRST_ERROR = 400
_FIRST_SERVER_ERROR = 500
_COMPLAIN_EVERY_S = 5.0
_log = structlog.get_logger()


@dataclass(slots=True, kw_only=True)
class Endpoint(Generic[RequestT]):
    """One subject that a process answers, and what became of the requests so far."""

    name: str
    subject: str
    queue: str
    decode: msgspec.msgpack.Decoder[RequestT]
    handler: Callable[[RequestT], Awaitable[Reply]]
    timing: Histogram
    handled: int = 0
    errors: int = 0
    busy_s: float = 0.0


@dataclass(slots=True)
class _Outcome:
    """What a request comes to: the reply to send, and for the log what went wrong."""

    status: int
    body: bytes
    failure: BaseException | None = None


class Server:
    """The subjects that a process answers, and the requests it is answering."""

    def __init__(self, connection: Connection, *, max_in_flight: int = DEFAULT_MAX_IN_FLIGHT) -> None:
        """Handle at most ``max_in_flight`` requests at the same time, of all subjects together."""
        self._connection = connection
        self._tasks = TaskSet(limit=max_in_flight)
        self._subscriptions: list[Subscription] = []
        self._complained_at = -_COMPLAIN_EVERY_S
        self.endpoints: list[Endpoint[Any]] = []

    async def serve(
        self,
        subject: str,
        request_type: type[RequestT],
        handler: Callable[[RequestT], Awaitable[Reply]],
        *,
        queue: str,
    ) -> None:
        """Answer requests on ``subject``, sharing them with every replica of the queue group."""
        name = subject.rpartition(".")[2]
        endpoint = Endpoint(
            name=name,
            subject=subject,
            queue=queue,
            decode=decoder(request_type),
            handler=handler,
            timing=metrics.HANDLED.labels(name),
        )

        async def on_message(msg: Msg) -> None:
            if self._tasks.full:
                await self._refuse(msg, endpoint)
            else:
                self._tasks.spawn(self._answer(msg, endpoint), name=f"handle {name}")

        self._subscriptions.append(await self._connection.subscribe(subject, on_message, queue=queue))
        self.endpoints.append(endpoint)

    async def stop(self, *, within_s: float) -> None:
        """Take no more requests; finish and answer those that were delivered.

        Those still running after ``within_s`` are cancelled and answered 503.
        """
        deadline = time.monotonic() + within_s
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within_s), asyncio.TaskGroup() as drains:
                for subscription in self._subscriptions:
                    drains.create_task(self._connection.client.drain_subscription(subscription), name="drain")
        self._subscriptions.clear()
        cancelled = await self._tasks.finish(within_s=max(0.0, deadline - time.monotonic()))
        if cancelled:
            _log.error("bus_handlers_cancelled", count=cancelled)
        with contextlib.suppress(UnavailableError):
            await self._connection.round_trip(timeout_s=max(1.0, deadline - time.monotonic()))

    async def _answer(self, msg: Msg, endpoint: Endpoint[Any]) -> None:
        started = time.perf_counter()
        metrics.IN_FLIGHT.inc()
        try:
            outcome = await self._handle(msg, endpoint)
        except asyncio.CancelledError as error:
            outcome = _failed(UnavailableError("the service is stopping"), error)
            await self._send(msg, endpoint, outcome)
            raise
        finally:
            metrics.IN_FLIGHT.dec()
        if outcome is not None:
            await self._send(msg, endpoint, outcome)
            _record(endpoint, outcome, time.perf_counter() - started)

    async def _handle(self, msg: Msg, endpoint: Endpoint[Any]) -> _Outcome | None:
        """Run the handler; None when the request is not worth an answer any more."""
        try:
            request = decode_request(msg.data, endpoint.decode)
            correlation_id = request.correlation_id or new_correlation_id()
            bind_contextvars(correlation_id=correlation_id)
            if expired(request.timestamp, request.timeout):
                metrics.DROPPED.labels(endpoint.name, "expired").inc()
                return None
            reply = await endpoint.handler(request)
            stamped = msgspec.structs.replace(reply, correlation_id=correlation_id, timestamp=now_ms())
            return _Outcome(reply.status_code, encode(stamped))
        except GroveError as error:
            return _failed(error, error)
        except Exception as error:  # noqa: BLE001 - the boundary: logged in full, told as 500
            return _failed(InternalError(), error)

    async def _refuse(self, msg: Msg, endpoint: Endpoint[Any]) -> None:
        """Answer 503 without starting anything; the log is told at most every few seconds."""
        await self._send(msg, endpoint, _failed(UnavailableError("too many requests in progress")))
        if time.monotonic() - self._complained_at >= _COMPLAIN_EVERY_S:
            self._complained_at = time.monotonic()
            _log.error("bus_overloaded", in_flight=len(self._tasks), message_type=endpoint.name)

    async def _send(self, msg: Msg, endpoint: Endpoint[Any], outcome: _Outcome) -> None:
        metrics.REPLIES.labels(endpoint.name, outcome.status).inc()
        if not msg.reply:
            return
        try:
            await self._connection.publish(msg.reply, outcome.body)
        except GroveError:
            metrics.DROPPED.labels(endpoint.name, "reply not sent").inc()


def _failed(error: GroveError, cause: BaseException | None = None) -> _Outcome:
    reply = Reply(status_code=error.status_code, reason_phrase=error.reason_phrase, timestamp=now_ms())
    return _Outcome(error.status_code, encode(reply), cause)


def _record(endpoint: Endpoint[Any], outcome: _Outcome, duration_s: float) -> None:
    """Count a handled request and write its one log line."""
    endpoint.timing.observe(duration_s)
    endpoint.handled += 1
    endpoint.busy_s += duration_s
    fields: dict[str, object] = {
        "message_type": endpoint.name,
        "status": outcome.status,
        "duration_ms": round(duration_s * 1000, 3),
    }
    if outcome.status < _FIRST_ERROR:
        _log.info("request", **fields)
        return
    endpoint.errors += 1
    if outcome.status < _FIRST_SERVER_ERROR:
        _log.info("request", reason=str(outcome.failure), **fields)
    else:
        expected = isinstance(outcome.failure, GroveError) and not isinstance(outcome.failure, InternalError)
        _log.error(
            "request", reason=repr(outcome.failure), exc_info=None if expected else outcome.failure, **fields
        )
