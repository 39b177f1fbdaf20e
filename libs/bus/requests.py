"""Ask another service and wait for its answer.

One subscription takes all answers of a process. It is ours and not nats-py's because nats-py lets
a caller whose connection was cut wait for its whole timeout; here it fails at once. Who serves is
looked for until the deadline, so that a service being rolled is invisible; once a request has
been sent its fate is unknown and it is never sent again. What a request rests on may end while nobody
is there: ``check`` is awaited before each attempt.
"""

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from itertools import count
from random import SystemRandom
from typing import TypeAlias

from nats.aio.msg import Msg

from libs.bus import metrics
from libs.bus.codec import decode_reply, encode, stamped
from libs.bus.connection import Connection, NotSentError
from libs.contracts.errors import DeadlineError, GroveError, UnavailableError
from libs.contracts.messages import ReplyT, Request

FIRST_PAUSE_S = 0.05
LONGEST_PAUSE_S = 0.5
LONGEST_REQUEST_PAUSE_S = 0.25
"""Shorter, because somebody waits: a service that is rolled again and again still has to be met."""
LEAST_ATTEMPT_S = 0.1
"""No attempt with less time than this: it would turn a sure 503 into an unsure 504."""

NO_RESPONDERS = "503"
"""Status of what a server answers in the place of a subscriber that there is not."""
_CHANCE = SystemRandom()


Check: TypeAlias = Callable[[], Awaitable[None]]
"""Awaited before a message is sent; what it raises keeps the message from being sent."""


async def always() -> None:
    """Let every attempt go on."""


class NobodyThereError(UnavailableError):
    """The server knows no subscriber; the message was certainly not delivered."""

    default_phrase = "the service is not available"


class SilenceError(DeadlineError):
    """No answer in time."""

    default_phrase = "the service did not answer in time"


class Requester:
    """The answers a process waits for."""

    def __init__(self, connection: Connection) -> None:
        """Use a connection; call :meth:`start` before anything else."""
        self._connection = connection
        self._prefix = f"{connection.inbox_prefix}.{secrets.token_urlsafe(12)}."
        self._numbers = count(1)
        self._waiting: dict[str, asyncio.Future[Msg]] = {}

    async def start(self) -> None:
        """Subscribe to the answers."""
        self._connection.on_disconnect(self._fail_all)
        await self._connection.subscribe(f"{self._prefix}*", self._on_answer)

    async def request(
        self,
        subject: str,
        message: Request,
        reply_type: type[ReplyT],
        *,
        timeout_s: float,
        check: Check = always,
    ) -> ReplyT:
        """Send a request to whoever serves ``subject`` and return the answer.

        Raises:
            UnavailableError: Nobody served it in time, or the connection was cut while waiting.
            DeadlineError: It was delivered, and no answer came in time.
            PayloadTooLargeError: Larger than anything on the bus may be; nothing was sent.
            GroveError: The error that was answered, or what ``check`` raised; then nothing was sent.
        """
        kind = type(message).__name__
        with _counted(kind):
            body = encode(stamped(message, timeout=int(timeout_s * 1000)))
            answer = await self._ask_until_somebody_is_there(
                subject, body, timeout_s=timeout_s, kind=kind, check=check
            )
            return decode_reply(answer.data, reply_type)

    async def exchange(
        self, subject: str, body: bytes, *, timeout_s: float, headers: dict[str, str] | None = None
    ) -> Msg:
        """Send once and return the answer.

        Raises:
            NotSentError: It was not sent.
            NobodyThereError: Nobody is subscribed.
            SilenceError: No answer in time.
            UnavailableError: The connection was cut while waiting.
        """
        loop = asyncio.get_running_loop()
        token = str(next(self._numbers))
        answer: asyncio.Future[Msg] = loop.create_future()
        self._waiting[token] = answer
        timer = loop.call_later(timeout_s, _give_up, answer)
        try:
            await self._connection.publish(subject, body, reply=self._prefix + token, headers=headers)
            msg = await answer
        finally:
            timer.cancel()
            del self._waiting[token]
            if not answer.cancel() and not answer.cancelled():
                answer.exception()  # seen, should the cut have come before the message was out
        if msg.headers is not None and msg.headers.get("Status") == NO_RESPONDERS:
            raise NobodyThereError
        return msg

    async def _ask_until_somebody_is_there(
        self, subject: str, body: bytes, *, timeout_s: float, kind: str, check: Check
    ) -> Msg:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout_s
        pauses = pauses_s(longest_s=LONGEST_REQUEST_PAUSE_S)
        while True:
            try:
                await self._connection.usable(within_s=deadline - loop.time())
                await _checked(check, deadline)
                return await self.exchange(subject, body, timeout_s=deadline - loop.time())
            except (NobodyThereError, NotSentError):
                pause_s = next(pauses)
                if loop.time() + pause_s + LEAST_ATTEMPT_S >= deadline:
                    raise
            metrics.CALL_RETRIES.labels(kind).inc()
            await asyncio.sleep(pause_s)

    async def _on_answer(self, msg: Msg) -> None:
        answer = self._waiting.get(msg.subject[len(self._prefix) :])
        if answer is not None and not answer.done():
            answer.set_result(msg)

    def _fail_all(self) -> None:
        for answer in self._waiting.values():
            if not answer.done():
                answer.set_exception(UnavailableError("the connection to the bus was cut"))


def pauses_s(*, longest_s: float = LONGEST_PAUSE_S) -> Iterator[float]:
    """Give the waits between attempts: by chance, so that many callers do not come back together."""
    limit_s = FIRST_PAUSE_S
    while True:
        limit_s = min(longest_s, 2 * limit_s)
        yield _CHANCE.uniform(FIRST_PAUSE_S, limit_s)


async def _checked(check: Check, deadline: float) -> None:
    try:
        async with asyncio.timeout_at(deadline):
            await check()
    except TimeoutError as error:
        raise NotSentError from error


def _give_up(answer: asyncio.Future[Msg]) -> None:
    if not answer.done():
        answer.set_exception(SilenceError())


@contextmanager
def _counted(kind: str) -> Iterator[None]:
    status = "cancelled"
    try:
        yield
        status = "200"
    except GroveError as error:
        status = str(error.status_code)
        raise
    finally:
        metrics.CALLS.labels(kind, status).inc()
