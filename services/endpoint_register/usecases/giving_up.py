"""What a dead transport held is ended for it (protocol/delivery.md rule 19).

Every replica watches every transport: one whose stamp did not change for some time of uninterrupted
watching is silent. Only our own monotonic clock judges, and a watch that was interrupted - by a start, a
cut of NATS, a store that did not answer, a pause of this process - begins anew, because then nobody may
have been there to be told. Whoever marks a silent transport first tells everybody whom it held, writes
that down for each and forgets it; should that one die meanwhile, its mark falls silent as well and
another goes on.

The mark alone makes all of them offline for readers, and they are told before they are written: the
embedded store needs a millisecond for each. An event names generations, so it ends nothing that began later.
"""

import asyncio
import hashlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

import structlog

from libs.contracts.connectivity import GIVEN_UP, MAX_ENDPOINTS, DisconnectedEvent
from libs.contracts.errors import GroveError
from services.endpoint_register import metrics
from services.endpoint_register.domain.connectivity import Connectivity, Run, RunState
from services.endpoint_register.ports import Parts

_PUBLISH_S: Final = 10.0
_LATE_S: Final = 1.0
_TOUCH_EVERY_S: Final = 1.0
_TOGETHER: Final = 128
_ROUNDS: Final = 3
"""Of looking for what was bound meanwhile; what is bound after that is watched anew."""

_SHORT_OF_SILENCE: Final = 0.25
"""Part of the silence that a look may come late: in the rest of it a transport speaks several times."""

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long silence lasts before it means something.

    Attributes:
        silent_after_s: Of a transport that should say that it lives.
        take_over_after_s: Of a replica that should be ending what a transport held.
        every_s: How often all of them are looked at.
    """

    silent_after_s: float
    take_over_after_s: float = 10.0
    every_s: float = 0.25


class SilenceWatch:
    """Watches transports; :meth:`run` is its root task."""

    def __init__(
        self, parts: Parts, *, patience: Patience, now: Callable[[], float] = time.monotonic
    ) -> None:
        self._parts = parts
        self._patience = patience
        self._now = now
        self._looked_at = now()
        self._watched: dict[str, tuple[Run, float]] = {}

    async def run(self) -> None:
        """Watch until cancelled."""
        while True:
            try:
                await self.look()
            except GroveError as error:
                self.forget()
                _log.warning("presence.watch_interrupted", reason=error.reason_phrase)
            await asyncio.sleep(self._patience.every_s)

    def forget(self) -> None:
        """Begin to watch anew: signs of life may have been missed."""
        self._watched.clear()

    async def look(self) -> None:
        """Look once at every transport, and end what the silent ones held.

        Raises:
            GroveError: The store is away, or nobody could be told; it is done later.
        """
        gap_s = self._now() - self._looked_at
        if gap_s > max(_LATE_S, self._patience.silent_after_s * _SHORT_OF_SILENCE):
            self.forget()
            _log.warning("presence.watch_interrupted", reason="it paused", gap_s=round(gap_s, 1))
        runs = await self._parts.runs.all()
        now = self._looked_at = self._now()
        self._watched = {run.run_id: self._since(run, now) for run in runs}
        for run, since in tuple(self._watched.values()):
            if now - since >= self._limit_s(run):
                await self._give_up(run)
                self._looked_at = self._now()

    def _since(self, run: Run, now: float) -> tuple[Run, float]:
        known, since = self._watched.get(run.run_id, (None, now))
        return (run, since) if known is not None and known.stamp == run.stamp else (run, now)

    def _limit_s(self, run: Run) -> float:
        is_ending = run.state is RunState.ENDING
        return self._patience.take_over_after_s if is_ending else self._patience.silent_after_s

    async def _give_up(self, run: Run) -> None:
        began = self._now()
        ending = _Ending(self._parts, run, now=self._now)
        if not await ending.claim():
            return
        bindings = 0
        for _ in range(_ROUNDS):
            held = await ending.tell_all()
            if not held:
                break
            await ending.end(held)
            bindings += len(held)
        await ending.forget()
        metrics.GIVEN_UP.inc(bindings)
        metrics.GIVING_UP.observe(self._now() - began)
        _log.warning(
            "presence.given_up", run=run.run_id, bindings=bindings, took_s=round(self._now() - began, 3)
        )


class _Ending:
    """The end of one transport; each step may be repeated."""

    def __init__(self, parts: Parts, run: Run, *, now: Callable[[], float]) -> None:
        self._parts = parts
        self._run = run
        self._now = now
        self._touched_at = now()

    async def claim(self) -> bool:
        """Mark it; False when it has come back, or somebody else was faster."""
        return await self._touch()

    async def tell_all(self) -> list[Connectivity]:
        """Tell whom it holds, and return them."""
        held: list[Connectivity] = []
        async for part in self._parts.connectivity.held(self._run.run_id):
            held += part
        for start in range(0, len(held), MAX_ENDPOINTS):
            await self._tell(held[start : start + MAX_ENDPOINTS])
        return held

    async def end(self, held: Sequence[Connectivity]) -> None:
        """Write down that these very bindings are over."""
        for start in range(0, len(held), _TOGETHER):
            await self._parts.connectivity.end(held[start : start + _TOGETHER])
            await self._say_busy()

    async def forget(self) -> None:
        """Forget it, and know it again should something have been bound to it meanwhile."""
        await self._parts.runs.remove(self._run)
        if await self._parts.connectivity.holds_any(self._run.run_id):
            stamp = self._parts.entropy.attempt()
            await self._parts.runs.add(Run(run_id=self._run.run_id, state=RunState.OWING, stamp=stamp))

    async def _tell(self, records: Sequence[Connectivity]) -> None:
        event = DisconnectedEvent(
            endpoints={each.endpoint_id: each.version or "" for each in records},
            run_id=self._run.run_id,
            generations={each.endpoint_id: each.generation for each in records},
        )
        digest = hashlib.sha256("\n".join(f"{each.endpoint_id} {each.key}" for each in records).encode())
        await self._parts.events.publish(
            GIVEN_UP, event, message_id=f"given-up-{digest.hexdigest()}", deadline_s=_PUBLISH_S
        )
        await self._say_busy()

    async def _say_busy(self) -> None:
        if self._now() - self._touched_at >= _TOUCH_EVERY_S:
            await self._touch()

    async def _touch(self) -> bool:
        """Give it a new stamp; somebody who took it over keeps his."""
        marked = replace(self._run, state=RunState.ENDING, stamp=self._parts.entropy.attempt())
        if not await self._parts.runs.replace(self._run, marked):
            return False
        self._run, self._touched_at = marked, self._now()
        return True
