"""One budget of bytes for all request bodies in memory (protocol/delivery.md rule 15)."""

from types import TracebackType
from typing import Self

from libs.contracts.errors import UnavailableError


class Budget:
    """Bytes that requests may hold together."""

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self.held_bytes = 0

    def take(self, count: int) -> bool:
        """Count ``count`` more bytes, or refuse and count nothing."""
        if self.held_bytes + count > self._limit_bytes:
            return False
        self.held_bytes += count
        return True

    def give(self, count: int) -> None:
        """Count ``count`` bytes less."""
        self.held_bytes -= count


class Share:
    """What one request holds of the budget; given back at the end of the block."""

    __slots__ = ("_budget", "_held_bytes")

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._held_bytes = 0

    def take(self, count: int) -> None:
        """Hold ``count`` more bytes.

        Raises:
            UnavailableError: All requests together hold too much.
        """
        if not self._budget.take(count):
            raise UnavailableError("too many bytes in flight")
        self._held_bytes += count

    def __enter__(self) -> Self:
        """Hold nothing yet."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Give everything back."""
        self._budget.give(self._held_bytes)
