"""What a device can make grow by making up names and times, and where that ends."""

from collections.abc import Mapping, Sequence

import pytest
from prometheus_client import REGISTRY

from libs.contracts.errors import UnavailableError
from libs.contracts.time_series import ListTimeSeries, ReadData, ReadLast, iso
from services.data_collection.domain.durations import HOUR_MS, MINUTE_MS
from services.data_collection.domain.lasts import MAX_SERIES
from services.data_collection.domain.rollups import (
    AT_LATEST_MS,
    MAX_MARKED,
    QUIET_MS,
    SPREAD_MS,
    Mark,
    Rollup,
    Tally,
)
from services.data_collection.usecases.naming import MAX_NAMES, Names
from services.data_collection.usecases.querying import list_series, read_data, read_last
from tests.support.rest import Json
from tests.support.time_series import Grove, InMemorySeriesRepository, SettableClock

NOON = 1_795_262_400_000  # 2026-11-21T12:00Z


class CountingSeriesRepository(InMemorySeriesRepository):
    """May be away, and counts how often it is asked."""

    def __init__(self) -> None:
        super().__init__()
        self.away = False
        self.asked = 0

    async def add(self, application: str, series: Mapping[str, Sequence[str]]) -> None:
        if self.away:
            raise UnavailableError
        await super().add(application, series)

    async def of(self, application: str) -> dict[str, list[str]]:
        self.asked += 1
        return await super().of(application)


@pytest.fixture
def grove() -> Grove:
    return Grove(SettableClock(NOON))


def counted(name: str) -> float:
    return REGISTRY.get_sample_value(name) or 0.0


def made_up(count: int, *, start: int = 0) -> Json:
    return {f"n{number}": number for number in range(start, start + count)}


async def listed(grove: Grove, application: str = "olives") -> set[str]:
    found = await list_series(ListTimeSeries(application_names=(application,)), parts=grove.queries)
    return {each.name for each in found[application]}


async def test_an_application_lists_so_many_names_and_no_more(grove: Grove) -> None:
    derivation = grove.derivation()
    before = counted("grove_data_collection_names_unlisted_total")
    derivation.note([await grove.store(NOON, made_up(MAX_NAMES - 1))])
    await derivation.flush()
    derivation.note([await grove.store(NOON, made_up(5, start=MAX_NAMES))])
    await derivation.flush()
    derivation.note([await grove.store(NOON, made_up(7, start=2 * MAX_NAMES))])
    derivation.note([await grove.store(NOON, {"t": 1}, endpoint="fig", version="figs-v1")])
    await derivation.flush()

    assert len(await listed(grove)) == MAX_NAMES
    assert await listed(grove, "figs") == {"auto~t"}
    assert counted("grove_data_collection_names_unlisted_total") - before == 4 + 7


async def test_what_is_configured_is_listed_however_many_names_were_seen(grove: Grove) -> None:
    names: Json = {"place": {"values": [{"name": "lat", "path": "lat"}]}}
    grove.documents.documents["epts", "olives", None] = {"time-series": {"names": names}}
    derivation = grove.derivation()
    derivation.note([await grove.store(NOON, made_up(MAX_NAMES + 1))])
    await derivation.flush()

    assert len(await listed(grove)) == MAX_NAMES + 1
    assert "place" in await listed(grove)


async def test_a_series_that_is_not_listed_is_read_as_any_other(grove: Grove) -> None:
    derivation = grove.derivation()
    derivation.note([await grove.store(NOON, made_up(MAX_NAMES))])
    await derivation.flush()
    derivation.note([await grove.store(NOON, {"late": 7}, endpoint="oak")])
    await derivation.flush()

    page = await read_data(
        ReadData(
            application_name="olives",
            time_series_name=("auto~late",),
            from_date=iso(NOON),
            to_date=iso(NOON),
        ),
        parts=grove.queries,
    )
    last, _ = await read_last(
        ReadLast(application_name="olives", time_series_name=("auto~late",)), parts=grove.queries
    )

    assert "auto~late" not in await listed(grove)
    assert [run.points for run in page.runs] == [[(NOON, {"value": 7})]]
    assert last["oak"]["auto~late"][0].values == {"value": 7}


async def test_names_are_known_after_a_restart_and_an_application_without_room_costs_nothing() -> None:
    series = CountingSeriesRepository()
    for _ in range(2):
        names = Names(series)
        for _ in range(3):
            names.note("olives", {f"n{number}": {"value": 1} for number in range(MAX_NAMES + 1)})
            await names.write()

    assert series.asked == 2
    assert sum(map(len, (await series.of("olives")).values())) == MAX_NAMES


async def test_names_that_could_not_be_written_wait_for_the_store() -> None:
    series = CountingSeriesRepository()
    series.away = True
    names = Names(series)
    names.note("olives", {"t": {"value": 1}})
    with pytest.raises(UnavailableError):
        await names.write()
    names.note("olives", {"u": {"value": 1}})

    series.away = False
    await names.write()

    assert await series.of("olives") == {"t": ["value"], "u": ["value"]}


async def test_an_endpoint_keeps_so_many_last_points_and_goes_on_keeping_those_it_has(grove: Grove) -> None:
    derivation = grove.derivation()
    before = counted("grove_data_collection_lasts_unkept_total")
    derivation.note([await grove.store(NOON, {"t": 1, **made_up(MAX_SERIES - 1)})])
    await derivation.flush()
    derivation.note([await grove.store(NOON + 1, {**made_up(MAX_SERIES + 3, start=MAX_SERIES), "t": 2})])
    await derivation.flush()

    points = grove.lasts.by_endpoint["tree"].points
    assert len(points) == MAX_SERIES
    assert points["auto~t"].values == {"value": 2}
    assert counted("grove_data_collection_lasts_unkept_total") - before == MAX_SERIES + 3


async def test_an_endpoint_with_too_many_marked_hours_is_answered_from_its_samples(grove: Grove) -> None:
    await grove.store(NOON, {"t": 1})
    config = await grove.documents.of("olives-v1")
    stale = {"auto~t": {"value": Tally(count=99)}}
    await grove.rollups.put(Rollup("tree", NOON, {"olives-v1": config.fingerprint}, stale))
    await grove.rollups.mark(
        [Mark("tree", NOON + number * HOUR_MS, str(number), NOON) for number in range(1, MAX_MARKED + 1)]
    )
    request = ReadData(
        application_name="olives",
        time_series_name=("auto~t",),
        from_date=iso(NOON),
        to_date=iso(NOON + 2 * MAX_MARKED * HOUR_MS),
        every="1h",
        aggregate=("count",),
    )
    before = counted("grove_data_collection_windows_unrolled_total")

    with_room = await read_data(request, parts=grove.queries)
    await grove.rollups.mark([Mark("tree", NOON, "one more", NOON)])
    without = await read_data(request, parts=grove.queries)

    assert with_room.runs[0].points == [(NOON, {"value": {"count": 99}})]
    assert without.runs[0].points == [(NOON, {"value": {"count": 1}})]
    assert counted("grove_data_collection_windows_unrolled_total") - before == 1


async def test_there_is_at_most_one_mark_for_each_sample_and_none_once_hours_are_computed(
    grove: Grove,
) -> None:
    derivation = grove.derivation()
    places = [("tree", NOON - number * 7 * MINUTE_MS) for number in range(200)]

    await derivation.mark(places)
    await derivation.mark(places)
    marked = len(grove.rollups.marks)
    grove.clock.at_ms += AT_LATEST_MS + QUIET_MS + SPREAD_MS + 1
    while await derivation.compute_due():
        pass

    assert marked == len({time_ms // HOUR_MS for _, time_ms in places})
    assert not grove.rollups.marks


async def test_hours_that_could_not_be_marked_before_storing_are_not_remembered(grove: Grove) -> None:
    derivation = grove.derivation()
    grove.rollups.away = True
    for number in range(3):
        with pytest.raises(UnavailableError):
            await derivation.mark([("tree", NOON + number * HOUR_MS)])

    grove.rollups.away = False
    await derivation.flush()

    assert not grove.rollups.marks
