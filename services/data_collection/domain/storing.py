"""What became of a bulk insert (protocol/delivery.md rule 9), judged from what the driver reports.

An insert is a success only if every sample in it is known to be stored: now, earlier under the same id, or
as a message that the application's message-id index knows. What concerns the write as a whole, and all that
we do not understand, is neither success nor failure: all of it is inserted again, as often as it takes, which
is harmless because ids make it so. Only an error about a document's content, which would be the same
for ever, is about that document.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

SLICE: Final = 1000
"""Documents of one insert: more cost the store memory and win nothing."""
DUPLICATE: Final = 11000
CONTENT: Final = frozenset({2, 9, 14, 15, 22, 52, 56, 57, 121, 10334, 17280, 17419, 17420})
"""Bad value, cannot be parsed, type mismatch, overflow, invalid BSON, field names, validation, too large."""

_LEAST: Final = 25
_SLOW_S: Final = 1.0
_QUICK_S: Final = 0.25


@dataclass(frozen=True, slots=True)
class Inserted:
    """What an insert has done; samples that are not refused are stored.

    Attributes:
        again: How many were there already, by their id.
        known: Positions refused by another unique index than that of ids: their message is stored under
            another id, which is a success for that sample alone.
        refused: Positions whose content the store will never take, and why.
    """

    again: int = 0
    known: tuple[int, ...] = ()
    refused: Mapping[int, str] = field(default_factory=dict)


def judge(details: Mapping[str, Any]) -> Inserted | None:
    """Judge the details of a BulkWriteError; None = nobody knows, insert all again."""
    write_errors: list[Mapping[str, Any]] = details.get("writeErrors") or []
    if details.get("writeConcernErrors") or not write_errors:
        return None
    again = 0
    known: list[int] = []
    refused: dict[int, str] = {}
    for error in write_errors:
        code = error.get("code")
        position = error.get("index")
        if not isinstance(position, int):
            return None
        if code == DUPLICATE:
            if _is_id(error):
                again += 1
            else:
                known.append(position)
        elif code in CONTENT:
            refused[position] = f"the store refuses the content (code {code})"
        else:
            return None
    return Inserted(again=again, known=tuple(known), refused=refused)


@dataclass(slots=True)
class SliceSize:
    """How many documents one insert has: no more than the store takes in well within its deadline.

    What is too much for a slow store is inserted again in whole, and would be too much for ever.
    """

    now: int = SLICE

    def took(self, seconds: float) -> None:
        """Note how long an insert took."""
        if seconds > _SLOW_S:
            self.failed()
        elif seconds < _QUICK_S:
            self.now = min(SLICE, 2 * self.now)

    def failed(self) -> None:
        """Note that nobody knows what became of an insert."""
        self.now = max(_LEAST, self.now // 2)


def slices(count: int, size: SliceSize) -> Iterator[slice]:
    """Cut a number of documents into parts, each as large as it may be when its turn comes."""
    start = 0
    while start < count:
        yield slice(start, start := min(count, start + size.now))


def _is_id(error: Mapping[str, Any]) -> bool:
    """Tell whether it was the index of ``_id`` that refused; servers say so in one way or another."""
    pattern = error.get("keyPattern")
    if isinstance(pattern, Mapping):
        return set(pattern) == {"_id"}
    return " _id_ " in str(error.get("errmsg", ""))
