"""Memory is bounded in bytes: one budget for all connections; above it no socket is read (delivery rule 15).

Two kinds of bytes are held: messages that are being answered, which come free by themselves, and what waits
for the client, which does not: packets of which the end has not arrived, and answers it has not
acknowledged. The second kind may fill half of the budget; beyond that whoever has kept us waiting for
longest is cut off, or slow clients could stop everybody for ever.
"""

import asyncio
from collections import OrderedDict
from typing import Final, Protocol

_RESUME_AT_ONCE: Final = 32
"""Connections read again in one go: each may bring a quarter of a MiB before it can be stopped."""
_LOW_WATER: Final = 0.8
_WAITING_SHARE: Final = 0.5


class Reader(Protocol):
    """A connection that can be stopped."""

    def budget_changed(self, *, full: bool) -> None:
        """Stop reading, or go on."""

    def cut_off(self) -> None:
        """End: what waits for it is in the way of others. What it held is taken as given back."""


class Intake:
    """Counts what is held and says who may read."""

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._message_bytes = 0
        self._waiting_bytes = 0
        self._full = False
        self._reading: dict[Reader, None] = {}
        self._stopped: OrderedDict[Reader, None] = OrderedDict()  # longest first, as all of these
        self._waiting: OrderedDict[Reader, int] = OrderedDict()
        self._resuming = False

    @property
    def held_bytes(self) -> int:
        """Bytes held now."""
        return self._message_bytes + self._waiting_bytes

    @property
    def stopped(self) -> int:
        """How many connections are not read because of this budget."""
        return len(self._stopped)

    def enter(self, reader: Reader) -> bool:
        """Count a connection in; returns whether it may read."""
        if self._full:
            self._stopped[reader] = None
        else:
            self._reading[reader] = None
        return not self._full

    def leave(self, reader: Reader) -> None:
        """Count a connection out; what it takes for messages is given back by whoever took it."""
        self._reading.pop(reader, None)
        self._stopped.pop(reader, None)
        self._hold(reader, 0)
        self._resume_if_there_is_room()

    def take(self, count: int) -> None:
        """Hold more bytes of a message."""
        self._message_bytes += count
        self._stop_if_full()

    def give(self, count: int) -> None:
        """Hold fewer."""
        self._message_bytes -= count
        self._resume_if_there_is_room()

    def hold_waiting(self, reader: Reader, count: int) -> None:
        """Note how much waits for a client; may cut off this one or another."""
        before = self._hold(reader, count)
        if count <= before:
            self._resume_if_there_is_room()
            return
        while self._waiting_bytes > self._limit_bytes * _WAITING_SHARE:
            slowest = next(iter(self._waiting))
            self._hold(slowest, 0)
            slowest.cut_off()
        self._stop_if_full()

    def _hold(self, reader: Reader, count: int) -> int:
        """Replace what waits for a client; one for whom it is less than before has moved on."""
        before = self._waiting.get(reader, 0)
        self._waiting_bytes += count - before
        if not count:
            self._waiting.pop(reader, None)
            return before
        self._waiting[reader] = count
        if count < before:
            self._waiting.move_to_end(reader)
        return before

    def _stop_if_full(self) -> None:
        if self._full or self.held_bytes < self._limit_bytes:
            return
        self._full = True
        readers, self._reading = self._reading, {}
        self._stopped.update(readers)
        for reader in readers:
            reader.budget_changed(full=True)

    def _resume_if_there_is_room(self) -> None:
        if self._full and self.held_bytes < self._limit_bytes * _LOW_WATER:
            self._full = False
            self._resume_soon()

    def _resume_soon(self) -> None:
        if self._stopped and not self._resuming:
            self._resuming = True
            asyncio.get_running_loop().call_soon(self._resume)

    def _resume(self) -> None:
        """Let those read again that have waited longest, a few at a time."""
        self._resuming = False
        for _ in range(_RESUME_AT_ONCE):
            if self._full or not self._stopped:
                return
            reader, _nothing = self._stopped.popitem(last=False)
            self._reading[reader] = None
            reader.budget_changed(full=False)
        self._resume_soon()
