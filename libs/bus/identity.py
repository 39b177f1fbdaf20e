"""Who is speaking: the identity cache that every transport keeps (protocol/delivery.md rule 17).

Two questions are asked for each device request and answered from memory where possible: which
application an application version belongs to (endpoint-register knows), and whose token this is
(credential-manager knows). An answer is wrong from the moment its event was sent, so events are
heard, and whatever may have been missed empties the cache.

An event concerns one endpoint, or the refusals of one application. It takes exactly those answers
back and repeats exactly those lookups on their way that gave one of them: when a fleet starts,
each first use of a token sends an event, and with "any event repeats every lookup" no device
would get through.

Tokens are no keys here. An answer that is never asked for again stays until it is pushed out,
so memory would hold the secrets of the whole fleet for hours; a keyed digest costs 1.3 us of a
request's several hundred, and gives keys of one size whatever a stranger sends as a token.
"""

import asyncio
import hashlib
import secrets
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar
from typing import Protocol, TypeAlias

from msgspec import Struct
from prometheus_client import Counter

from libs.bus.cache import MAX_REPEATS, LookupCache, NotAskedError
from libs.bus.concerned import Concerned
from libs.bus.token_questions import ON_THEIR_WAY, TokenQuestions
from libs.contracts.ecap import (
    MAX_TOKENS_TOGETHER,
    TOKEN_REVOKED,
    TOKEN_STATUS_CHANGED,
    EndpointTokenRevokedEvent,
    EndpointTokenStatusChangedEvent,
)
from libs.contracts.errors import (
    GroveError,
    NotFoundError,
    UnauthorizedError,
)
from libs.contracts.ids import application_of, is_token
from libs.contracts.lifecycle import (
    CONFIGURATION_DELETED,
    CONFIGURATION_UPSERTED,
    RESOLVE_APP_VERSION,
    AppVersionRequest,
    AppVersionResponse,
    ConfigurationUpdatedEvent,
)
from libs.contracts.messages import EventT, ReplyT, Request
from libs.contracts.subjects import Subjects
from libs.contracts.tokens import ACCEPTED

MAX_ENTRIES = 100_000
"""Tokens remembered; 85 MB when full. A fleet larger than this asks again more often."""
MAX_VERSIONS = 4_096

_LOOKUPS_AT_ONCE = ON_THEIR_WAY * MAX_TOKENS_TOGETHER
"""Tokens that one process asks about: a fleet that comes back waits here, where it costs nothing."""
_DIGEST_BYTES = 16

_ASKED = Counter("grove_identity_asked_total", "Questions put to the identity cache.", ["question"])
_VERSION_ASKED, _TOKEN_ASKED = _ASKED.labels("version"), _ASKED.labels("token")
_LOOKUPS = Counter(
    "grove_identity_lookups_total", "Questions that memory could not answer.", ["question", "status"]
)

TokenKey: TypeAlias = tuple[str, bytes]
OnRevoked: TypeAlias = Callable[[EndpointTokenRevokedEvent], None]


class Speaker(Struct, frozen=True):
    """Whom a token belongs to."""

    endpoint_id: str
    token_id: str


class IdentityBus(Protocol):
    """What identity needs of a :class:`libs.bus.Bus`."""

    subjects: Subjects

    async def request(
        self, subject: str, message: Request, reply_type: type[ReplyT], *, timeout_s: float = ...
    ) -> ReplyT: ...

    async def listen(
        self, subject: str, event_type: type[EventT], handler: Callable[[EventT], None]
    ) -> None: ...

    def on_cut(self, callback: Callable[[], None]) -> None: ...


class Identity:
    """Answers who is speaking, from memory or by asking the owner.

    Attributes:
        epoch: Changes whenever an answer given earlier may no longer hold; who acts on an answer
            later than it was given compares this, and asks again if it has changed.
    """

    def __init__(
        self,
        bus: IdentityBus,
        *,
        clock: Callable[[], float] = time.monotonic,
        max_entries: int = MAX_ENTRIES,
        timeout_s: float = 5.0,
        grace_s: float = 0.0,
    ) -> None:
        """Ask over ``bus``, each lookup for at most ``timeout_s``; call :meth:`start` before use.

        While an owner cannot answer, what it said before holds for up to ``grace_s`` longer, unless an
        event or a cut has taken it back (docs/adr/0006).
        """
        self.epoch = 0
        self._bus = bus
        self._turns = asyncio.Semaphore(_LOOKUPS_AT_ONCE)
        self._timeout_s = timeout_s
        self._secret = secrets.token_bytes(32)
        self._questions = TokenQuestions(bus, timeout_s=timeout_s)
        self._versions = LookupCache(
            self._load_version, max_entries=MAX_VERSIONS, grace_s=grace_s, clock=clock
        )
        self._tokens = LookupCache(self._load_speaker, max_entries=max_entries, grace_s=grace_s, clock=clock)
        self._concerned = Concerned(self._tokens.invalidate, max_keys=2 * max_entries)
        self._watches: set[_Watch] = set()
        self._on_revoked: list[OnRevoked] = []

    async def start(self) -> None:
        """Hear what takes answers back; when this returns nothing can be missed unnoticed."""
        self._bus.on_cut(self.forget)
        subjects, listen = self._bus.subjects, self._bus.listen
        await listen(TOKEN_REVOKED.subject(subjects), TOKEN_REVOKED.event, self._token_revoked)
        await listen(
            TOKEN_STATUS_CHANGED.subject(subjects), TOKEN_STATUS_CHANGED.event, self._token_status_changed
        )
        for event in (CONFIGURATION_UPSERTED, CONFIGURATION_DELETED):
            await listen(event.subject(subjects), event.event, self._configuration_changed)

    def on_revoked(self, callback: OnRevoked) -> None:
        """Call with each event of revoked tokens, after the cache has forgotten them.

        For ending what already goes on with such a token. Events missed during a cut are not made
        up for: who holds something alive listens to ``Bus.on_cut`` too.
        """
        self._on_revoked.append(callback)

    async def version(self, name: str) -> AppVersionResponse:
        """Tell which application a version belongs to and which extensions it allows.

        Raises:
            NotFoundError: There is no such version.
            GroveError: The owner could not be asked.
        """
        _VERSION_ASKED.inc()
        if application_of(name) is None:
            raise NotFoundError("unknown application version")
        return await self._versions.get(name)

    async def speaker(self, application: str, token: str) -> Speaker:
        """Tell whom a token belongs to.

        Raises:
            UnauthorizedError: There is no such token in this application.
            ForbiddenError: It is suspended or revoked.
            GroveError: The owner could not be asked.
        """
        _TOKEN_ASKED.inc()
        if not is_token(token):
            raise UnauthorizedError("unknown token")
        digest = hashlib.blake2b(token.encode(), key=self._secret, digest_size=_DIGEST_BYTES).digest()
        # The lookup inherits the context of whoever asks first; that is how it learns the token.
        before = _token.set(token)
        try:
            return await self._tokens.get((application, digest))
        finally:
            _token.reset(before)

    def forget(self) -> None:
        """Forget everything: events may have been missed."""
        self.epoch += 1
        self._versions.clear()
        self._tokens.clear()
        self._concerned.clear()

    async def _load_version(self, name: str) -> AppVersionResponse:
        subject = RESOLVE_APP_VERSION.subject(self._bus.subjects)
        message = AppVersionRequest(app_version_name=name)
        with _counted("version"):
            return await self._bus.request(
                subject, message, RESOLVE_APP_VERSION.reply, timeout_s=self._timeout_s
            )

    async def _load_speaker(self, key: TokenKey) -> Speaker:
        application = key[0]
        async with self._turn():
            # The watch begins with the turn: what is heard before anything is asked makes no answer wrong.
            with self._watching(application) as watch:
                return await self._load_unchanged(key, watch)

    async def _load_unchanged(self, key: TokenKey, watch: "_Watch") -> Speaker:
        application = key[0]
        for _ in range(MAX_REPEATS):
            watch.reset()
            try:
                speaker = await self._ask_whose_token(application)
            except GroveError as error:
                if error.retried:
                    raise
                if watch.refusals:
                    continue
                self._concerned.add(("refusals", application), key)
                raise
            if speaker.endpoint_id not in watch.endpoints:
                self._concerned.add(("endpoint", speaker.endpoint_id), key)
                return speaker
        raise NotAskedError("the token changes too often")

    async def _ask_whose_token(self, application: str) -> Speaker:
        with _counted("token"):
            holder = await self._questions.ask(application, _token.get())
        if holder.endpoint_id is None:
            raise UnauthorizedError("unknown token")
        return Speaker(endpoint_id=holder.endpoint_id, token_id=holder.token_id or "")

    def _token_revoked(self, event: EndpointTokenRevokedEvent) -> None:
        self._forget_endpoint(event.endpoint_id)
        self._forget_refusals(event.app_name)
        for callback in self._on_revoked:
            callback(event)

    def _token_status_changed(self, event: EndpointTokenStatusChangedEvent) -> None:
        # A token that became accepted makes refusals wrong, but never the answer that it is accepted.
        if event.status not in ACCEPTED:
            self._forget_endpoint(event.endpoint_id)
        self._forget_refusals(event.app_name)

    def _configuration_changed(self, event: ConfigurationUpdatedEvent) -> None:
        self.epoch += 1
        if event.app_ver_name is not None:
            self._versions.invalidate(event.app_ver_name)
        else:
            self._versions.invalidate_keys(lambda name: application_of(name) == event.app_name)

    def _forget_endpoint(self, endpoint_id: str) -> None:
        self.epoch += 1
        self._concerned.forget(("endpoint", endpoint_id))
        for watch in self._watches:
            watch.endpoints.add(endpoint_id)

    def _forget_refusals(self, application: str) -> None:
        self._concerned.forget(("refusals", application))
        for watch in self._watches:
            watch.refusals = watch.refusals or watch.application == application

    @asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(self._timeout_s):
                await self._turns.acquire()
        except TimeoutError:
            raise NotAskedError("too many tokens are being asked for") from None
        try:
            yield
        finally:
            self._turns.release()

    @contextmanager
    def _watching(self, application: str) -> Iterator["_Watch"]:
        watch = _Watch(application)
        self._watches.add(watch)
        try:
            yield watch
        finally:
            self._watches.discard(watch)


_token: ContextVar[str] = ContextVar("token")


class _Watch:
    """The events that arrived while one lookup was on its way."""

    __slots__ = ("application", "endpoints", "refusals")

    def __init__(self, application: str) -> None:
        self.application = application
        self.reset()

    def reset(self) -> None:
        self.endpoints: set[str] = set()
        self.refusals = False


@contextmanager
def _counted(question: str) -> Iterator[None]:
    status = "200"
    try:
        yield
    except GroveError as error:
        status = str(error.status_code)
        raise
    finally:
        _LOOKUPS.labels(question, status).inc()
