"""Points of time series on their way to the caller: forms, pages, and what happens half-way."""

import csv
import io
import json

import aiohttp
import pytest

from libs.contracts.applications import AppConfigReply, GetAppConfig
from libs.contracts.errors import BadRequestError, ConflictError, UnavailableError
from libs.contracts.subjects import AnyOperation
from libs.contracts.time_series import (
    GET_SERIES_CONFIG,
    LIST_SERIES_CONFIGS,
    PATCH_SERIES_CONFIG,
    PUT_SERIES_CONFIGS,
    READ_DATA,
    READ_LAST,
    DataReply,
    LastReply,
    Point,
    ReadData,
    ReadLast,
    Run,
)
from tests.component.api_gateway.conftest import Gateway

pytestmark = pytest.mark.asyncio(loop_scope="module")

DATA = "/epts/api/v1/applications/olives/time-series/data"
RANGE = f"{DATA}?timeSeriesName=t,u&fromDate=2026-11-21T00:00:00Z&toDate=2026-11-22T00:00:00Z"
PAGES = [
    [Run("a", "t", [(0, {"value": 1}), (1500, {"value": None})])],
    [],
    [Run("a", "t", [(2000, {"value": 2.5})]), Run("a", "u", [(0, {"value": 'x,"y'})])],
    [Run("b", "t", [(0, {"value": {"avg": 1.5, "min": 1}})])],
]


def paged(gateway: Gateway, pages: list[list[Run]], *, fails_at: int = 99) -> None:
    async def on_data(request: ReadData) -> DataReply:
        number = int(request.cursor or "0")
        if number == fails_at:
            raise UnavailableError
        return DataReply(runs=pages[number], next=str(number + 1) if number + 1 < len(pages) else "")

    gateway.owners.on(READ_DATA, on_data)


async def test_pages_become_one_array_of_one_object_for_each_endpoint(shared_gateway: Gateway) -> None:
    paged(shared_gateway, PAGES)

    answer = await shared_gateway.call("GET", RANGE)

    assert answer.status == 200
    assert answer.headers["Content-Type"] == "application/json; charset=utf-8"
    assert answer.headers["Correlation-ID"]
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.body == [
        {
            "a": {
                "t": [
                    {"timestamp": "1970-01-01T00:00:00Z", "values": {"value": 1}},
                    {"timestamp": "1970-01-01T00:00:01.500Z", "values": {"value": None}},
                    {"timestamp": "1970-01-01T00:00:02Z", "values": {"value": 2.5}},
                ],
                "u": [{"timestamp": "1970-01-01T00:00:00Z", "values": {"value": 'x,"y'}}],
            }
        },
        {"b": {"t": [{"timestamp": "1970-01-01T00:00:00Z", "values": {"value": {"avg": 1.5, "min": 1}}}]}},
    ]


async def test_nothing_is_an_empty_array(shared_gateway: Gateway) -> None:
    paged(shared_gateway, [[], []])

    assert (await shared_gateway.call("GET", RANGE)).body == []


@pytest.mark.parametrize(
    "accept", ["text/csv", "application/json;q=0.1, text/csv;q=0.9", "TEXT/CSV; header=present"]
)
async def test_csv_has_one_line_for_each_value(shared_gateway: Gateway, accept: str) -> None:
    paged(shared_gateway, PAGES)

    answer = await shared_gateway.call("GET", RANGE, headers={"Accept": accept})

    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert list(csv.reader(io.StringIO(answer.raw.decode()))) == [
        ["endpointId", "timeSeriesName", "timestamp", "name", "value"],
        ["a", "t", "1970-01-01T00:00:00Z", "value", "1"],
        ["a", "t", "1970-01-01T00:00:01.500Z", "value", ""],
        ["a", "t", "1970-01-01T00:00:02Z", "value", "2.5"],
        ["a", "u", "1970-01-01T00:00:00Z", "value", 'x,"y'],
        ["b", "t", "1970-01-01T00:00:00Z", "value.avg", "1.5"],
        ["b", "t", "1970-01-01T00:00:00Z", "value.min", "1"],
    ]


async def test_a_text_of_a_device_is_no_formula_in_csv(shared_gateway: Gateway) -> None:
    paged(shared_gateway, [[Run("a", "t", [(0, {"value": "=cmd()"}), (0, {"value": -1})])]])

    answer = await shared_gateway.call("GET", RANGE, headers={"Accept": "text/csv"})

    assert [row[4] for row in csv.reader(io.StringIO(answer.raw.decode()))][1:] == ["'=cmd()", "-1"]


async def test_ndjson_has_one_line_for_each_point(shared_gateway: Gateway) -> None:
    paged(shared_gateway, PAGES)

    answer = await shared_gateway.call("GET", RANGE, headers={"Accept": "application/x-ndjson"})

    lines = [json.loads(line) for line in answer.raw.splitlines()]
    assert len(lines) == 5
    assert lines[2] == {
        "endpointId": "a",
        "timeSeriesName": "t",
        "timestamp": "1970-01-01T00:00:02Z",
        "values": {"value": 2.5},
    }


async def test_with_a_limit_the_answer_is_one_page_and_names_the_next(shared_gateway: Gateway) -> None:
    paged(shared_gateway, PAGES)

    first = await shared_gateway.call("GET", f"{RANGE}&limit=2")
    third = await shared_gateway.call("GET", f"{RANGE}&limit=2&cursor=3")

    assert first.headers["Grove-Next"] == "1"
    assert list(first.body[0]) == ["a"]
    assert "Grove-Next" not in third.headers
    assert list(third.body[0]) == ["b"]


async def test_head_has_the_headers_and_asks_for_one_page(shared_gateway: Gateway) -> None:
    paged(shared_gateway, PAGES)

    answer = await shared_gateway.call("HEAD", RANGE)

    assert (answer.status, answer.raw) == (200, b"")
    assert len(shared_gateway.owners.asked) == 1


async def test_an_error_of_the_first_page_is_a_status(shared_gateway: Gateway) -> None:
    shared_gateway.owners.fail(READ_DATA, BadRequestError("every: must be at least 1000 ms"))

    answer = await shared_gateway.call("GET", f"{RANGE}&every=1ms")

    assert (answer.status, answer.message) == (400, "every: must be at least 1000 ms")


@pytest.mark.parametrize("accept", ["application/json", "text/csv", "application/x-ndjson"])
async def test_an_error_of_a_later_page_breaks_the_answer_off(shared_gateway: Gateway, accept: str) -> None:
    paged(shared_gateway, PAGES, fails_at=2)

    with pytest.raises(aiohttp.ClientError):
        await shared_gateway.call("GET", RANGE, headers={"Accept": accept})


@pytest.mark.parametrize(
    ("query", "path"),
    [
        pytest.param("", "query.timeSeriesName", id="no series"),
        pytest.param("timeSeriesName=,", "query.timeSeriesName", id="empty series"),
        pytest.param("includeTime=most", "query.includeTime", id="includeTime"),
        pytest.param("sort=UP", "query.sort", id="sort"),
        pytest.param("aggregate=median", "query.aggregate", id="aggregate"),
        pytest.param("limit=0", "query.limit", id="limit below"),
        pytest.param("limit=1001", "query.limit", id="limit above"),
        pytest.param("limit=x", "query.limit", id="no number"),
        pytest.param("fromDate=", "query.fromDate", id="no date"),
        pytest.param("form=x", "query.form", id="typo"),
    ],
)
async def test_a_wrong_parameter_is_named(shared_gateway: Gateway, query: str, path: str) -> None:
    answer = await shared_gateway.call("GET", f"{DATA}?{query}")

    assert answer.status == 400
    assert path in answer.problems


async def test_last_points_in_several_messages_are_one_object(shared_gateway: Gateway) -> None:
    point = Point("2026-11-21T03:31:38Z", {"value": 1})

    async def on_last(request: ReadLast) -> LastReply:
        number = int(request.after or "0")
        return LastReply(body={f"e{number}": {"t": [point]}}, next=str(number + 1) if number < 2 else "")

    shared_gateway.owners.on(READ_LAST, on_last)

    answer = await shared_gateway.call(
        "GET", "/epts/api/v1/applications/olives/time-series/last?timeSeriesName=t"
    )

    shown = {"t": [{"timestamp": "2026-11-21T03:31:38Z", "values": {"value": 1}}]}
    assert answer.body == {"e0": shown, "e1": shown, "e2": shown}


@pytest.mark.parametrize("instance", ["epts", "dcx"])
async def test_configuration_of_time_series_is_kept_by_their_owner(
    shared_gateway: Gateway, instance: str
) -> None:
    async def on_get(request: GetAppConfig) -> AppConfigReply:
        return AppConfigReply(body={"asked for": request.service_instance_name})

    shared_gateway.owners.on(GET_SERIES_CONFIG, on_get)

    answer = await shared_gateway.call(
        "GET", f"/tekton/api/v1/app-configs/applications/olives?serviceInstanceName={instance}"
    )

    assert answer.body == {"asked for": instance}


@pytest.mark.parametrize("instance", ["epts", "dcx"])
@pytest.mark.parametrize(
    ("method", "path", "operation"),
    [
        pytest.param("GET", "", LIST_SERIES_CONFIGS, id="list"),
        pytest.param("POST", "", PUT_SERIES_CONFIGS, id="several"),
        pytest.param("PATCH", "/applications/olives", PATCH_SERIES_CONFIG, id="application"),
        pytest.param(
            "PATCH", "/applications/olives/app-versions/olives-v1", PATCH_SERIES_CONFIG, id="version"
        ),
    ],
)
async def test_their_owner_is_asked_to_list_and_to_change_them(
    shared_gateway: Gateway, instance: str, method: str, path: str, operation: AnyOperation
) -> None:
    shared_gateway.owners.fail(operation, ConflictError("the owner of time series says so"))

    answer = await shared_gateway.call(
        method,
        f"/tekton/api/v1/app-configs{path}?serviceInstanceName={instance}",
        json=None if method == "GET" else {instance: {"kaa": {"applications": {"olives": {"a": None}}}}},
        headers={"Content-Type": "application/merge-patch+json"} if method == "PATCH" else {},
    )

    assert (answer.status, answer.message) == (409, "the owner of time series says so")
    (asked,) = shared_gateway.owners.asked
    assert asked.service_instance_name == instance
