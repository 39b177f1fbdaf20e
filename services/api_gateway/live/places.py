"""Where a stream of events stands, what it is told as an id, and what was missed for good: pure rules.

An id is ``<stream>-<created>-<sequence>``. A stream that was made again has the same name and begins to count
anew: when it was created (Unix milliseconds, hexadecimal) tells the two apart.
"""

import re
from dataclasses import dataclass

from services.api_gateway.ports import Extent

_ID = re.compile(r"(?P<stream>[A-Za-z0-9_-]{1,200})-(?P<created>[0-9a-f]{1,15})-(?P<sequence>[0-9]{1,18})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Up to where a stream was told."""

    stream: str
    created_ms: int
    sequence: int

    def __str__(self) -> str:
        """Spell the id."""
        return f"{self.stream}-{self.created_ms:x}-{self.sequence}"


@dataclass(frozen=True, slots=True)
class Gap:
    """What cannot be told any more.

    Attributes:
        reason: One sentence.
        missed: How many events; None = nobody knows.
    """

    reason: str
    missed: int | None


def place_of(text: str) -> Place:
    """Read an id.

    Raises:
        ValueError: It is none of ours.
    """
    match = _ID.fullmatch(text)
    if match is None:
        raise ValueError("is not the id of an event")
    return Place(
        stream=match["stream"], created_ms=int(match["created"], 16), sequence=int(match["sequence"])
    )


def beginning(stream: str, extent: Extent, last: Place | None) -> tuple[Place, Gap | None]:
    """Decide behind which place to go on, and what of the way there is missing.

    Args:
        stream: Name of the stream.
        extent: What it holds.
        last: What the caller was told last; None = nothing, so it begins now.
    """

    def at(sequence: int) -> Place:
        return Place(stream=stream, created_ms=extent.created_ms, sequence=sequence)

    if last is None:
        return at(extent.last_sequence), None
    if (last.stream, last.created_ms) != (stream, extent.created_ms):
        gap = Gap("the stream of events was made anew; this is what it holds", None)
        return at(extent.first_sequence - 1), gap
    if last.sequence > extent.last_sequence:
        return at(extent.last_sequence), Gap("the stream of events does not reach this id", None)
    if last.sequence + 1 < extent.first_sequence:
        return at(extent.first_sequence - 1), skipped(last.sequence, extent.first_sequence)
    return at(last.sequence), None


def skipped(before: int, behind: int) -> Gap | None:
    """Tell what is missing between two sequences that follow each other; None = nothing."""
    missed = behind - before - 1
    return Gap("these events are no longer kept", missed) if missed > 0 else None
