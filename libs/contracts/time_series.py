"""Time series, as operators read and write them (Kaa EPTS), and their configuration."""

from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal

from msgspec import Struct

from libs.contracts.applications import (
    AppConfigReply,
    EmptyReply,
    GetAppConfig,
    ListAppConfigs,
    PatchAppConfig,
    PutAppConfig,
    PutAppConfigs,
    WrittenConfigsReply,
)
from libs.contracts.lifecycle import ConfigurationUpdatedEvent
from libs.contracts.messages import ManagementRequest, Reply
from libs.contracts.subjects import EventType, Operation

IncludeTime = Literal["from", "to", "both", "none"]
Sort = Literal["ASC", "DESC"]
Aggregate = Literal["avg", "min", "max", "sum", "count", "last"]


_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_SECOND_MS: Final = 1000


def iso(time_ms: int) -> str:
    """Spell Unix milliseconds as ``2026-11-21T03:31:38.120Z``, a whole second as ``2026-11-21T03:31:38Z``."""
    fraction = time_ms % _SECOND_MS
    text = (_EPOCH + timedelta(milliseconds=time_ms - fraction)).isoformat()[:19]
    return f"{text}.{fraction:03d}Z" if fraction else f"{text}Z"


class SeriesInfo(Struct, rename="camel", frozen=True):
    """A time series: configured, or seen in what endpoints sent. ``values`` are names."""

    name: str
    values: list[str]


class Point(Struct, rename="camel", frozen=True):
    """One point; the date is ISO 8601 UTC, its fraction omitted when it is a whole second."""

    timestamp: str
    values: dict[str, Any]


class ListTimeSeries(ManagementRequest, frozen=True, kw_only=True):
    """Which time series applications have.

    Attributes:
        application_names: Of these applications, several separated by commas.
    """

    application_names: tuple[str, ...]


class ReadLast(ManagementRequest, frozen=True, kw_only=True):
    """The last points of time series.

    Attributes:
        application_name: Of which application.
        time_series_name: Which series, several separated by commas.
        endpoint_id: Of these endpoints alone, several separated by commas.
        before_date: Only points before this date, ISO 8601; the last of all when absent.
        after: ``next`` of the reply before.
    """

    application_name: str
    time_series_name: tuple[str, ...]
    endpoint_id: tuple[str, ...] = ()
    before_date: str | None = None
    after: str = ""


class ReadData(ManagementRequest, frozen=True, kw_only=True):
    """Points of time series between two dates.

    Attributes:
        application_name: Of which application.
        time_series_name: Which series, several separated by commas.
        from_date: Where the range begins, ISO 8601.
        to_date: Where it ends, ISO 8601.
        endpoint_id: Of these endpoints alone, several separated by commas.
        include_time: Which ends of the range belong to it.
        sort: By time: `DESC` = newest first.
        every: Our extension: one point for each such time (`30s`, `15m`, `1h`, `7d`), counted from 1970, UTC.
        aggregate: Our extension, with `every`: what each point tells, several separated by commas.
        limit: Our extension: at most so many points; `Grove-Next` of the answer is the `cursor` for more.
        cursor: Our extension: continue where an answer with `limit` ended; all else as it was.
    """

    application_name: str
    time_series_name: tuple[str, ...]
    from_date: str
    to_date: str
    endpoint_id: tuple[str, ...] = ()
    include_time: IncludeTime = "both"
    sort: Sort = "ASC"
    every: str | None = None
    aggregate: tuple[Aggregate, ...] = ()
    limit: int | None = None
    cursor: str | None = None


class WriteData(ManagementRequest, frozen=True, kw_only=True):
    """Store points as if the endpoints had sent them.

    Attributes:
        app_version: Full name of the application version, `<application>-<suffix>`.
        body: Endpoint id to series to points.
    """

    app_version: str
    body: dict[str, dict[str, list[Point]]]


class Run(Struct, array_like=True, frozen=True):
    """Consecutive points of one series of one endpoint; times are Unix milliseconds."""

    endpoint_id: str
    series: str
    points: list[tuple[int, dict[str, Any]]]


class TimeSeriesReply(Reply, frozen=True, kw_only=True):
    """Series by application."""

    body: dict[str, list[SeriesInfo]]


class LastReply(Reply, frozen=True, kw_only=True):
    """Last points by endpoint and series.

    Attributes:
        body: At most one point in each array.
        next: What to send as ``after`` for the endpoints that follow; empty = there are none.
    """

    body: dict[str, dict[str, list[Point]]]
    next: str = ""


class DataReply(Reply, frozen=True, kw_only=True):
    """As many points as fit into a message.

    Attributes:
        runs: Endpoint by endpoint, series by series, in the order of time.
        next: What to send as ``cursor`` for those that follow; empty = there are none.
    """

    runs: list[Run]
    next: str = ""


_OWNER = "data-collection"
_PROTOCOL = "time-series"

LIST_TIME_SERIES = Operation(
    _OWNER, _PROTOCOL, "config", ListTimeSeries, TimeSeriesReply, "Which time series applications have."
)
READ_LAST = Operation(_OWNER, _PROTOCOL, "last", ReadLast, LastReply, "Last points of time series.")
READ_DATA = Operation(_OWNER, _PROTOCOL, "data", ReadData, DataReply, "Points of time series.")
WRITE_DATA = Operation(_OWNER, _PROTOCOL, "write", WriteData, EmptyReply, "Store points.")
SERIES_CONFIGURED = EventType(
    originator=_OWNER,
    entity="service",
    group="configuration",
    name="upsert",
    event=ConfigurationUpdatedEvent,
    summary="A configuration of epts or dcx was replaced.",
)
GET_SERIES_CONFIG = Operation(
    _OWNER, "applications", "get-config", GetAppConfig, AppConfigReply, "Read an epts or dcx configuration."
)
PUT_SERIES_CONFIG = Operation(
    _OWNER,
    "applications",
    "put-config",
    PutAppConfig,
    AppConfigReply,
    "Replace an epts or dcx configuration.",
)
PATCH_SERIES_CONFIG = Operation(
    _OWNER,
    "applications",
    "patch-config",
    PatchAppConfig,
    AppConfigReply,
    "Change parts of an epts or dcx configuration.",
)
LIST_SERIES_CONFIGS = Operation(
    _OWNER,
    "applications",
    "list-configs",
    ListAppConfigs,
    AppConfigReply,
    "Read all epts or dcx configurations.",
)
PUT_SERIES_CONFIGS = Operation(
    _OWNER,
    "applications",
    "put-configs",
    PutAppConfigs,
    WrittenConfigsReply,
    "Replace several epts or dcx configurations.",
)
