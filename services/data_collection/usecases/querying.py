"""Answer questions about time series from rollups where they serve and from samples otherwise.

An answer is a page: it ends when a message is full, or when many samples were passed over, and names the
place where the next begins. Series of an endpoint are read one after the other, so that whoever writes the
answer down never has to hold more than a page.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from libs.contracts.api_keys import check_limits
from libs.contracts.errors import DeadlineError
from libs.contracts.ids import application_of
from libs.contracts.time_series import ListTimeSeries, Point, ReadData, ReadLast, SeriesInfo, iso
from services.data_collection import metrics
from services.data_collection.domain.configuration import EARLIEST_MS, configuration_of
from services.data_collection.domain.durations import HOUR_MS
from services.data_collection.domain.extraction import points_of
from services.data_collection.domain.lasts import Last, Lasts
from services.data_collection.domain.rollups import (
    MAX_MARKED,
    Buckets,
    Rollup,
    Row,
    Tally,
    rows_of,
    stretches,
)
from services.data_collection.domain.samples import PointValue, Sample
from services.data_collection.domain.series import Cursor, DataQuery, Found, Page, date_ms, names, query_of
from services.data_collection.ports.collecting import SampleRepository
from services.data_collection.ports.querying import (
    Applications,
    ConfigurationRepository,
    Configurations,
    LastRepository,
    RollupRepository,
    SeriesRepository,
)
from services.data_collection.usecases.reading import in_spans

MAX_POINTS: Final = 5_000
MAX_BYTES: Final = 400_000
"""Half of what a message may have: what it takes on the bus is only estimated."""
MAX_PASSED: Final = 20_000
"""Samples passed over before a page ends without being full."""
ANSWER_S: Final = 4.0
"""Below the 5 s a caller waits."""
_HOURS_AT_ONCE: Final = 512
_LASTS_AT_ONCE: Final = 500
_LAST_PASSED: Final = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class QueryParts:
    """What questions are answered with."""

    samples: SampleRepository
    rollups: RollupRepository
    lasts: LastRepository
    series: SeriesRepository
    configurations: Configurations
    documents: ConfigurationRepository
    applications: Applications


async def list_series(request: ListTimeSeries, *, parts: QueryParts) -> dict[str, list[SeriesInfo]]:
    """Series of applications: those configured, and those seen.

    Raises:
        ForbiddenError: The key may not touch one of them.
        NotFoundError: There is no such application.
    """
    found: dict[str, list[SeriesInfo]] = {}
    for application in names(request.application_names, name="applicationNames"):
        check_limits(request.applications, application)
        await parts.applications.check(application, None)
        values = {name: set(each) for name, each in (await parts.series.of(application)).items()}
        for document in (await parts.documents.of_application(application)).values():
            if "time-series" in document:
                for name, configured in configuration_of(document).series:
                    values.setdefault(name, set()).update(value.name for value in configured)
        found[application] = [SeriesInfo(name, sorted(values[name])) for name in sorted(values)]
    return found


async def read_last(request: ReadLast, *, parts: QueryParts) -> tuple[dict[str, dict[str, list[Point]]], str]:
    """Last points of some endpoints, and behind which endpoint to go on; empty = there are no more.

    Raises:
        ForbiddenError: The key may not touch the application.
        NotFoundError: There is no such application.
        BadRequestError: A parameter is wrong; the phrase names it.
    """
    check_limits(request.applications, request.application_name)
    wanted = names(request.time_series_name, name="timeSeriesName")
    ids = names(request.endpoint_id, name="endpointId")
    before_ms = None if request.before_date is None else date_ms(request.before_date, name="beforeDate")
    await parts.applications.check(request.application_name, None)
    page, more = await _lasts(request.application_name, ids, after=request.after, parts=parts)
    found: dict[str, dict[str, list[Point]]] = {}
    size = 0
    for lasts in page:
        points = {each: lasts.points[each] for each in wanted if each in lasts.points}
        if before_ms is not None:
            points = await _before(lasts, points, before_ms, parts=parts)
        if points:
            found[lasts.endpoint_id] = {
                name: [Point(iso(point.time_ms), dict(point.values))] for name, point in points.items()
            }
            size += len(lasts.endpoint_id) + sum(_size_of(point) for point in points.items())
        if size > MAX_BYTES:
            return found, lasts.endpoint_id if more or lasts is not page[-1] else ""
    return found, page[-1].endpoint_id if more else ""


async def read_data(request: ReadData, *, parts: QueryParts) -> Page:
    """Points of series between two dates, as many as a message holds.

    Raises:
        ForbiddenError: The key may not touch the application.
        NotFoundError: There is no such application.
        BadRequestError: A parameter is wrong; the phrase names it.
        DeadlineError: One bucket alone takes too long.
    """
    check_limits(request.applications, request.application_name)
    query = query_of(request)
    await parts.applications.check(query.application, None)
    page = Page(
        max_points=min(query.limit or MAX_POINTS, MAX_POINTS), max_bytes=MAX_BYTES, max_passed=MAX_PASSED
    )
    try:
        async with asyncio.timeout(ANSWER_S):
            if await _fill(page, query, parts):
                page.next = None
    except TimeoutError:
        if page.next is None or page.next == query.cursor:
            raise DeadlineError("this takes too long; ask for a shorter range or a smaller every") from None
    return page


async def _fill(page: Page, query: DataQuery, parts: QueryParts) -> bool:
    """Fill a page; says whether everything is in it."""
    cursor, ends_at = query.cursor, asyncio.get_running_loop().time() + ANSWER_S
    async for endpoint_id in _endpoints(query, parts):
        for series in query.series:
            if cursor is not None and (endpoint_id, series) != (cursor.endpoint_id, cursor.series):
                continue
            reader = _Reader(endpoint_id, series, query, parts, cursor=cursor, ends_at=ends_at)
            cursor = None
            async for found in reader.read():
                page.take(endpoint_id, series, found)
                if page.is_full:
                    return False
    return True


async def _endpoints(query: DataQuery, parts: QueryParts) -> AsyncIterator[str]:
    """Endpoints in the order of the answer, from where it goes on."""
    begin = "" if query.cursor is None else query.cursor.endpoint_id
    if query.endpoint_ids:
        for each in sorted(query.endpoint_ids):
            if each >= begin:
                yield each
        return
    if begin:
        yield begin
    async for endpoint_id in parts.samples.endpoints_of(query.application):
        if endpoint_id > begin:
            yield endpoint_id


class _Reader:
    """Reads one series of one endpoint."""

    def __init__(
        self,
        endpoint_id: str,
        series: str,
        query: DataQuery,
        parts: QueryParts,
        *,
        cursor: Cursor | None,
        ends_at: float,
    ) -> None:
        self._endpoint_id = endpoint_id
        self._series = series
        self._query = query
        self._parts = parts
        self._cursor = cursor
        self._loop = asyncio.get_running_loop()
        self._ends_at = ends_at

    def read(self) -> AsyncIterator[Found]:
        """Come past points, and samples without one, in the order of the question."""
        return self._read_buckets() if self._query.every_ms else self._read_points()

    async def _read_points(self) -> AsyncIterator[Found]:
        query = self._query
        samples = in_spans(
            self._parts.samples,
            self._endpoint_id,
            (query.from_ms, query.to_ms),
            after=None if self._cursor is None else self._cursor.place,
            newest_first=query.newest_first,
        )
        async for sample in samples:
            yield Found(int(sample.time_ms), sample.id.hex(), await self._values(sample))

    async def _read_buckets(self) -> AsyncIterator[Found]:
        query = self._query
        buckets = Buckets(query.every_ms, newest_first=query.newest_first)
        async for row in self._rows():
            ended = buckets.take(row)
            if ended is not None:
                yield self._told(ended)
        ended = buckets.end()
        if ended is not None:
            yield self._told(ended)

    def _told(self, row: Row) -> Found:
        return Found(
            row.time_ms,
            "",
            {name: tally.told(self._query.aggregates) for name, tally in sorted(row.tallies.items())},
        )

    async def _rows(self) -> AsyncIterator[Row]:
        """Rows of rollups and of samples, window by window."""
        query = self._query
        first, end = self._rest()
        if not query.uses_rollups:
            async for row in self._sample_rows(first, end):
                yield row
            return
        while first < end:
            window_first, window_end, usable = await self._window(first, end)
            for part in stretches(window_first, window_end, usable=usable, newest_first=query.newest_first):
                if part.rollup is None:
                    async for row in self._sample_rows(part.from_ms, part.to_ms):
                        yield row
                    continue
                rows = rows_of(part.rollup, self._series, by_minute=not query.by_hour)
                for row in rows[:: -1 if query.newest_first else 1]:
                    yield row
            first, end = (first, window_first) if query.newest_first else (window_end, end)

    def _rest(self) -> tuple[int, int]:
        """The range, or what of it is behind the bucket where the answer goes on."""
        first, end = self._query.from_ms, self._query.to_ms
        if self._cursor is None:
            return first, end
        at = self._cursor.time_ms
        if self._query.newest_first:
            return first, min(end, at)
        return max(first, at + self._query.every_ms), end

    async def _window(self, first: int, end: int) -> tuple[int, int, list[Rollup]]:
        """Find usable hours in a part of a range: as much of it as a few hundred of them cover."""
        query, rollups = self._query, self._parts.rollups
        found = await rollups.hours(
            self._endpoint_id,
            first,
            end,
            minutes=not query.by_hour,
            limit=_HOURS_AT_ONCE,
            newest_first=query.newest_first,
        )
        if len(found) == _HOURS_AT_ONCE:
            edge = found[-1].hour_ms
            first, end = (edge, end) if query.newest_first else (first, min(end, edge + HOUR_MS))
        if not found:
            return first, end, []
        marked = await rollups.marked(self._endpoint_id, first, end, limit=MAX_MARKED)
        if marked is None:
            metrics.NOT_ROLLED_UP.inc()
            return first, end, []
        usable = [each for each in found if each.hour_ms not in marked and await self._is_current(each)]
        return first, end, usable

    async def _is_current(self, rollup: Rollup) -> bool:
        """Whether it is of this application, and says what would be extracted today."""
        for version, fingerprint in rollup.configured.items():
            if application_of(version) != self._query.application:
                return False
            if (await self._parts.configurations.of(version)).fingerprint != fingerprint:
                return False
        return True

    async def _sample_rows(self, first: int, end: int) -> AsyncIterator[Row]:
        if first >= end:
            return
        samples = in_spans(
            self._parts.samples, self._endpoint_id, (first, end), newest_first=self._query.newest_first
        )
        async for sample in samples:
            values = await self._values(sample)
            if values is not None:
                tallies: dict[str, Tally] = {}
                for name, value in values.items():
                    tallies[name] = Tally()
                    tallies[name].add(value, time_ms=int(sample.time_ms))
                yield Row(int(sample.time_ms), tallies)

    async def _values(self, sample: Sample) -> Mapping[str, PointValue] | None:
        if self._loop.time() > self._ends_at:  # whoever is cancelled may not hear it: looked at besides
            raise TimeoutError
        if application_of(sample.app_version) != self._query.application:
            return None
        config = await self._parts.configurations.of(sample.app_version)
        return points_of(sample.value, config=config).get(self._series)


async def _lasts(
    application: str, ids: Iterable[str], *, after: str, parts: QueryParts
) -> tuple[list[Lasts], bool]:
    """What is kept for these endpoints, or for some of all, and whether there are more."""
    wanted = sorted(each for each in ids if each > after)
    if wanted:
        found = await parts.lasts.find_many(wanted)
        return [
            found[each] for each in wanted if each in found and found[each].application == application
        ], False
    if ids:
        return [], False
    page = await parts.lasts.page(application, after=after, limit=_LASTS_AT_ONCE)
    return page, len(page) == _LASTS_AT_ONCE


async def _before(
    lasts: Lasts, points: dict[str, Last], before_ms: int, *, parts: QueryParts
) -> dict[str, Last]:
    """The last points before a date: the last of all where that is early enough, else from samples."""
    found = {name: point for name, point in points.items() if point.time_ms < before_ms}
    missing = points.keys() - found.keys()
    if not missing:
        return found
    passed = 0
    async for sample in in_spans(
        parts.samples, lasts.endpoint_id, (EARLIEST_MS, before_ms), newest_first=True
    ):
        passed += 1
        if application_of(sample.app_version) == lasts.application:
            config = await parts.configurations.of(sample.app_version)
            values = points_of(sample.value, config=config)
            for name in missing & values.keys():
                found[name] = Last(int(sample.time_ms), sample.id.hex(), values[name])
            missing -= values.keys()
        if not missing or passed == _LAST_PASSED:
            break
    return {name: found[name] for name in points if name in found}


def _size_of(point: tuple[str, Last]) -> int:
    name, last = point
    return (
        64
        + len(name)
        + sum(
            16 + len(each) + (4 * len(value) if isinstance(value, str) else 9)
            for each, value in last.values.items()
        )
    )
