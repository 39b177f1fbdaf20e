"""Control events in their order, each read once however many streams of this process want it."""

import asyncio
import math
from collections import OrderedDict
from dataclasses import dataclass
from functools import partial
from typing import Final

import structlog

from libs.contracts.errors import UnavailableError
from services.api_gateway.live.places import Place
from services.api_gateway.live.sharing import Questions
from services.api_gateway.live.showing import Told, read_event
from services.api_gateway.ports import Events, Extent

MAX_BYTES: Final = 8 * 1024 * 1024
"""Of messages remembered; what is decoded of them takes some times as much."""
MAX_ENTRIES: Final = 4096
READ_AHEAD: Final = 16
"""How many events are asked for at the same time where there are that many."""
EXTENT_AGE_S: Final = 5.0
"""How old what is known of the stream may be: so late is noticed what was told and not heard."""
EXPECTED_S: Final = 2.0
"""How long an event that was heard may take to stand in the stream."""

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Entry:
    """A control event.

    Attributes:
        sequence: Its place.
        told: What it says; None = nobody can read it.
        cost_bytes: Size of its message.
    """

    sequence: int
    told: Told | None
    cost_bytes: int


class EventLog:
    """Reads the stream of control events, with a bounded memory."""

    def __init__(self, events: Events, *, max_bytes: int = MAX_BYTES) -> None:
        self._events = events
        self._max_bytes = max_bytes
        self._known: OrderedDict[int, Entry] = OrderedDict()
        self._bytes = 0
        self._entries: Questions[Entry | None] = Questions()
        self._extents: Questions[Extent] = Questions()
        self._lives = 0
        self._extent: Extent | None = None
        self._extent_at = -math.inf
        self._expected_until = -math.inf
        self._newest = 0  # as far as anybody knows: what was heard may not be stored yet, or twice

    @property
    def stream(self) -> str:
        """Name of the stream."""
        return self._events.stream

    def expect(self) -> None:
        """An event was told: look for it soon."""
        self._expected_until = self._now() + EXPECTED_S
        self._newest += 1

    def forget(self) -> None:
        """Anything may have happened: the stream may be another one."""
        self._lives += 1
        self._extent = None
        self._known.clear()
        self._bytes = 0

    async def extent(self, *, fresh: bool = False) -> Extent:
        """What the stream holds, as it was at most some seconds ago; ``fresh`` = no earlier than now.

        Raises:
            UnavailableError: There is no such stream now, or nobody answered in time.
        """
        if fresh:
            await self._extents.over(self.stream)
        elif self._extent is not None and self._now() - self._extent_at < EXTENT_AGE_S:
            return self._extent
        return await self._extents.ask(self.stream, self._ask_extent)

    async def _ask_extent(self) -> Extent:
        asked_at, lives = self._now(), self._lives
        found = await self._events.extent()
        if self._extent is not None and found.created_ms != self._extent.created_ms:
            self.forget()
        elif lives != self._lives:
            raise UnavailableError("the bus was cut meanwhile")
        self._extent, self._extent_at = found, asked_at
        self._newest = found.last_sequence
        return found

    @property
    def expecting(self) -> bool:
        """Whether there may be more than is known."""
        return self._now() < self._expected_until

    async def behind(self, place: Place) -> Entry | None:
        """Give the first event behind a place; None = there is none yet.

        Raises:
            UnavailableError: Nobody answered in time, or whether it is still the same stream has to be asked
                again, see :meth:`extent`.
        """
        self._hold(place)
        entry = await self._first_at(place.sequence + 1)
        self._hold(place)
        return entry

    def _hold(self, place: Place) -> None:
        if self._extent is None or self._extent.created_ms != place.created_ms:
            raise UnavailableError("the stream of events may be another one")

    async def _first_at(self, wanted: int) -> Entry | None:
        known = self._known.get(wanted)
        if known is not None:
            self._known.move_to_end(wanted)
            return known
        ahead = range(wanted + 1, min(wanted + READ_AHEAD, self._newest + 1))
        wants = [
            sequence
            for sequence in (wanted, *(() if self._entries.is_asked(wanted) else ahead))
            if sequence not in self._known
        ]
        reads = (self._entries.ask(sequence, partial(self._read, sequence)) for sequence in wants)
        return (await asyncio.gather(*reads))[0]

    async def _read(self, wanted: int) -> Entry | None:
        lives = self._lives
        kept = await self._events.kept(wanted)
        entry = None if kept is None else _entry(kept.sequence, kept.kind, kept.body)
        if entry is not None and lives == self._lives:
            self._remember(wanted, entry)
        return entry

    def _remember(self, wanted: int, entry: Entry) -> None:
        self._known[wanted] = entry
        self._bytes += entry.cost_bytes
        while self._bytes > self._max_bytes or len(self._known) > MAX_ENTRIES:
            _, oldest = self._known.popitem(last=False)
            self._bytes -= oldest.cost_bytes

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()


def _entry(sequence: int, kind: str, body: bytes) -> Entry:
    try:
        told = read_event(kind, body)
    except ValueError as error:
        _log.error("live.unreadable", sequence=sequence, kind=kind, reason=str(error))
        told = None
    return Entry(sequence, told, len(body))
