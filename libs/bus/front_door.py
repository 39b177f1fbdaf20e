"""One device request, from parsed path to answer: what every transport does with KP1.

The order of checks is protocol/kp1.md's: the path (the transport parsed it), then version,
extension, token, state, and last the resource and the payload, which are the owner's to judge.
The table in :mod:`libs.bus.extensions` says who answers which extension. What ends a request badly is a
:class:`GroveError` somewhere below and becomes an :class:`Answer` here, once; how an answer looks
on the wire is the transport's business.
"""

import asyncio
import functools
import json
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol, TypeAlias

import structlog
from msgspec import Struct

from libs.bus.identity import Identity, IdentityBus
from libs.bus.ordering import KeyedQueue
from libs.bus.requests import Check, always, pauses_s
from libs.contracts import kp1
from libs.contracts.errors import (
    DeadlineError,
    GroveError,
    InternalError,
    NotFoundError,
    PayloadTooLargeError,
    TooManyRequestsError,
    UnavailableError,
    error_for,
)
from libs.contracts.kp1 import Kp1Path
from libs.contracts.messages import ReplyT, Request

QUEUE_WAIT_S = 30.0
"""How long a request may wait behind earlier ones of its endpoint: six owners' worth of silence."""

_FIRST_ERROR = 400
_FIRST_SERVER_ERROR = 500
_MAX_LOGGED = 100
_log = structlog.get_logger()


class Answer(Struct, frozen=True):
    """What a device is told.

    Attributes:
        status_code: Below 400 it is a success.
        reason_phrase: One sentence when it is an error.
        payload: The owner's bytes; most successes are empty.
        retry_after_s: When to come back, where that is known; 0 = it is not.
    """

    status_code: int = 200
    reason_phrase: str = ""
    payload: bytes = b""
    retry_after_s: int = 0

    @classmethod
    def to(cls, error: GroveError) -> "Answer":
        """Answer what ended in an error."""
        retry_after_s = error.retry_after_s if isinstance(error, TooManyRequestsError) else 0
        return cls(error.status_code, error.reason_phrase, retry_after_s=retry_after_s)

    @property
    def is_error(self) -> bool:
        """Whether it goes to ``/error`` rather than ``/status``."""
        return self.status_code >= _FIRST_ERROR

    @property
    def body(self) -> bytes:
        """The bytes for the device: the payload, or an error's two fields as JSON."""
        return error_body(self.status_code, self.reason_phrase) if self.is_error else self.payload


class Caller(Struct, frozen=True):
    """An endpoint that was let in.

    Attributes:
        endpoint_id: Whom the token belongs to.
        token_id: Names the token without telling it.
        epoch: Of the identity cache when it was let in.
        check: Raises when it would no longer be let in; to be asked before anything is said for it
            that had to wait.
    """

    endpoint_id: str
    token_id: str
    epoch: int
    check: Check = always


Heard: TypeAlias = Callable[[Kp1Path, Caller], None]
"""Told who speaks as soon as that is known, whatever becomes of the request."""


class DoorBus(IdentityBus, Protocol):
    """What the door needs of a :class:`libs.bus.Bus`: a request may be checked again before it is sent."""

    async def request(
        self,
        subject: str,
        message: Request,
        reply_type: type[ReplyT],
        *,
        timeout_s: float = ...,
        check: Check = ...,
    ) -> ReplyT: ...


class Extension(Protocol):
    """Answers the requests of one extension."""

    @property
    def ordered(self) -> bool:
        """Whether requests of one endpoint wait for each other (delivery rule 16)."""

    async def answer(self, path: Kp1Path, caller: Caller, payload: bytes) -> Answer: ...


class FrontDoor:
    """Lets endpoints in and takes their requests to whoever owns the extension."""

    def __init__(
        self,
        identity: Identity,
        extensions: Mapping[str, Extension],
        *,
        heard: Heard = lambda _path, _caller: None,
        queue: KeyedQueue[tuple[str, str]] | None = None,
        queue_wait_s: float = QUEUE_WAIT_S,
    ) -> None:
        """Serve ``extensions``, by the name in the path."""
        self._identity = identity
        self._heard = heard
        self._extensions = extensions
        self._queue = queue or KeyedQueue()
        self._queue_wait_s = queue_wait_s

    async def admit(self, path: Kp1Path) -> Caller:
        """Find out who is speaking and whether that is allowed; no payload is needed for it.

        Raises:
            NotFoundError: No such application version, or it has no such extension.
            UnauthorizedError: No such token in this application.
            ForbiddenError: The token is suspended or revoked.
            GroveError: It cannot be found out now.
        """
        epoch = self._identity.epoch
        version = await self._identity.version(path.app_version)
        if path.extension not in kp1.EXTENSIONS:
            raise NotFoundError("unknown extension")
        if version.extensions is not None and path.extension not in version.extensions:
            raise NotFoundError(f"application version does not use extension {path.extension}")
        if path.extension not in self._extensions:
            raise NotFoundError(f"extension {path.extension} is not available")
        speaker = await self._identity.speaker(version.application_name, path.token)
        check = functools.partial(self._check_again, path, speaker.endpoint_id, epoch)
        return Caller(speaker.endpoint_id, speaker.token_id, epoch, check)

    async def identify(self, app_version: str, token: str) -> Caller:
        """Find out whose token this is, when nothing is asked of an extension.

        Raises:
            GroveError: As :meth:`admit`.
        """
        epoch = self._identity.epoch
        version = await self._identity.version(app_version)
        speaker = await self._identity.speaker(version.application_name, token)
        return Caller(speaker.endpoint_id, speaker.token_id, epoch)

    async def answer(
        self, path: Kp1Path, payload: bytes, *, heard: Heard | None = None, persist_s: float = 0.0
    ) -> Answer:
        """Answer a request; never raises but when cancelled, and logs one line.

        Args:
            path: What is asked of whom.
            payload: As received.
            heard: Told who speaks, in place of the door's own.
            persist_s: How long to try again what may yet succeed: 409, 429, 5xx (delivery rule 13). Nothing
                takes longer than this where it is given.
        """
        started = time.perf_counter()
        attempt = _Attempt(self, path, payload, heard or self._heard)
        answer = await (attempt.persist(within_s=persist_s) if persist_s else attempt.once())
        _record(path, attempt, answer, duration_s=time.perf_counter() - started)
        return answer

    async def let_in(
        self, path: Kp1Path, *, heard: Heard | None = None, persist_s: float = 0.0
    ) -> Caller | Answer:
        """Find out who speaks, for whoever takes the request on from there; an answer is an error.

        Args:
            path: What is asked of whom.
            heard: As for :meth:`answer`.
            persist_s: As for :meth:`answer`.
        """
        started = time.perf_counter()
        attempt = _Attempt(self, path, None, heard or self._heard)
        answer = await (attempt.persist(within_s=persist_s) if persist_s else attempt.once())
        if attempt.caller is not None and not answer.is_error:
            return attempt.caller
        _record(path, attempt, answer, duration_s=time.perf_counter() - started)
        return answer

    async def in_turn(self, path: Kp1Path, caller: Caller, payload: bytes) -> Answer:
        """Ask the extension when earlier requests of this endpoint to it are answered.

        Raises:
            GroveError: How it went wrong.
        """
        extension = self._extensions[path.extension]
        if not extension.ordered:
            return await extension.answer(path, caller, payload)

        async def work() -> Answer:
            # Its turn may have come long after it was let in.
            now = caller if caller.epoch == self._identity.epoch else await self.admit(path)
            return await extension.answer(path, now, payload)

        return await self._queue.run((caller.endpoint_id, path.extension), work, wait_s=self._queue_wait_s)

    async def _check_again(self, path: Kp1Path, endpoint_id: str, epoch: int) -> None:
        if epoch == self._identity.epoch:
            return
        if (await self.admit(path)).endpoint_id != endpoint_id:
            raise UnavailableError("the token was given to another endpoint")


class _Attempt:
    """A request on its way, once or several times."""

    def __init__(self, door: FrontDoor, path: Kp1Path, payload: bytes | None, heard: Heard) -> None:
        """Ask with ``payload``; None = only find out who speaks."""
        self._door = door
        self._path = path
        self._payload = payload
        self._heard = heard
        self.caller: Caller | None = None
        self.failure: Exception | None = None

    async def once(self) -> Answer:
        return await self._outcome_of(self._ask)

    async def persist(self, *, within_s: float) -> Answer:
        """Ask until the answer is one that asking again cannot change, or time is up."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + within_s
        pauses = pauses_s()

        async def ask_in_time() -> Answer:
            try:
                async with asyncio.timeout_at(deadline):
                    return await self._ask()
            except TimeoutError:
                raise DeadlineError(f"no answer within {within_s:g} s") from None

        while True:
            answer = await self._outcome_of(ask_in_time)
            pause_s = next(pauses)
            if not may_yet_succeed(answer.status_code) or loop.time() + pause_s >= deadline:
                return answer
            await asyncio.sleep(pause_s)

    async def _ask(self) -> Answer:
        self.caller = await self._door.admit(self._path)
        self._heard(self._path, self.caller)
        if self._payload is None:
            return Answer()
        check_size(len(self._payload))
        return await self._door.in_turn(self._path, self.caller, self._payload)

    async def _outcome_of(self, ask: Callable[[], Awaitable[Answer]]) -> Answer:
        self.failure = None
        try:
            return await ask()
        except GroveError as error:
            return Answer.to(error)
        except Exception as error:  # noqa: BLE001 - the boundary: logged in full, told as 500
            self.failure = error
            return Answer(InternalError.status_code, InternalError.default_phrase)


def check_size(payload_bytes: int) -> None:
    """Refuse a payload above the limit of KP1.

    Raises:
        PayloadTooLargeError: It is.
    """
    if payload_bytes > kp1.MAX_PAYLOAD_BYTES:
        raise PayloadTooLargeError(f"payload is above the limit of {kp1.MAX_PAYLOAD_BYTES} bytes")


def error_body(status_code: int, reason_phrase: str) -> bytes:
    """Spell an error as KP1 does: exactly these two fields."""
    return json.dumps({"statusCode": status_code, "reasonPhrase": reason_phrase}).encode()


def may_yet_succeed(status_code: int) -> bool:
    """Tell whether the same request may have another outcome later; such a one is never acknowledged."""
    return status_code >= _FIRST_ERROR and error_for(status_code, None).retried


def _record(path: Kp1Path, attempt: _Attempt, answer: Answer, *, duration_s: float) -> None:
    """Write the one log line; what a stranger made up stays out of it."""
    caller = attempt.caller
    fields: dict[str, object] = {"status": answer.status_code, "duration_ms": round(duration_s * 1000, 3)}
    if caller is not None:
        fields |= {
            "app_version": path.app_version,
            "extension": path.extension,
            "resource": path.resource[:_MAX_LOGGED],
            "endpoint_id": caller.endpoint_id,
        }
    if answer.is_error:
        fields["reason"] = answer.reason_phrase
    if answer.status_code >= _FIRST_SERVER_ERROR:
        _log.error("kp1_request", exc_info=attempt.failure, **fields)
    else:
        _log.info("kp1_request", **fields)
