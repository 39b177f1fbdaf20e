"""A stand-in for the bus's events, and what tests of ``/live`` read with."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass

import msgspec

from libs.contracts.errors import UnavailableError

UPDATED = "endpoint.metadata.updated"


@dataclass(frozen=True)
class FakeExtent:
    created_ms: int
    first_sequence: int
    last_sequence: int


@dataclass(frozen=True)
class FakeKept:
    sequence: int
    kind: str
    body: bytes


class FakeEvents:
    """A stream in memory.

    Attributes:
        stream: Its name.
        kept_events: What it holds, by sequence.
        reads: How often it was read.
        is_away: Whether nobody answers.
        heard: Who hears data events, by type.
    """

    def __init__(self) -> None:
        self.stream = "EVENTS"
        self.created_ms = 1_000
        self.last_sequence = 0
        self.kept_events: dict[int, FakeKept] = {}
        self.reads = 0
        self.is_away = False
        self.heard: dict[str, Callable[[bytes], None]] = {}

    def happen(self, endpoint_id: str, *, version: str = "olives-v1", kind: str = UPDATED) -> int:
        """Let something happen; returns its sequence."""
        self.last_sequence += 1
        fields = {"endpointId": endpoint_id, "appVersionName": version}
        kept = FakeKept(self.last_sequence, kind, msgspec.msgpack.encode(fields))
        self.kept_events[self.last_sequence] = kept
        return self.last_sequence

    def expire(self, *, until: int) -> None:
        """Keep no event below a sequence."""
        self.kept_events = {each: kept for each, kept in self.kept_events.items() if each >= until}

    def make_anew(self) -> None:
        """Be another stream of the same name."""
        self.created_ms += 1_000
        self.last_sequence = 0
        self.kept_events.clear()

    async def extent(self) -> FakeExtent:
        if self.is_away:
            raise UnavailableError
        first = min(self.kept_events, default=self.last_sequence + 1)
        return FakeExtent(self.created_ms, first, self.last_sequence)

    async def kept(self, from_sequence: int) -> FakeKept | None:
        self.reads += 1
        await asyncio.sleep(0)
        if self.is_away:
            raise UnavailableError
        behind = [sequence for sequence in self.kept_events if sequence >= from_sequence]
        return self.kept_events[min(behind)] if behind else None

    async def hear(self, kind: str, handler: Callable[[bytes], None]) -> Callable[[], Awaitable[None]]:
        self.heard[kind] = handler

        async def end() -> None:
            del self.heard[kind]

        return end


@dataclass(frozen=True)
class Block:
    """One block of a stream.

    Attributes:
        event: Its type; "" = it only moves the id.
        place: Its id; "" = none.
        data: What it says; None = nothing.
    """

    event: str
    place: str
    data: dict[str, object] | None


def blocks_of(text: str) -> Iterator[Block]:
    """Read the whole blocks of a stream, as a browser would."""
    for part in text.split("\n\n")[:-1]:
        fields = dict(line.split(": ", 1) for line in part.split("\n") if not line.startswith(":"))
        data = msgspec.json.decode(fields["data"], type=dict[str, object]) if "data" in fields else None
        yield Block(fields.get("event", ""), fields.get("id", ""), data)
