"""Who is connected here, told in time and in order (protocol/delivery.md rules 18 and 19).

Whoever hears an endpoint only notes it in :class:`Bindings`; one task announces what is new and what is
over, many endpoints a message, so that a thousand devices that connect at once cost a handful of
messages. After a cut of NATS all bindings are said again with the generations they have, which heals a
register that gave this replica up and changes nothing else.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterable
from typing import Final

import structlog

from libs.contracts.connectivity import ALIVE_EVERY_S, MAX_ENDPOINTS
from libs.contracts.ecap import EndpointTokenRevokedEvent
from libs.contracts.errors import GroveError
from services.mqtt_transport.domain.bindings import Binding, Bindings
from services.mqtt_transport.ports import Connectivity

_RETRY_S: Final = 0.5
_log = structlog.get_logger()


class Presence:
    """Keeps and tells the bindings of this replica; :meth:`run` and :meth:`say_alive` are root tasks."""

    def __init__(
        self,
        bindings: Bindings,
        connectivity: Connectivity,
        *,
        clock: Callable[[], float] = time.monotonic,
        alive_every_s: float = ALIVE_EVERY_S,
    ) -> None:
        self._bindings = bindings
        self._connectivity = connectivity
        self._clock = clock
        self._alive_every_s = alive_every_s
        self._wake = asyncio.Event()
        self._told = asyncio.Condition()
        self._telling = asyncio.Lock()
        self._restate = False

    # --- what happens ---------------------------------------------------------------------------

    def heard(self, spoken: Binding) -> bool:
        """Note that an endpoint spoke; True when it was not known to be bound like this."""
        news = self._bindings.heard(spoken, now=self._clock())
        if news:
            self._wake.set()
        return news

    def find(self, endpoint_id: str) -> Binding | None:
        """Who speaks for an endpoint here."""
        return self._bindings.find(endpoint_id)

    def is_current(self, binding: Binding) -> bool:
        """Whether a binding still holds, as far as is known, so that another message says nothing new."""
        return self._bindings.find(binding.endpoint_id) is binding and not binding.contested

    def closed(self, connection: int) -> None:
        """Note that a connection is gone."""
        if self._bindings.close(connection, now=self._clock()):
            self._wake.set()

    def revoked(self, event: EndpointTokenRevokedEvent) -> None:
        """End what rests on tokens that are no longer accepted."""
        if self._bindings.revoke(event.endpoint_id, event.token_ids, now=self._clock()):
            self._wake.set()

    def announced_elsewhere(self, endpoint_ids: Iterable[str]) -> None:
        """Note that another replica has announced these endpoints."""
        self._bindings.contest(endpoint_ids)

    def cut(self) -> None:
        """Note that others' announcements may have been missed, and ours forgotten."""
        self._bindings.contest_all()
        self.restate()

    def restate(self) -> None:
        """Let all bindings be announced again."""
        self._restate = True
        self._wake.set()

    async def binding(self, endpoint_id: str, *, within_s: float) -> Binding | None:
        """Find the binding of an endpoint, waiting a moment for one whose announcement is on its way."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within_s), self._told:
                await self._told.wait_for(lambda: self._is_stated(endpoint_id))
        return self._bindings.find(endpoint_id)

    def _is_stated(self, endpoint_id: str) -> bool:
        binding = self._bindings.find(endpoint_id)
        return binding is None or binding.generation is not None

    # --- telling it -----------------------------------------------------------------------------

    async def run(self) -> None:
        """Announce until cancelled."""
        while True:
            await self._something_to_tell()
            try:
                await self.tell()
            except GroveError as error:
                _log.warning("presence_not_told", bindings=len(self._bindings), reason=error.reason_phrase)
                await asyncio.sleep(_RETRY_S)

    async def tell(self) -> None:
        """Announce everything that waits.

        Raises:
            GroveError: It cannot be announced now, and waits.
        """
        async with self._telling:
            self._bindings.settle_claims(now=self._clock())
            if self._restate:
                await self._state_again()
            while self._bindings.untold:
                await self._tell_new()
                await self._tell_over()

    async def stop(self) -> None:
        """Announce what still waits, and that this replica leaves."""
        with contextlib.suppress(GroveError):
            await self.tell()
            await self._connectivity.alive(bindings=0, leaving=True)

    async def say_alive(self) -> None:
        """Say every few seconds that this replica lives, until cancelled."""
        while True:
            with contextlib.suppress(GroveError):  # counted by the bus; the next one is soon
                if await self._connectivity.alive(bindings=len(self._bindings)):
                    self.restate()
            await asyncio.sleep(self._alive_every_s)

    async def _something_to_tell(self) -> None:
        claim_at = self._bindings.next_claim_at
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(None if claim_at is None else max(0.0, claim_at - self._clock())):
                await self._wake.wait()
        self._wake.clear()

    async def _tell_new(self) -> None:
        new = self._bindings.take_unstated(MAX_ENDPOINTS)
        if not new:
            return
        try:
            generation = await self._connectivity.connected(_versions(new))
        except BaseException:
            self._bindings.give_back_unstated(new)
            self._wake.set()
            raise
        self._bindings.stated(new, generation)
        async with self._told:
            self._told.notify_all()

    async def _tell_over(self) -> None:
        endings = self._bindings.take_endings(MAX_ENDPOINTS)
        if not endings:
            return
        try:
            await self._connectivity.disconnected(endings)
        except BaseException:
            self._bindings.give_back_endings(endings)
            self._wake.set()
            raise

    async def _state_again(self) -> None:
        self._restate = False
        stated = list(self._bindings.all_stated())
        try:
            for start in range(0, len(stated), MAX_ENDPOINTS):
                # Looked at again for each message: what ended meanwhile must not be said after its end.
                part = [each for each in stated[start : start + MAX_ENDPOINTS] if self._holds(each)]
                if part:
                    generations = {each.endpoint_id: each.generation or "" for each in part}
                    await self._connectivity.restated(_versions(part), generations)
        except BaseException:
            self.restate()
            raise

    def _holds(self, binding: Binding) -> bool:
        return self._bindings.find(binding.endpoint_id) is binding


def _versions(bindings: Iterable[Binding]) -> dict[str, str]:
    return {binding.endpoint_id: binding.app_version for binding in bindings}
