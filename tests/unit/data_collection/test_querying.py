from typing import Any

import pytest

from libs.contracts.errors import BadRequestError, ForbiddenError, NotFoundError
from libs.contracts.time_series import ListTimeSeries, Point, ReadData, ReadLast, iso
from services.data_collection.domain.configuration import LATEST_MS
from services.data_collection.domain.series import Page
from services.data_collection.usecases.querying import MAX_PASSED, list_series, read_data, read_last
from tests.support.rest import Json
from tests.support.time_series import Grove, SettableClock

NOON = 1_795_262_400_000  # 2026-11-21T12:00Z


@pytest.fixture
def grove() -> Grove:
    return Grove(SettableClock(NOON))


def data(**fields: Any) -> ReadData:  # noqa: ANN401 - fields of the request
    plain: dict[str, Any] = {
        "application_name": "olives",
        "time_series_name": ("auto~t",),
        "from_date": iso(NOON),
        "to_date": iso(NOON + 1000),
    }
    return ReadData(**(plain | fields))


def shown(page: Page) -> list[tuple[str, str, int, Json]]:
    return [
        (run.endpoint_id, run.series, at - NOON, values.get("value"))
        for run in page.runs
        for at, values in run.points
    ]


async def all_pages(request: ReadData, grove: Grove) -> list[tuple[str, str, int, Json]]:
    found = []
    while True:
        page = await read_data(request, parts=grove.queries)
        found += shown(page)
        if page.next is None:
            return found
        fields = {name: getattr(request, name) for name in request.__struct_fields__}
        request = ReadData(**(fields | {"cursor": page.next.encoded()}))


@pytest.mark.parametrize(
    ("time_ms", "text"),
    [
        (0, "1970-01-01T00:00:00Z"),
        (NOON, "2026-11-21T12:00:00Z"),
        (NOON + 5, "2026-11-21T12:00:00.005Z"),
        (NOON + 120, "2026-11-21T12:00:00.120Z"),
        (LATEST_MS, "9999-12-31T23:59:59.999Z"),
    ],
)
def test_a_date_has_a_fraction_only_when_it_needs_one(time_ms: int, text: str) -> None:
    assert iso(time_ms) == text


@pytest.mark.parametrize(
    ("include", "times"),
    [("both", [0, 500, 1000]), ("from", [0, 500]), ("to", [500, 1000]), ("none", [500])],
)
@pytest.mark.parametrize("sort", ["ASC", "DESC"])
async def test_the_ends_of_a_range_belong_to_it_as_asked(
    grove: Grove, include: str, times: list[int], sort: str
) -> None:
    for at in (-1, 0, 500, 1000, 1001):
        await grove.store(NOON + at, {"t": at})

    page = await read_data(data(include_time=include, sort=sort), parts=grove.queries)

    assert [at for _, _, at, _ in shown(page)] == (times if sort == "ASC" else times[::-1])
    assert page.next is None


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 1000])
@pytest.mark.parametrize("sort", ["ASC", "DESC"])
@pytest.mark.parametrize("ids", [(), ("a", "b"), ("b", "a"), ("b",)], ids=str)
async def test_pages_together_are_the_whole_answer(
    grove: Grove, limit: int, sort: str, ids: tuple[str, ...]
) -> None:
    for number in range(12):  # four of each time, so that pages end among equal times
        for endpoint in "ab":
            await grove.store(NOON + number // 4, {"t": number, "u": -number}, endpoint=endpoint)
    request = data(sort=sort, endpoint_id=ids, time_series_name=("auto~u", "auto~t"))

    whole = shown(await read_data(request, parts=grove.queries))
    parts = await all_pages(
        data(sort=sort, endpoint_id=ids, time_series_name=("auto~u", "auto~t"), limit=limit), grove
    )

    assert parts == whole
    assert len(whole) == 24 * len(ids or "ab")
    assert list(dict.fromkeys(each[:2] for each in whole)) == [
        (endpoint, series) for endpoint in sorted(ids or "ab") for series in ("auto~u", "auto~t")
    ]


@pytest.mark.parametrize("sort", ["ASC", "DESC"])
async def test_pages_of_buckets_together_are_the_whole_answer(grove: Grove, sort: str) -> None:
    for number in range(60):
        await grove.store(NOON + number * 700, {"t": number})
    more = {"every": "5s", "aggregate": ("sum",), "sort": sort, "to_date": iso(NOON + 60_000)}

    whole = shown(await read_data(data(**more), parts=grove.queries))

    assert await all_pages(data(**more, limit=2), grove) == whole
    assert len(whole) == 9


async def test_a_page_ends_after_many_samples_that_have_no_point(grove: Grove) -> None:
    for _ in range(MAX_PASSED):
        await grove.store(NOON, {"other": 1})
    await grove.store(NOON + 1, {"t": 1})

    page = await read_data(data(), parts=grove.queries)

    assert page.next is not None
    assert shown(page) == []
    assert await all_pages(data(), grove) == [("tree", "auto~t", 1, 1)]


async def test_a_page_fits_into_a_message_whatever_its_values_are(grove: Grove) -> None:
    names = {"s": {"values": [{"path": "s", "type": "string"}]}}
    grove.documents.documents["epts", "olives", None] = {"time-series": {"names": names}}  # type: ignore[dict-item]  # JSON
    for number in range(40):
        await grove.store(NOON + number, {"s": "\N{OLIVE}" * 10_000})

    found = await all_pages(data(time_series_name=("s",)), grove)
    page = await read_data(data(time_series_name=("s",)), parts=grove.queries)

    assert len(found) == 40
    assert sum(len(values["value"].encode()) for run in page.runs for _, values in run.points) < 600_000


async def test_points_of_another_application_are_not_answered(grove: Grove) -> None:
    await grove.store(NOON, {"t": 1}, endpoint="fig", version="figs-v1")

    assert shown(await read_data(data(endpoint_id=("fig",)), parts=grove.queries)) == []
    assert shown(await read_data(data(every="1h", endpoint_id=("fig",)), parts=grove.queries)) == []


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        pytest.param({"from_date": "yesterday"}, "fromDate", id="no date"),
        pytest.param({"to_date": ""}, "toDate", id="empty date"),
        pytest.param({"from_date": "1969-12-31T00:00:00Z"}, "fromDate", id="before 1970"),
        pytest.param({"to_date": "9999-12-31T23:59:59-14:00"}, "toDate", id="after 9999"),
        pytest.param({"to_date": "300000-01-01T00:00:00Z"}, "toDate", id="year 300000"),
        pytest.param({"from_date": iso(NOON + 1001)}, "fromDate", id="ends before it begins"),
        pytest.param({"every": "1ms"}, "every", id="bucket too short"),
        pytest.param({"every": "0m"}, "every", id="no length"),
        pytest.param({"every": "1 fortnight"}, "every", id="no duration"),
        pytest.param({"every": "9999999999d"}, "every", id="too long"),
        pytest.param({"aggregate": ("avg",)}, "aggregate", id="aggregate alone"),
        pytest.param({"limit": 0}, "limit", id="no limit"),
        pytest.param({"limit": 1001}, "limit", id="large limit"),
        pytest.param({"cursor": ""}, "cursor", id="empty cursor"),
        pytest.param({"cursor": "!!"}, "cursor", id="no base64"),
        pytest.param({"cursor": "WzFd"}, "cursor", id="another list"),
        pytest.param({"cursor": "W10=x"}, "cursor", id="padding"),
        pytest.param({"cursor": "e30"}, "cursor", id="object"),
        pytest.param({"cursor": "/" * 10_000}, "cursor", id="long"),
        pytest.param({"time_series_name": tuple(map(str, range(101)))}, "timeSeriesName", id="many series"),
        pytest.param({"time_series_name": ("x" * 513,)}, "timeSeriesName", id="long series"),
        pytest.param({"endpoint_id": tuple(map(str, range(101)))}, "endpointId", id="many endpoints"),
    ],
)
async def test_a_hostile_parameter_is_refused_by_its_name(
    grove: Grove, fields: dict[str, Any], named: str
) -> None:
    with pytest.raises(BadRequestError, match=rf"^{named}: "):
        await read_data(data(**fields), parts=grove.queries)


async def test_a_cursor_of_another_question_is_refused(grove: Grove) -> None:
    for number in range(3):
        await grove.store(NOON + number, {"t": number})
    page = await read_data(data(limit=1), parts=grove.queries)
    assert page.next is not None
    cursor = page.next.encoded()

    for fields in ({"time_series_name": ("auto~u",)}, {"endpoint_id": ("other",)}, {"every": "1h"}):
        with pytest.raises(BadRequestError, match=r"^cursor: "):
            await read_data(data(cursor=cursor, **fields), parts=grove.queries)


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-21T12:00:00Z",
        "2026-11-21T13:00:00+01:00",
        "2026-11-21T13:00:00 01:00",
        "2026-11-21T12:00",
        "2026-11-21T12:00:00.000",
    ],
)
async def test_dates_may_be_spelled_in_many_ways(grove: Grove, text: str) -> None:
    await grove.store(NOON, {"t": 1})

    assert shown(await read_data(data(from_date=text), parts=grove.queries)) == [("tree", "auto~t", 0, 1)]


@pytest.mark.parametrize("limits", [("figs",), ()], ids=str)
async def test_a_limited_key_reads_nothing_of_another_application(
    grove: Grove, limits: tuple[str, ...]
) -> None:
    last = ReadLast(application_name="olives", time_series_name=("t",), applications=limits)
    for asked in (
        read_data(data(applications=limits), parts=grove.queries),
        read_last(last, parts=grove.queries),
        list_series(ListTimeSeries(application_names=("olives",), applications=limits), parts=grove.queries),
    ):
        with pytest.raises(ForbiddenError):
            await asked


async def test_an_unknown_application_is_not_found(grove: Grove) -> None:
    with pytest.raises(NotFoundError):
        await read_data(data(application_name="oaks"), parts=grove.queries)


async def test_the_last_point_is_the_latest_by_sample_time(grove: Grove) -> None:
    derivation = grove.derivation()
    derivation.note([await grove.store(NOON + 5, {"t": 1}), await grove.store(NOON, {"t": 2, "u": 3})])
    derivation.note([await grove.store(NOON, {"t": 9}, endpoint="fig", version="figs-v1")])
    await derivation.flush()

    found, after = await read_last(
        ReadLast(application_name="olives", time_series_name=("auto~t", "auto~u", "auto~v")),
        parts=grove.queries,
    )

    assert after == ""
    assert found == {
        "tree": {
            "auto~t": [Point("2026-11-21T12:00:00.005Z", {"value": 1})],
            "auto~u": [Point("2026-11-21T12:00:00Z", {"value": 3})],
        }
    }


async def test_the_last_point_before_a_date_is_found_in_the_samples(grove: Grove) -> None:
    derivation = grove.derivation()
    derivation.note(
        [await grove.store(NOON + at, {"t": at, "u": 0} if at < 2 else {"t": at}) for at in range(5)]
    )
    await derivation.flush()

    found, _ = await read_last(
        ReadLast(
            application_name="olives",
            time_series_name=("auto~t", "auto~u"),
            endpoint_id=("tree", "nobody"),
            before_date=iso(NOON + 3),
        ),
        parts=grove.queries,
    )

    assert found["tree"]["auto~t"][0].values == {"value": 2}
    assert found["tree"]["auto~u"][0].values == {"value": 0}


async def test_series_are_those_configured_and_those_seen(grove: Grove) -> None:
    names: Json = {"place": {"values": [{"name": "lat", "path": "lat"}, {"name": "lon", "path": "lon"}]}}
    grove.documents.documents["epts", "olives", "olives-v1"] = {"time-series": {"names": names}}
    derivation = grove.derivation()
    derivation.note([await grove.store(NOON, {"t": 1})])
    await derivation.flush()

    found = await list_series(ListTimeSeries(application_names=("olives", "figs")), parts=grove.queries)

    assert {app: {each.name: each.values for each in series} for app, series in found.items()} == {
        "olives": {"auto~t": ["value"], "place": ["lat", "lon"]},
        "figs": {},
    }
