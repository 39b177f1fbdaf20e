"""Memory is bounded in bytes: one budget for all connections; above it no socket is read (delivery rule 15).

Two kinds of bytes are held: messages that are being answered, which come free by themselves, and packets of
which the end has not arrived, which do not. The second kind may fill half of the budget; a client that wants
more then is cut off, or slow senders could stop everybody for ever.
"""

import asyncio
from collections import deque
from typing import Final, Protocol

_RESUME_AT_ONCE: Final = 32
"""Connections read again in one go: each may bring a quarter of a MiB before it can be stopped."""
_LOW_WATER: Final = 0.8


class Reader(Protocol):
    """A connection that can be stopped."""

    def budget_changed(self, *, full: bool) -> None:
        """Stop reading, or go on."""


class Intake:
    """Counts what is held and says who may read."""

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._message_bytes = 0
        self._partial_bytes = 0
        self._full = False
        self._reading: dict[Reader, None] = {}
        self._stopped: deque[Reader] = deque()
        self._gone: set[Reader] = set()
        self._resuming = False

    @property
    def held_bytes(self) -> int:
        """Bytes held now."""
        return self._message_bytes + self._partial_bytes

    @property
    def stopped(self) -> int:
        """How many connections are not read because of this budget."""
        return len(self._stopped) - len(self._gone)

    def enter(self, reader: Reader) -> bool:
        """Count a connection in; returns whether it may read."""
        if self._full:
            self._stopped.append(reader)
        else:
            self._reading[reader] = None
        return not self._full

    def leave(self, reader: Reader) -> None:
        """Count a connection out; what it held is given back by whoever took it."""
        if reader in self._reading:
            del self._reading[reader]
        else:
            self._gone.add(reader)

    def take(self, count: int) -> None:
        """Hold more bytes of a message."""
        self._message_bytes += count
        if not self._full and self.held_bytes >= self._limit_bytes:
            self._stop()

    def give(self, count: int) -> None:
        """Hold fewer."""
        self._message_bytes -= count
        self._resume_if_there_is_room()

    def hold_partial(self, before: int, now: int) -> bool:
        """Note how much of an unfinished packet is held; False when there is no room for it."""
        self._partial_bytes += now - before
        if now <= before:
            self._resume_if_there_is_room()
            return True
        if not self._full and self.held_bytes >= self._limit_bytes:
            self._stop()
        return self._partial_bytes <= self._limit_bytes // 2

    def _stop(self) -> None:
        self._full = True
        readers, self._reading = list(self._reading), {}
        self._stopped.extend(readers)
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
            reader = self._stopped.popleft()
            if reader in self._gone:
                self._gone.discard(reader)
                continue
            self._reading[reader] = None
            reader.budget_changed(full=False)
        self._resume_soon()
