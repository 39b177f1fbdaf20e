"""What a sample says: its time, its points in time series, its own id.

This runs for every sample, so the common case - a flat object of numbers, nothing configured - is kept to one
pass over its members.
"""

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, Final

from msgspec import Struct

from libs.contracts.errors import BadRequestError
from services.data_collection.domain.configuration import (
    LATEST_MS,
    Path,
    TimeSeriesConfiguration,
    Timestamp,
    Value,
)
from services.data_collection.domain.samples import Points, PointValue

AUTO: Final = "auto~"
VALUE: Final = "value"
MAX_MESSAGE_ID: Final = 256

_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,256}")
_MISSING: Final = object()
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)
_NUMBERS: Final = (int, float)
_TYPES: Final[Mapping[str, tuple[type, ...]]] = {
    "number": _NUMBERS,
    "string": (str,),
    "boolean": (bool,),
}


class Extracted(Struct, frozen=True, gc=False):
    """What was found in a sample.

    Attributes:
        time_ms: Its time, Unix milliseconds.
        values: Series, then value names.
        message_id: Its own id where one is configured and there; None = it has none.
    """

    time_ms: int
    values: Points
    message_id: str | None = None


def extract(sample: Any, *, config: TimeSeriesConfiguration, received_ms: int) -> Extracted:  # noqa: ANN401 - any JSON value
    """Find a sample's time and points.

    Raises:
        BadRequestError: It has no usable time, and the configuration wants one.
    """
    time_ms = _time_of(sample, config.timestamp, received_ms)
    message_id = _message_id(sample, config.message_id) if config.message_id else None
    return Extracted(time_ms, points_of(sample, config=config), message_id)


def points_of(sample: Any, *, config: TimeSeriesConfiguration) -> Points:  # noqa: ANN401 - any JSON value
    """Find the points of a sample, whatever its time."""
    found: dict[str, dict[str, PointValue]] = {}
    if config.auto_extract and type(sample) is dict:
        skipped = config.skipped
        for name, value in sample.items():
            if type(value) in _NUMBERS and name != skipped:
                series = auto_series(name)
                if series is not None:
                    found[series] = {VALUE: value}
    for series, values in config.series:
        point = _configured(sample, values)
        if point:
            found[series] = point
    return found


@lru_cache(maxsize=4096)
def auto_series(name: str) -> str | None:
    """Name the series of a top-level number; None = there is none for such a name."""
    return f"{AUTO}{name}" if _NAME.fullmatch(name) else None


def _configured(sample: Any, values: tuple[Value, ...]) -> dict[str, PointValue]:  # noqa: ANN401 - any JSON value
    """Explicit nulls are values; what is missing, or of another type, is not."""
    point: dict[str, PointValue] = {}
    for value in values:
        found = _at(sample, value.path)
        if found is None or type(found) in _TYPES[value.type]:
            point[value.name] = found
    return point


def _at(value: Any, path: Path) -> Any:  # noqa: ANN401 - any JSON value
    for step in path:
        if type(step) is str:
            if type(value) is not dict:
                return _MISSING
            value = value.get(step, _MISSING)
        elif type(value) is list and type(step) is int and step < len(value):
            value = value[step]
        else:
            return _MISSING
    return value


def _time_of(sample: Any, rule: Timestamp, received_ms: int) -> int:  # noqa: ANN401 - any JSON value
    path = rule.path
    if not path:
        return received_ms
    found = _READERS[rule.format](_at(sample, path))
    if found is not None and rule.earliest_ms <= found <= LATEST_MS:
        return found
    if rule.fails:
        raise BadRequestError(f"the sample has no usable {rule.format} timestamp at {spelled(path)}")
    return received_ms


def spelled(path: Path) -> str:
    """Spell a path as it is configured."""
    return "$" + "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)


def _millis(value: Any) -> int | None:  # noqa: ANN401 - any JSON value
    if type(value) is int:
        return value
    return math.floor(value) if type(value) is float and math.isfinite(value) else None


def _seconds(value: Any) -> int | None:  # noqa: ANN401 - any JSON value
    if type(value) is int:
        return value * 1000
    return round(value * 1000) if type(value) is float and abs(value) <= LATEST_MS else None


def _iso8601(value: Any) -> int | None:  # noqa: ANN401 - any JSON value
    """Read a date; one without offset is UTC."""
    if type(value) is not str:
        return None
    try:
        instant = datetime.fromisoformat(value)
        return ((instant if instant.tzinfo else instant.replace(tzinfo=UTC)) - _EPOCH) // _MILLISECOND
    except (ValueError, OverflowError):
        return None


_READERS: Final = {"millis-unix-epoch": _millis, "unix-epoch": _seconds, "iso8601": _iso8601}


def _message_id(sample: Any, path: Path) -> str | None:  # noqa: ANN401 - any JSON value
    """A text or a number; the text ``"7"`` and the number 7 are different ids."""
    found = _at(sample, path)
    if type(found) is str:
        return f"t{found}" if 0 < len(found) <= MAX_MESSAGE_ID else None
    return f"n{found!r}" if type(found) in _NUMBERS else None
