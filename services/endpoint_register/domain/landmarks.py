"""Where along one order of a list its blocks begin, and how many lines are known to be in each.

A store that reads a range to its end whatever is asked of it can only be asked for small ranges. Landmarks
cut an order into blocks of some hundred lines, and the counts tell which block a page begins in. Any
landmarks are right, good ones are fast: what is cut where changes no answer.

A count is exact or it is not there. It is only believed when no write of ours to that block was on its way
while it was taken (:meth:`Landmarks.moment`), and :meth:`Landmarks.changed` and :meth:`Landmarks.forget`
follow what is written afterwards.
"""

import bisect
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final

BLOCK: Final = 256
"""Lines. A block is cut when it has twice as many: a page reads one or two."""
_MAX_PLACED: Final = 4096


@dataclass(frozen=True, slots=True)
class Piece:
    """Part of an order, as ``low <= key < high``.

    Attributes:
        low: The first key that may be in it.
        high: The first key behind it; None = it has no end.
        count: How many lines are in it; None = not known.
        whole: It is a block, and not only part of one.
    """

    low: str
    high: str | None
    count: int | None
    whole: bool


@dataclass(slots=True)
class Landmarks:
    """The blocks of one order.

    Attributes:
        size: Lines of a block; it is cut when it has twice as many, and joined when two have half as many.
        begins: The first key of each block; the first block begins before every key.
        counts: How many lines each has, as far as that is known.
    """

    size: int = BLOCK
    begins: list[str] = field(default_factory=lambda: [""])
    counts: list[int | None] = field(default_factory=lambda: [None])
    _writes: list[int] = field(default_factory=lambda: [0])
    _writing: Counter[str] = field(default_factory=Counter)
    _placed: set[str] = field(default_factory=set)

    @classmethod
    def at(cls, begins: Iterable[str], *, size: int = BLOCK) -> "Landmarks":
        """Cut at these keys, with nothing counted yet."""
        ordered = sorted({"", *begins})
        return cls(size, ordered, [None] * len(ordered), [0] * len(ordered))

    def pieces(self, low: str, high: str | None) -> list[Piece]:
        """Cut a range into what is in each block of it."""
        pieces: list[Piece] = []
        number = self._block_of(low)
        while number < len(self.begins) and (high is None or self.begins[number] < high):
            begin, end = self.begins[number], self._end_of(number)
            cut = high is not None and (end is None or high < end)
            whole = low <= begin and not cut
            count = self.counts[number] if whole else None
            pieces.append(Piece(max(low, begin), high if cut else end, count, whole))
            number += 1
        return pieces

    def place(self, keys: Iterable[str]) -> None:
        """Let blocks begin at these keys, because ranges do that are asked for again and again."""
        for key in keys:
            if key in self._placed or len(self._placed) >= _MAX_PLACED:
                continue
            self._placed.add(key)
            self._cut(key)

    def write_begins(self, key: str) -> None:
        """Let no count of its block be believed until :meth:`write_ends`."""
        self._writing[key] += 1
        self._writes[self._block_of(key)] += 1

    def write_ends(self, key: str) -> None:
        """Let counts of its block be believed that begin from now on."""
        self._writing[key] -= 1
        if not self._writing[key]:
            del self._writing[key]

    def moment(self, piece: Piece) -> int | None:
        """Name the moment between two writes to a block; None while one is on its way."""
        number = self._block_of(piece.low)
        end = self._end_of(number)
        if any(self.begins[number] <= key and (end is None or key < end) for key in self._writing):
            return None
        return self._writes[number]

    def changed(self, key: str, by: int) -> None:
        """Note that a line came (1) or went (-1)."""
        number = self._block_of(key)
        count = self.counts[number]
        self.counts[number] = None if count is None or count + by < 0 else count + by

    def forget(self, key: str) -> None:
        """Note that nobody knows whether a line came or went there, nor will who counts just now."""
        number = self._block_of(key)
        self.counts[number] = None
        self._writes[number] += 1

    def counted(self, piece: Piece, count: int) -> None:
        """Note what was counted, if it is a block still."""
        number = self._block_of(piece.low)
        if piece.whole and self.begins[number] == piece.low and self._end_of(number) == piece.high:
            self.counts[number] = count

    def block(self, key: str) -> Piece:
        """Find the block that a key belongs to."""
        return self._piece(self._block_of(key))

    def unknown(self, after: str, *, limit: int) -> list[Piece]:
        """Find some blocks that nobody has counted, from the one of a key on and then from the beginning."""
        first = self._block_of(after)
        order = [*range(first, len(self.counts)), *range(first)]
        return [self._piece(number) for number in order if self.counts[number] is None][:limit]

    def large(self) -> list[Piece]:
        """Find the blocks that are known to have too many lines."""
        return [
            self._piece(number)
            for number, count in enumerate(self.counts)
            if count is not None and self.is_large(count)
        ]

    def is_large(self, count: int) -> bool:
        """Tell whether a block with so many lines is to be cut."""
        return count > 2 * self.size

    def split(self, keys: Sequence[str], *, exact: bool) -> list[str]:
        """Cut a block into parts of some of its keys each; tell where.

        Args:
            keys: All of its keys, in order.
            exact: No write was on its way when they were read.
        """
        cuts = list(keys[self.size :: self.size])
        if len(keys) % self.size and len(cuts) > 1:
            cuts.pop()  # rather one that is somewhat larger than a small rest
        for key in cuts:
            self._cut(key)
        if not exact:
            for key in (*keys[:1], *cuts):
                self.forget(key)
        elif keys:
            first, last = self._block_of(keys[0]), self._block_of(keys[-1])
            bounds = [0, *(bisect.bisect_left(keys, begin) for begin in self.begins[first + 1 : last + 1])]
            for number, (start, end) in enumerate(pairwise([*bounds, len(keys)]), start=first):
                self.counts[number] = end - start
        return cuts

    def merge(self, key: str) -> str | None:
        """Join the block of a key with the next one if both are nearly empty; tell which landmark went."""
        number = self._block_of(key)
        if number + 1 == len(self.begins) or self.begins[number + 1] in self._placed:
            return None
        count, following = self.counts[number], self.counts[number + 1]
        if count is None or following is None or count + following > self.size // 2:
            return None
        self.counts[number] = count + following
        del self.counts[number + 1]
        # What was begun for either may not pass for a count of both.
        self._writes[number] += self._writes.pop(number + 1) + 1
        return self.begins.pop(number + 1)

    def compact(self) -> None:
        """Join all neighbours that are nearly empty."""
        number = 0
        while number < len(self.begins):
            if self.merge(self.begins[number]) is None:
                number += 1

    def _cut(self, key: str) -> None:
        number = self._block_of(key)
        if self.begins[number] != key:
            self.begins.insert(number + 1, key)
            # Nothing is in a part of an empty block; else each part has to be counted.
            count = 0 if self.counts[number] == 0 else None
            self.counts[number : number + 1] = [count, count]
            self._writes.insert(number, self._writes[number])

    def _block_of(self, key: str) -> int:
        return bisect.bisect_right(self.begins, key) - 1

    def _end_of(self, number: int) -> str | None:
        return self.begins[number + 1] if number + 1 < len(self.begins) else None

    def _piece(self, number: int) -> Piece:
        return Piece(self.begins[number], self._end_of(number), self.counts[number], whole=True)
