"""One open stream: what it tells next, whether its key still holds, when to say that it lives.

It ends when it is told to, when its key is no longer accepted, and when its reader is gone or does not read.
While nobody can say whether the key holds, nothing is told.
"""

import asyncio
import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Final

from libs.contracts.errors import GroveError, UnauthorizedError, UnavailableError
from services.api_gateway import metrics
from services.api_gateway.live import sse
from services.api_gateway.live.log import EventLog
from services.api_gateway.live.mailbox import Mailbox
from services.api_gateway.live.places import Gap, Place, beginning, skipped
from services.api_gateway.live.showing import Told, Wanted

Write = Callable[[bytes], Awaitable[None]]
Check = Callable[[], Awaitable[None]]

_EVENTS_AT_ONCE: Final = 64
_BYTES_AT_ONCE: Final = 256 * 1024
_SHORTEST_REST_S: Final = 0.01


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How often what is done.

    Attributes:
        heartbeat_s: Longest silence.
        check_s: How long a key counts as accepted after it was checked; also the longest rest.
    """

    heartbeat_s: float = 15.0
    check_s: float = 1.0


class Follower:
    """Tells one reader what it may see and wants to.

    Args:
        wanted: What that is.
        log: Control events.
        check: Raises UnauthorizedError once the key is no longer accepted.
        pace: How often what is done.

    Attributes:
        wanted: As given.
        hears: Set once data events reach it.
    """

    def __init__(self, wanted: Wanted, *, log: EventLog, check: Check, pace: Pace) -> None:
        self.wanted = wanted
        self.hears = asyncio.Event()
        self._log = log
        self._check = check
        self._pace = pace
        self._mailbox = Mailbox()
        self._woken = asyncio.Event()
        self._ending: str | None = None
        self._place = Place(stream=log.stream, created_ms=0, sequence=0)
        self._first_gap: Gap | None = None
        self._more = False
        self._rest_s = _SHORTEST_REST_S
        self._checked_at = self._written_at = -math.inf
        self._let_in = True

    # --- from outside ---------------------------------------------------------------------------

    async def begin(self, last: Place | None) -> None:
        """Find the place to go on from.

        Raises:
            UnavailableError: There is no stream of control events now.
        """
        extent = await self._log.extent(fresh=True)
        self._place, self._first_gap = beginning(self._log.stream, extent, last)

    def wake(self) -> None:
        """There may be something to tell."""
        self._rest_s = _SHORTEST_REST_S
        self._woken.set()

    def offer(self, told: Told, block: bytes) -> None:
        """A data event happened; ``block`` is how it is told where all of it is shown."""
        text = self.wanted.shown(told)
        if text is not None:
            whole = text is told.text
            metrics.LIVE_LOST.inc(self._mailbox.put(block if whole else sse.block(told.kind, text)))
            self.wake()

    def end(self, reason: str) -> None:
        """Tell nothing more."""
        self._ending = self._ending or reason
        self._woken.set()

    # --- its life -------------------------------------------------------------------------------

    async def run(self, write: Write, *, is_gone: Callable[[], bool]) -> None:
        """Tell what happens until the end; :meth:`begin` comes first.

        Raises:
            TimeoutError: The reader does not read.
            ConnectionError: The reader is gone.
        """
        # Where something is missing, the id must not be told before that.
        opening = sse.opening("" if self._first_gap else str(self._place))
        await self._write(write, opening + self._said(self._first_gap))
        while self._ending is None:
            if is_gone():
                raise ConnectionResetError("the reader is gone")
            self._woken.clear()
            self._more = False
            is_let_in = await self._is_let_in()
            piece = await self._next_piece() if is_let_in else b""
            if not piece and self._now() - self._written_at >= self._pace.heartbeat_s:
                piece = sse.heartbeat(str(self._place))
            if piece:
                await self._write(write, piece)
            if is_let_in and (self._more or len(self._mailbox)):
                await asyncio.sleep(0)  # what is remembered costs no waiting, and there are others
            elif not piece:
                await self._rest()
        await self._write(write, sse.said(sse.END, message=self._ending))

    async def _next_piece(self) -> bytes:
        parts: list[bytes] = []
        lost, data = self._mailbox.take()
        if lost:
            parts.append(sse.said(sse.LOST, message="data events were lost: read faster", count=lost))
        parts.append(data)
        try:
            await self._go_on(parts)
        except UnavailableError:
            self._more = False  # it is tried again after a rest
        return b"".join(parts)

    async def _go_on(self, parts: list[bytes]) -> None:
        extent = await self._log.extent()
        if extent.created_ms != self._place.created_ms:
            self._place, gap = beginning(self._log.stream, extent, self._place)
            parts.append(self._said(gap))
        for _ in range(_EVENTS_AT_ONCE):
            if extent.last_sequence <= self._place.sequence and not self._log.expecting:
                return
            entry = await self._log.behind(self._place)
            following = extent.first_sequence if entry is None else entry.sequence
            gap = skipped(self._place.sequence, following)
            if gap is not None:
                self._place = replace(self._place, sequence=following - 1)
                parts.append(self._said(gap))
            if entry is None:
                return
            self._place = replace(self._place, sequence=entry.sequence)
            self._rest_s = _SHORTEST_REST_S
            text = None if entry.told is None else self.wanted.shown(entry.told)
            if text is not None and entry.told is not None:
                parts.append(sse.block(entry.told.kind, text, place=str(self._place)))
            if sum(map(len, parts)) > _BYTES_AT_ONCE:
                break
        self._more = True

    def _said(self, gap: Gap | None) -> bytes:
        if gap is None:
            return b""
        return sse.said(sse.GAP, place=str(self._place), message=gap.reason, missed=gap.missed)

    async def _is_let_in(self) -> bool:
        if self._now() - self._checked_at < self._pace.check_s:
            return self._let_in
        try:
            await self._check()
        except UnauthorizedError as error:
            self._let_in = False
            self.end(error.reason_phrase)
        except GroveError:
            self._let_in = False  # nobody knows; what there is to tell waits
        else:
            self._let_in = True
        self._checked_at = self._now()
        return self._let_in

    async def _rest(self) -> None:
        try:
            async with asyncio.timeout(self._rest_s):
                await self._woken.wait()
        except TimeoutError:
            self._rest_s = min(2 * self._rest_s, self._pace.check_s)

    async def _write(self, write: Write, piece: bytes) -> None:
        await write(piece)
        self._written_at = self._now()

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()
