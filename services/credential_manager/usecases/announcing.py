"""Every change becomes its events, whatever dies between the write and the publish.

Whoever makes a change tells it: publish with acknowledgement, then note on the record that it is
told. Where that fails, or the process dies in between, ``announce_from`` stays on the record, and
the task here finds it: when it is woken, every few seconds, and at the start of any replica, again
and again until the events are durable. Only the latest revision is told: an event means "ask again",
so what was overtaken needs no event of its own. At a start the changes of the last ten minutes are
told once more (delivery rule 17). Nothing waits in memory: the records are the queue.
"""

import asyncio
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, TypeVar

import structlog

from libs.contracts.errors import GroveError, UnavailableError
from services.credential_manager.domain import Record
from services.credential_manager.ports import ChangeLog, Clock, EventPublisher

RecordT = TypeVar("RecordT", bound=Record)

REPEATED_AT_START: Final = timedelta(minutes=10)

_BATCH: Final = 64
_READ_AT_ONCE: Final = 1024
"""The embedded store reads all that is due, however little of it is taken."""
_POSSIBLE_WITHIN_S: Final = 1.0
_REPEAT_WITHIN_S: Final = 15.0
_FIRST_PAUSE_S: Final = 0.1
_LONGEST_PAUSE_S: Final = 1.0
_FORGET_EVERY_S: Final = 60.0
_STOP_S: Final = 1.0
_FOR_EVER: Final = timedelta(days=1)

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How long things may take.

    Attributes:
        tell_within_s: How long a request waits for its events to be durable.
        sweep_every_s: How often leftovers of other replicas are looked for.
    """

    tell_within_s: float
    sweep_every_s: float


class Announcer:
    """Tells what changed in ``logs``; :meth:`run` is its root task."""

    def __init__(
        self,
        logs: dict[type[Record], ChangeLog[Any]],
        *,
        events: EventPublisher,
        clock: Clock,
        pace: Pace,
    ) -> None:
        self._logs = logs
        self._events = events
        self._clock = clock
        self._pace = pace
        self._due = asyncio.Event()
        self._working = asyncio.Lock()
        self._stopped = False
        self._forget_at = 0.0

    async def tell(self, record: Record) -> None:
        """Return when the events of this revision are durable; at once if they were before.

        Raises:
            UnavailableError: They are not yet; the task goes on trying.
        """
        await self._tell(record, within_s=self._pace.tell_within_s)

    async def tell_if_possible(self, record: Record) -> None:
        """The same for changes that take nothing away: wait briefly, else leave it to the task."""
        with suppress(UnavailableError):
            await self._tell(record, within_s=min(self._pace.tell_within_s, _POSSIBLE_WITHIN_S))

    def tell_later(self) -> None:
        """Let the task tell what is due, now."""
        self._due.set()

    async def run(self) -> None:
        """Tell what is due until cancelled; a store or a bus that is away is waited for."""
        since: datetime | None = self._clock.now() - REPEATED_AT_START
        pause_s = _FIRST_PAUSE_S
        while not self._stopped:
            self._due.clear()
            async with self._working:
                told = await self._round(since)
            if told:
                since = None
                pause_s = _FIRST_PAUSE_S
                with suppress(TimeoutError):
                    async with asyncio.timeout(self._pace.sweep_every_s):
                        await self._due.wait()
            else:
                await asyncio.sleep(pause_s)
                pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
        await asyncio.Event().wait()

    async def stop(self) -> None:
        """Begin nothing any more, and give what is under way a moment; the next start tells the rest."""
        self._stopped = True
        with suppress(TimeoutError):
            async with asyncio.timeout(_STOP_S), self._working:
                return

    async def _tell(self, record: Record, *, within_s: float) -> None:
        if record.announce_from is None:
            return
        try:
            await self._publish(record, within_s=within_s)
        except GroveError as error:
            self._due.set()
            raise UnavailableError(
                "the change is stored, but the transports may not know it yet; repeat the request to be sure"
            ) from error
        with suppress(UnavailableError):  # the mark alone is missing: the events are repeated
            await self._logs[type(record)].mark_announced([record])

    async def _round(self, since: datetime | None) -> bool:
        """Tell everything that is due, and at a start everything since then; whether all are told."""
        now = self._clock.now()
        due_by = now if since is None else now + _FOR_EVER
        try:
            for log in self._logs.values():
                if not (await self._sweep(log, due_by) and await self._repeat(log, since)):
                    return False
            await self._forget(now)
        except GroveError as error:
            _log.warning("announcing.interrupted", reason=error.reason_phrase)
            return False
        return True

    async def _sweep(self, log: ChangeLog[RecordT], due_by: datetime) -> bool:
        while due := await log.unannounced(due_by=due_by, limit=_READ_AT_ONCE):
            for start in range(0, len(due), _BATCH):
                if not await self._tell_each(log, due[start : start + _BATCH]):
                    return False
        return True

    async def _repeat(self, log: ChangeLog[RecordT], since: datetime | None) -> bool:
        if since is None:
            return True
        batch: list[RecordT] = []
        async for record in log.changed_since(since):
            batch.append(record)
            if len(batch) == _BATCH:
                if not await self._tell_each(log, batch):
                    return False
                batch.clear()
        return await self._tell_each(log, batch)

    async def _tell_each(self, log: ChangeLog[RecordT], batch: Sequence[RecordT]) -> bool:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(self._tell_again(record), name="announce") for record in batch]
        told = [record for record, task in zip(batch, tasks, strict=True) if task.result()]
        failed = len(batch) - len(told)
        if failed:
            _log.warning("announcing.failed", records=failed)
        await log.mark_announced([record for record in told if record.announce_from is not None])
        return not failed

    async def _tell_again(self, record: Record) -> bool:
        try:
            await self._publish(record, within_s=_REPEAT_WITHIN_S)
        except GroveError:
            return False
        return True

    async def _publish(self, record: Record, *, within_s: float) -> None:
        ends_at = time.monotonic() + within_s
        for announcement in record.announcements():
            await self._events.publish(announcement, deadline_s=ends_at - time.monotonic())

    async def _forget(self, now: datetime) -> None:
        if time.monotonic() >= self._forget_at:
            self._forget_at = time.monotonic() + _FORGET_EVERY_S
            for log in self._logs.values():
                await log.forget(before=now)
