"""Asks whose tokens these are, of many tokens at once (protocol/delivery.md rule 17).

The first question goes out at once, alone. While a few are on their way the next ones wait, and then go
together: a fleet that comes back, or that is larger than what its transport remembers for 30 s, asks in
questions of 64 tokens, which cost credential-manager and its store a tenth of 64 questions.
"""

import asyncio
from collections import deque
from typing import Final, Protocol

from libs.bus.cache import NotAskedError
from libs.bus.requests import SilenceError
from libs.bus.tasks import TaskSet
from libs.contracts.ecap import (
    MAX_TOKENS_TOGETHER,
    VALIDATE_TOKENS,
    EndpointTokensValidationRequest,
    TokenClaim,
    TokenHolder,
)
from libs.contracts.errors import GroveError, InternalError, error_for
from libs.contracts.messages import ReplyT, Request
from libs.contracts.subjects import Subjects

ON_THEIR_WAY: Final = 4
"""Questions without an answer yet."""
_OK: Final = 200


class QuestionBus(Protocol):
    """What is needed of a :class:`libs.bus.Bus` to ask."""

    subjects: Subjects

    async def request(
        self, subject: str, message: Request, reply_type: type[ReplyT], *, timeout_s: float = ...
    ) -> ReplyT: ...


class _Waiting:
    """Somebody who wants to know about a token."""

    __slots__ = ("answer", "asked", "claim")

    def __init__(self, claim: TokenClaim) -> None:
        self.claim = claim
        self.asked = False
        self.answer: asyncio.Future[TokenHolder] = asyncio.get_running_loop().create_future()


class TokenQuestions:
    """The questions of one process."""

    def __init__(self, bus: QuestionBus, *, timeout_s: float) -> None:
        """Give each answer ``timeout_s``, waiting for its question included."""
        self._bus = bus
        self._timeout_s = timeout_s
        self._waiting: deque[_Waiting] = deque()
        self._sending = TaskSet(limit=ON_THEIR_WAY)
        self._on_their_way = 0

    async def ask(self, application: str, token: str) -> TokenHolder:
        """Whose token this is.

        Raises:
            NotAskedError: It was no turn of this question in time.
            GroveError: What credential-manager says of the token, or why it cannot be asked.
        """
        waiting = _Waiting(TokenClaim(application, token))
        self._waiting.append(waiting)
        self._send()
        try:
            async with asyncio.timeout(self._timeout_s):
                holder = await waiting.answer
        except TimeoutError:
            if waiting.asked:
                raise SilenceError from None
            raise NotAskedError("too many tokens are being asked for") from None
        if holder.status_code != _OK:
            raise error_for(holder.status_code, holder.reason_phrase)
        return holder

    def _send(self) -> None:
        while self._waiting and self._on_their_way < ON_THEIR_WAY:
            together: list[_Waiting] = []
            while self._waiting and len(together) < MAX_TOKENS_TOGETHER:
                waiting = self._waiting.popleft()
                if not waiting.answer.done():  # who gave up is not asked for
                    waiting.asked = True
                    together.append(waiting)
            if together:
                self._on_their_way += 1
                self._sending.spawn(self._ask(together), name="whose tokens")

    async def _ask(self, together: list[_Waiting]) -> None:
        try:
            holders = await self._holders(tuple(each.claim for each in together))
        except GroveError as error:
            for each in together:
                if not each.answer.done():
                    each.answer.set_exception(error_for(error.status_code, error.reason_phrase))
        else:
            for each, holder in zip(together, holders, strict=True):
                if not each.answer.done():
                    each.answer.set_result(holder)
        finally:
            self._on_their_way -= 1
            self._send()

    async def _holders(self, claims: tuple[TokenClaim, ...]) -> tuple[TokenHolder, ...]:
        subject = VALIDATE_TOKENS.subject(self._bus.subjects)
        message = EndpointTokensValidationRequest(tokens=claims)
        reply = await self._bus.request(subject, message, VALIDATE_TOKENS.reply, timeout_s=self._timeout_s)
        if len(reply.holders) != len(claims):
            raise InternalError
        return reply.holders
