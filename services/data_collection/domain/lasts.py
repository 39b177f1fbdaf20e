"""The last points of an endpoint's series: whichever is latest by time, then id, however often it is told."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from services.data_collection.domain.samples import PointValue

MAX_SERIES: Final = 2_000
"""Series of one endpoint whose last point is kept."""


class Last(NamedTuple):
    """A point, with what orders it: time, then the id of its sample in hexadecimal."""

    time_ms: int
    sample: str
    values: Mapping[str, PointValue]

    def is_later_than(self, other: "Last | None") -> bool:
        """Whether it stands in the other's place."""
        return other is None or (self.time_ms, self.sample) > (other.time_ms, other.sample)


@dataclass(frozen=True, slots=True)
class Lasts:
    """What is kept for an endpoint.

    Attributes:
        endpoint_id: Whose.
        application: Of which application.
        points: By series.
        revision: Of what is stored; 0 = nothing is.
    """

    endpoint_id: str
    application: str
    points: Mapping[str, Last] = field(default_factory=dict)
    revision: int = 0


def advanced(lasts: Lasts, points: Mapping[str, Last]) -> Lasts | None:
    """Take later points in; None = none of them is later."""
    room = MAX_SERIES - len(lasts.points)
    later: dict[str, Last] = {}
    for series, point in points.items():
        known = lasts.points.get(series)
        if known is None:
            room -= 1
            if room < 0:
                continue
        if point.is_later_than(known):
            later[series] = point
    if not later:
        return None
    return Lasts(lasts.endpoint_id, lasts.application, {**lasts.points, **later}, lasts.revision + 1)
