"""``/epts/api/v1``: time series (reference 3.4)."""

from libs.contracts import time_series as contract
from libs.contracts.api_keys import Scope
from services.api_gateway.routes.declaration import Route, Tag

_BASE = "/epts/api/v1"
_SERIES = f"{_BASE}/applications/{{applicationName}}/time-series"

_TAG = Tag(
    name="Time series",
    description="Numbers that endpoints send become series by themselves (`auto~<field>`); others are "
    "configured, see *Application configuration* with `serviceInstanceName=epts`.",
)
_POINT = {"timestamp": "2026-11-21T03:31:38Z", "values": {"value": 21.5}}
_POINTS = {"tree-17": {"auto~temperature": [_POINT]}}
_POINT_SCHEMA = {
    "type": "object",
    "required": ["timestamp", "values"],
    "properties": {"timestamp": {"type": "string"}, "values": {"type": "object"}},
}
_DATA_SCHEMA = {
    "type": "array",
    "description": "One object for each endpoint: its id, then series, then points.",
    "items": {
        "type": "object",
        "additionalProperties": {
            "type": "object",
            "additionalProperties": {"type": "array", "items": _POINT_SCHEMA},
        },
    },
}

ROUTES = (
    Route(
        tag=_TAG,
        method="GET",
        path=f"{_BASE}/time-series/config",
        operation=contract.LIST_TIME_SERIES,
        scope=Scope.READ,
        summary="List time series",
        description="The series of applications, those configured and those seen in what endpoints sent.",
        response_example={"olives": [{"name": "auto~temperature", "values": ["value"]}]},
        errors={404: "There is no such application."},
    ),
    Route(
        tag=_TAG,
        method="GET",
        path=f"{_SERIES}/last",
        operation=contract.READ_LAST,
        scope=Scope.READ,
        summary="Read last points",
        description="The latest point of each series, by the time of its sample, for each endpoint. "
        "A point counts about a second after it was stored.",
        response_example=_POINTS,
    ),
    Route(
        tag=_TAG,
        method="GET",
        path=f"{_SERIES}/data",
        operation=contract.READ_DATA,
        scope=Scope.READ,
        summary="Read points of a time range",
        description="All points between two dates, by endpoint, series and time, streamed. An answer that "
        "breaks off has no end. `Accept: text/csv` has one line a value, `application/x-ndjson` one for "
        "each point.\n\n"
        "With `every`, values are objects of what was asked for in `aggregate` (all when it was not).",
        streamed=True,
        answer=_DATA_SCHEMA,
        response_example=[_POINTS],
    ),
    Route(
        tag=_TAG,
        method="PUT",
        path=f"{_BASE}/app-versions/{{appVersion}}/time-series/data",
        operation=contract.WRITE_DATA,
        scope=Scope.WRITE,
        summary="Write points",
        description="Stores up to 1,000 points of series the version has, as if endpoints had sent them. The "
        "same request again changes nothing.",
        success=204,
        request_example=_POINTS,
    ),
)
