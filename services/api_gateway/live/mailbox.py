"""Data events on their way to one reader: bounded, and what did not fit is counted."""

from collections import deque
from typing import Final

MAX_BYTES: Final = 512 * 1024
MAX_EVENTS: Final = 1024
BYTES_AT_ONCE: Final = 64 * 1024
"""What is taken is copied, for it goes to a socket of its own; what waits is the same for all readers."""


class Mailbox:
    """Holds blocks until they are taken; the oldest give way."""

    def __init__(self, *, max_bytes: int = MAX_BYTES, max_events: int = MAX_EVENTS) -> None:
        self._max_bytes = max_bytes
        self._max_events = max_events
        self._blocks: deque[bytes] = deque()
        self._bytes = 0
        self._lost = 0

    def __len__(self) -> int:
        """Count the blocks."""
        return len(self._blocks)

    def put(self, block: bytes) -> int:
        """Add a block; returns how many gave way, itself included where it is too large."""
        self._blocks.append(block)
        self._bytes += len(block)
        lost = 0
        while len(self._blocks) > self._max_events or self._bytes > self._max_bytes:
            self._bytes -= len(self._blocks.popleft())
            lost += 1
        self._lost += lost
        return lost

    def take(self, *, at_most: int = BYTES_AT_ONCE) -> tuple[int, bytes]:
        """Take the oldest, one at least if there is any: how many were lost before them, and they joined."""
        lost, self._lost = self._lost, 0
        taken: list[bytes] = []
        size = 0
        while self._blocks and (not taken or size + len(self._blocks[0]) <= at_most):
            taken.append(self._blocks.popleft())
            size += len(taken[-1])
        self._bytes -= size
        return lost, b"".join(taken)
