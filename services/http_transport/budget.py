"""What one request holds of the budget of bytes (protocol/delivery.md rule 15)."""

from types import TracebackType
from typing import Self

from libs.contracts.errors import UnavailableError
from libs.process.budget import Budget


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
