"""Questions about time series: how dates, ranges and cursors are read, and how a page is bounded."""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple

import msgspec

from libs.contracts.errors import BadRequestError
from libs.contracts.paging import MAX_LIMIT
from libs.contracts.time_series import ReadData, Run
from services.data_collection.domain.configuration import EARLIEST_MS, LATEST_MS
from services.data_collection.domain.durations import HOUR_MS, MINUTE_MS, duration_ms
from services.data_collection.domain.samples import Place, PointValue

MAX_NAMES: Final = 100
"""Series, endpoints or applications one request may name."""
MAX_NAME: Final = 512
AGGREGATES: Final = ("avg", "min", "max", "sum", "count", "last")

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)
_SECOND_MS: Final = 1000


class Cursor(NamedTuple):
    """The last point of a page: the next begins behind it.

    Attributes:
        endpoint_id: Whose it is.
        series: Of which series.
        time_ms: Of the sample, or the start of the bucket.
        sample: Id of the sample in hexadecimal; empty for a bucket.
    """

    endpoint_id: str
    series: str
    time_ms: int
    sample: str

    def encoded(self) -> str:
        """Spell it so that it needs no escaping in a URL."""
        return base64.urlsafe_b64encode(msgspec.json.encode(self)).decode().rstrip("=")

    @property
    def place(self) -> Place:
        """The sample it stands behind."""
        return Place(self.endpoint_id, self.time_ms, bytes.fromhex(self.sample))


@dataclass(frozen=True, slots=True, kw_only=True)
class DataQuery:
    """A checked question.

    Attributes:
        application: Of which application.
        series: Which series, in the order of the answer.
        endpoint_ids: Of which endpoints; empty = of all.
        from_ms: Inclusive.
        to_ms: Exclusive.
        newest_first: The order of time.
        every_ms: Length of buckets; 0 = single points.
        aggregates: What a bucket tells.
        limit: At most so many points; None = as many as a message holds.
        cursor: Behind which point to begin.
    """

    application: str
    series: tuple[str, ...]
    endpoint_ids: tuple[str, ...]
    from_ms: int
    to_ms: int
    newest_first: bool
    every_ms: int
    aggregates: tuple[str, ...]
    limit: int | None
    cursor: Cursor | None

    @property
    def by_hour(self) -> bool:
        """Whether whole hours can be merged into its buckets."""
        return self.every_ms % HOUR_MS == 0

    @property
    def uses_rollups(self) -> bool:
        """Whether minutes can."""
        return self.every_ms > 0 and self.every_ms % MINUTE_MS == 0


def query_of(request: ReadData) -> DataQuery:
    """Check a question.

    Raises:
        BadRequestError: Something is wrong; the phrase names the parameter.
    """
    begin = date_ms(request.from_date, name="fromDate")
    end = date_ms(request.to_date, name="toDate")
    if begin > end:
        raise BadRequestError("fromDate: must not be after toDate")
    if request.aggregate and request.every is None:
        raise BadRequestError("aggregate: needs every, the length of time to aggregate over")
    if request.limit is not None and not 1 <= request.limit <= MAX_LIMIT:
        raise BadRequestError(f"limit: must be 1 to {MAX_LIMIT}")
    every_ms = (
        0 if request.every is None else duration_ms(request.every, name="every", at_least_ms=_SECOND_MS)
    )
    return DataQuery(
        application=request.application_name,
        series=names(request.time_series_name, name="timeSeriesName"),
        endpoint_ids=names(request.endpoint_id, name="endpointId"),
        from_ms=begin if request.include_time in {"from", "both"} else begin + 1,
        to_ms=end + 1 if request.include_time in {"to", "both"} else end,
        newest_first=request.sort == "DESC",
        every_ms=every_ms,
        aggregates=tuple(request.aggregate) or AGGREGATES,
        limit=request.limit,
        cursor=None if request.cursor is None else cursor_of(request.cursor, request),
    )


def names(given: tuple[str, ...], *, name: str) -> tuple[str, ...]:
    """Accept names, each once.

    Raises:
        BadRequestError: Too many, or one is too long.
    """
    found = tuple(dict.fromkeys(given))
    if len(found) > MAX_NAMES:
        raise BadRequestError(f"{name}: at most {MAX_NAMES} can be asked for at a time")
    if any(not 0 < len(each) <= MAX_NAME for each in found):
        raise BadRequestError(f"{name}: a name has 1 to {MAX_NAME} characters")
    return found


def date_ms(text: str, *, name: str) -> int:
    """Read a date given by a user: ISO 8601, UTC unless it says otherwise, from 1970 to 9999.

    Raises:
        BadRequestError: It is none; the phrase names the parameter.
    """
    try:
        found = _ms_of(text)
    except (ValueError, OverflowError):
        raise BadRequestError(f"{name}: must be an ISO 8601 date such as 2026-11-21T03:31:38Z") from None
    if not EARLIEST_MS <= found <= LATEST_MS:
        raise BadRequestError(f"{name}: must be from 1970 to 9999")
    return found


def _ms_of(text: str) -> int:
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        # In a query string a + that was not escaped arrives as a space.
        instant = datetime.fromisoformat(text.replace(" ", "+"))
    return ((instant if instant.tzinfo else instant.replace(tzinfo=UTC)) - _EPOCH) // _MILLISECOND


def cursor_of(text: str, request: ReadData) -> Cursor:
    """Read a cursor that an answer to the same question gave.

    Raises:
        BadRequestError: It is none, or of another question.
    """
    try:
        padded = text + "=" * (-len(text) % 4)
        cursor = msgspec.json.decode(base64.b64decode(padded, altchars=b"-_", validate=True), type=Cursor)
        place = cursor.place
    except (binascii.Error, msgspec.MsgspecError, ValueError):
        raise BadRequestError("cursor: is none that an answer gave in Grove-Next") from None
    known = cursor.series in request.time_series_name and EARLIEST_MS <= cursor.time_ms <= LATEST_MS
    known = known and (not request.endpoint_id or cursor.endpoint_id in request.endpoint_id)
    if not known or len(place.id) != (0 if request.every else 16):
        raise BadRequestError("cursor: is of another question")
    return cursor


class Found(NamedTuple):
    """Something a reader came past: a point, or a sample without one."""

    time_ms: int
    sample: str
    values: Mapping[str, Any] | None


@dataclass(slots=True)
class Page:
    """Points gathered for one message.

    Attributes:
        max_points: How many it takes.
        max_bytes: How many bytes they may have, estimated.
        max_passed: How many samples a reader may come past before it stops.
        runs: The points.
        next: Where it ended, when there may be more.
    """

    max_points: int
    max_bytes: int
    max_passed: int
    runs: list[Run] = field(default_factory=list)
    next: Cursor | None = None
    _points: int = 0
    _bytes: int = 0
    _passed: int = 0

    @property
    def is_full(self) -> bool:
        """Whether it has come to one of its bounds."""
        return (
            self._points >= self.max_points
            or self._bytes >= self.max_bytes
            or self._passed >= self.max_passed
        )

    def take(self, endpoint_id: str, series: str, found: Found) -> None:
        """Take in what a reader came past, and remember the place."""
        self._passed += 1
        self.next = Cursor(endpoint_id, series, found.time_ms, found.sample)
        if found.values is None:
            return
        if not self.runs or (self.runs[-1].endpoint_id, self.runs[-1].series) != (endpoint_id, series):
            self.runs.append(Run(endpoint_id, series, []))
            self._bytes += len(endpoint_id) + len(series) + 8
        self.runs[-1].points.append((found.time_ms, dict(found.values)))
        self._points += 1
        self._bytes += 12 + sum(_size(name) + _size(value) for name, value in found.values.items())


def _size(value: PointValue | Mapping[str, PointValue]) -> int:
    """An upper bound of what a value takes on the bus."""
    if isinstance(value, str):
        return 5 + 4 * len(value)
    if isinstance(value, Mapping):
        return 5 + sum(_size(name) + _size(each) for name, each in value.items())
    return 9
