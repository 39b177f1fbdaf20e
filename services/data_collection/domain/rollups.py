"""Rollups: what an hour of one endpoint's samples comes to, in whole and minute by minute.

Nothing here counts up in the store. An hour is *marked* before the samples that fall into it are stored,
computed from the samples when it is over and quiet, and the marks that were due then are removed: whatever is
delivered twice, late or half stored, the computed hour says what the samples say. A marked hour is served
from samples.
"""

import math
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from services.data_collection.domain.durations import HOUR_MS, MINUTE_MS, start_of
from services.data_collection.domain.samples import Points, PointValue

QUIET_MS: Final = 300_000
"""How long an hour must have been unmarked before it is computed: twice what a mark is trusted."""
SPREAD_MS: Final = 600_000
"""Within what the hours of a fleet are computed, that all are over at the same time."""
AT_LATEST_MS: Final = 3_600_000
"""An hour that ends in the far future is computed so long after its last mark."""
MAX_MARKED: Final = 10_000
"""Marks of an endpoint that a question looks through; where there are more it is answered from samples."""
MAX_COLUMNS: Final = 2_000
"""Values of one endpoint an hour is rolled up for; one with more is always served from samples."""

_INT64: Final = 2**63


class Mark(NamedTuple):
    """An hour of an endpoint that has to be computed.

    Attributes:
        endpoint_id: Whose.
        hour_ms: Its start.
        stamp: No other mark has it.
        due_ms: When it may be computed.
    """

    endpoint_id: str
    hour_ms: int
    stamp: str
    due_ms: int


def due_at(hour_ms: int, *, now_ms: int) -> int:
    """When an hour marked now may be computed: quiet and over, but not in the year 9999."""
    return min(max(now_ms, hour_ms + HOUR_MS), now_ms + AT_LATEST_MS) + QUIET_MS


def spread_of(endpoint_id: str) -> int:
    """How much later it is computed for this endpoint, milliseconds: not all of a fleet at once."""
    return zlib.crc32(endpoint_id.encode()) % SPREAD_MS


@dataclass(slots=True)
class Tally:
    """What values come to, taken in by time in either direction.

    Attributes:
        count: Values that are not null.
        numbers: Those that are numbers; sum, least and greatest are of these.
        sum: Their sum.
        least: The smallest; None = there is no number.
        greatest: The largest; None = there is no number.
        last_ms: Time of the latest value; None = there is no value.
        last: The latest value.
    """

    count: int = 0
    numbers: int = 0
    sum: float = 0
    least: float | None = None
    greatest: float | None = None
    last_ms: int | None = None
    last: PointValue = None

    def add(self, value: PointValue, *, time_ms: int) -> None:
        """Take one value in; of several at the same time the one added later is the latest."""
        if value is None:
            return
        number = None if isinstance(value, bool | str) else value
        self.merge(
            Tally(1, 0 if number is None else 1, number or 0, number, number, time_ms, value), newer_wins=True
        )

    def merge(self, other: "Tally", *, newer_wins: bool) -> None:
        """Take in what others came to.

        Args:
            other: Of another time.
            newer_wins: Whether of two latest at the same time the other is the later.
        """
        self.count += other.count
        self.numbers += other.numbers
        self.sum += other.sum
        self.least = _either(min, self.least, other.least)
        self.greatest = _either(max, self.greatest, other.greatest)
        if other.last_ms is not None and (
            self.last_ms is None
            or other.last_ms > self.last_ms
            or (newer_wins and other.last_ms == self.last_ms)
        ):
            self.last_ms, self.last = other.last_ms, other.last

    def told(self, aggregates: Iterable[str]) -> dict[str, PointValue]:
        """Answer what was asked for; what numbers alone have is null where there are none."""
        return {name: self._one(name) for name in aggregates}

    def row(self) -> list[Any]:
        """As it is kept: numbers beyond int64 as floats."""
        return [
            self.count,
            self.numbers,
            _kept(self.sum),
            self.least,
            self.greatest,
            self.last_ms,
            self.last,
        ]

    def _one(self, name: str) -> PointValue:
        if name == "count":
            return self.count
        if name == "last":
            return self.last
        if not self.numbers:
            return None
        return {
            "avg": self.sum / self.numbers,
            "sum": _kept(self.sum),
            "min": self.least,
            "max": self.greatest,
        }[name]


Columns = Mapping[str, Mapping[str, Tally]]
"""Series, then value names."""


@dataclass(slots=True)
class Hour:
    """An hour being computed: samples are taken in by time, earliest first."""

    whole: dict[str, dict[str, Tally]] = field(default_factory=dict)
    minutes: dict[int, dict[str, dict[str, Tally]]] = field(default_factory=dict)
    columns: int = 0

    @property
    def fits(self) -> bool:
        """Whether it is rolled up at all."""
        return self.columns <= MAX_COLUMNS

    @property
    def is_finite(self) -> bool:
        """Whether it can be kept: JSON has no number for a sum that is beyond all floats."""
        return all(
            math.isfinite(tally.sum)
            for columns in (self.whole, *self.minutes.values())
            for values in columns.values()
            for tally in values.values()
        )

    def add(self, points: Points, *, time_ms: int) -> None:
        """Take the points of a sample in."""
        minute = self.minutes.setdefault(start_of(time_ms, MINUTE_MS), {})
        for series, values in points.items():
            for name, value in values.items():
                column = self.whole.setdefault(series, {})
                if name not in column:
                    self.columns += 1
                    column[name] = Tally()
                column[name].add(value, time_ms=time_ms)
                minute.setdefault(series, {}).setdefault(name, Tally()).add(value, time_ms=time_ms)


@dataclass(frozen=True, slots=True)
class Rollup:
    """A computed hour.

    Attributes:
        endpoint_id: Whose.
        hour_ms: Its start.
        configured: Version to the fingerprint of the configuration its points were extracted with.
        whole: What the hour comes to.
        minutes: What each minute comes to, by its start; empty when only the hour was asked for.
    """

    endpoint_id: str
    hour_ms: int
    configured: Mapping[str, str]
    whole: Columns
    minutes: Mapping[int, Columns] = field(default_factory=dict)


class Row(NamedTuple):
    """What one series came to at a time: of a rollup, or of a single sample."""

    time_ms: int
    tallies: Mapping[str, Tally]


def rows_of(rollup: Rollup, series: str, *, by_minute: bool) -> list[Row]:
    """Read the rows of a series, by time."""
    if not by_minute:
        return [Row(rollup.hour_ms, rollup.whole[series])] if series in rollup.whole else []
    minutes = sorted(rollup.minutes.items())
    return [Row(minute, columns[series]) for minute, columns in minutes if series in columns]


class Stretch(NamedTuple):
    """A part of a range: an hour with its rollup, or a time to be read from samples."""

    from_ms: int
    to_ms: int
    rollup: Rollup | None


def stretches(from_ms: int, to_ms: int, *, usable: Sequence[Rollup], newest_first: bool) -> list[Stretch]:
    """Lay a range out, in order of time: hours that lie in it whole and have a rollup, and what is between.

    Args:
        from_ms: Inclusive.
        to_ms: Exclusive.
        usable: Rollups that may be served, in any order.
        newest_first: Whether the order is descending.
    """
    found: list[Stretch] = []
    at = from_ms
    for rollup in sorted(usable, key=lambda each: each.hour_ms):
        begin, end = rollup.hour_ms, rollup.hour_ms + HOUR_MS
        if begin < at or end > to_ms:
            continue
        if begin > at:
            found.append(Stretch(at, begin, None))
        found.append(Stretch(begin, end, rollup))
        at = end
    if at < to_ms:
        found.append(Stretch(at, to_ms, None))
    return found[::-1] if newest_first else found


class Buckets:
    """Merges rows, which come in order of time, into buckets; one is held at a time.

    Args:
        every_ms: Length of a bucket.
        newest_first: The order in which rows come.
    """

    def __init__(self, every_ms: int, *, newest_first: bool) -> None:
        self._every_ms = every_ms
        self._newest_first = newest_first
        self._start: int | None = None
        self._tallies: dict[str, Tally] = {}

    def take(self, row: Row) -> Row | None:
        """Take a row in; returns the bucket that ended before it."""
        start = start_of(row.time_ms, self._every_ms)
        ended = self.end() if start != self._start else None
        self._start = start
        for name, tally in row.tallies.items():
            self._tallies.setdefault(name, Tally()).merge(tally, newer_wins=not self._newest_first)
        return ended

    def end(self) -> Row | None:
        """Give out the bucket being filled, if there is one."""
        if self._start is None:
            return None
        ended = Row(self._start, self._tallies)
        self._start, self._tallies = None, {}
        return ended


def _either(choose: Callable[[float, float], float], one: float | None, other: float | None) -> float | None:
    if one is None or other is None:
        return other if one is None else one
    return choose(one, other)


def _kept(number: float) -> float:
    return number if -_INT64 <= number < _INT64 else float(number)
