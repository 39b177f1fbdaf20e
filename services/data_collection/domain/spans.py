"""Long ranges of time, read in parts: a store may read all of a range, however little of it is taken."""

from typing import Final

_LONGEST_MS: Final = 2**53


class Spans:
    """Spans of a range of time from its end back to its beginning, none so long that much is in it.

    Attributes:
        most: How much is read at once; a quarter of that is aimed at.

    Args:
        first_ms: Length of the first one.
        longest_ms: None is longer.
        from_beginning: From the beginning on to the end instead.
    """

    def __init__(
        self,
        *,
        most: int,
        first_ms: int = 1_000,
        longest_ms: int = _LONGEST_MS,
        from_beginning: bool = False,
    ) -> None:
        self.most = most
        self._first_ms = first_ms
        self._most_ms = self._longest_ms = longest_ms
        self._from_beginning = from_beginning
        self._span_ms = 0
        self._from_ms = 0
        self._to_ms = 0

    def begin(self, from_ms: int, to_ms: int) -> None:
        """Go through ``from_ms <= time < to_ms``."""
        self._longest_ms = min(2 * self._longest_ms, self._most_ms)
        self._span_ms = min(self._first_ms, self._longest_ms)
        self._from_ms, self._to_ms = from_ms, to_ms

    @property
    def span(self) -> tuple[int, int] | None:
        """The next one, as ``from <= time < to``; None when there is none left."""
        if self._to_ms <= self._from_ms:
            return None
        if self._from_beginning:
            return (self._from_ms, min(self._from_ms + self._span_ms, self._to_ms))
        return (max(self._from_ms, self._to_ms - self._span_ms), self._to_ms)

    def found(self, count: int) -> None:
        """Note how much was read there; when it may have had more, the rest of it is a span again."""
        if count >= self.most:
            self._span_ms = max(self._span_ms // 8, 1)
            return
        self.passed(count)

    def passed(self, count: int) -> None:
        """Note that all of it was read, and how much that was."""
        if self._from_beginning:
            self._from_ms += self._span_ms
        else:
            self._to_ms -= self._span_ms
        if 2 * count > self.most:
            self._span_ms = max(self._span_ms // 2, 1)
        elif 8 * count < self.most:
            self._span_ms = min((2 if count else 4) * self._span_ms, self._longest_ms)

    def narrow(self) -> None:
        """Note that it could not be read, perhaps because it was too much: a shorter one comes."""
        from_ms, to_ms = self.span or (0, 0)
        self._span_ms = max((to_ms - from_ms) // 8, 1)

    def failed(self) -> None:
        """Note that it was too much to be read: none is so long again, also the next time."""
        self.narrow()
        self._longest_ms = self._span_ms
