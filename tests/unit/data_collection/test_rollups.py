import random
from statistics import fmean

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.contracts.errors import UnavailableError
from libs.contracts.time_series import ReadData, iso
from services.data_collection.domain.durations import HOUR_MS, MINUTE_MS
from services.data_collection.domain.rollups import (
    AT_LATEST_MS,
    QUIET_MS,
    SPREAD_MS,
    Buckets,
    Rollup,
    Row,
    Tally,
    due_at,
    stretches,
)
from services.data_collection.usecases.querying import read_data
from services.data_collection.usecases.rollups import TRUSTED_MS, Derivation
from tests.support.rest import Json
from tests.support.time_series import Grove, SettableClock

NOON = 1_795_262_400_000  # 2026-11-21T12:00Z
LATER = NOON + 3 * HOUR_MS


@pytest.fixture
def grove() -> Grove:
    return Grove(SettableClock(NOON))


def tallied(*values: Json) -> Tally:
    tally = Tally()
    for position, value in enumerate(values):
        tally.add(value, time_ms=position)
    return tally


async def settle(grove: Grove, derivation: Derivation) -> None:
    """Let enough time pass that every marked hour is computed."""
    await derivation.flush()
    grove.clock.at_ms = max(grove.clock.at_ms, LATER) + AT_LATEST_MS + QUIET_MS + SPREAD_MS + 1
    while await derivation.compute_due():
        pass
    await derivation.flush()


async def asked(grove: Grove, every: str, aggregate: str = "count", **more: Json) -> dict[str, Json]:
    request = ReadData(
        application_name="olives",
        time_series_name=("auto~t",),
        from_date=iso(more.pop("from_ms", NOON - 48 * HOUR_MS)),
        to_date=iso(more.pop("to_ms", NOON + 48 * HOUR_MS)),
        every=every,
        aggregate=(aggregate,),  # type: ignore[arg-type]  # one of the names
        **more,
    )
    page = await read_data(request, parts=grove.queries)
    return {iso(at): point["value"][aggregate] for run in page.runs for at, point in run.points}


def test_a_tally_tells_what_its_values_come_to() -> None:
    assert tallied(3, 1, None, 5.5).told(["avg", "min", "max", "sum", "count", "last"]) == {
        "avg": pytest.approx(9.5 / 3),
        "min": 1,
        "max": 5.5,
        "sum": 9.5,
        "count": 3,
        "last": 5.5,
    }


def test_texts_and_booleans_count_and_have_a_last_but_no_sum() -> None:
    assert tallied(*["a", True]).told(["count", "last", "sum", "avg", "min"]) == {
        "count": 2,
        "last": True,
        "sum": None,
        "avg": None,
        "min": None,
    }


def test_a_sum_beyond_int64_is_kept_as_a_float() -> None:
    assert tallied(2**63 - 1, 2**63 - 1).row()[2] == pytest.approx(2.0**64)


@given(st.lists(st.integers(-1000, 1000) | st.none() | st.text(max_size=2), max_size=20), st.integers(0, 20))
def test_merged_tallies_are_the_tally_of_all(values: list[Json], cut: int) -> None:
    whole, parts = tallied(*values), [Tally(), Tally()]
    for position, value in enumerate(values):
        parts[position >= cut].add(value, time_ms=position)

    forward, backward = Tally(), Tally()
    for part in parts:
        forward.merge(part, newer_wins=True)
    for part in reversed(parts):
        backward.merge(part, newer_wins=False)

    assert forward == backward == whole


def test_an_hour_is_computed_when_it_is_over_and_quiet_but_not_in_the_year_9999() -> None:
    assert due_at(NOON, now_ms=NOON + 5) == NOON + HOUR_MS + QUIET_MS
    assert due_at(NOON - 9 * HOUR_MS, now_ms=NOON) == NOON + QUIET_MS
    assert due_at(NOON + 10**14, now_ms=NOON) == NOON + AT_LATEST_MS + QUIET_MS


@given(
    st.integers(0, 20 * HOUR_MS),
    st.integers(0, 20 * HOUR_MS),
    st.sets(st.integers(0, 20)),
    st.booleans(),
)
def test_stretches_cover_a_range_once_and_in_order(
    begin: int,
    end: int,
    hours: set[int],
    newest_first: bool,  # noqa: FBT001 - drawn by hypothesis
) -> None:
    usable = [Rollup("tree", hour * HOUR_MS, {}, {}) for hour in hours]

    found = stretches(begin, end, usable=usable, newest_first=newest_first)

    parts = found[::-1] if newest_first else found
    assert [each.from_ms for each in parts[1:]] == [each.to_ms for each in parts[:-1]]
    if begin < end:
        assert (parts[0].from_ms, parts[-1].to_ms) == (begin, end)
    whole = {hour for hour in hours if begin <= hour * HOUR_MS and (hour + 1) * HOUR_MS <= end}
    assert {each.from_ms // HOUR_MS for each in parts if each.rollup} == whole


def test_buckets_are_given_out_when_the_next_begins() -> None:
    buckets = Buckets(MINUTE_MS, newest_first=False)

    ended = [buckets.take(Row(at, {"value": tallied(1)})) for at in (0, 59_999, 60_000, 240_000)]

    assert [each and each.time_ms for each in (*ended, buckets.end(), buckets.end())] == [
        None,
        None,
        0,
        60_000,
        240_000,
        None,
    ]


@pytest.mark.parametrize("every", ["1s", "30s", "1m", "7m", "15m", "1h", "90m", "6h", "1d", "7d"])
@pytest.mark.parametrize("sort", ["ASC", "DESC"])
async def test_rollups_say_what_the_samples_say(grove: Grove, every: str, sort: str) -> None:
    chance = random.Random(every)
    derivation = grove.derivation()
    derivation.note(
        [
            await grove.store(NOON + chance.randrange(-30 * HOUR_MS, 0), {"t": chance.randrange(100)})
            for _ in range(300)
        ]
    )
    more: dict[str, Json] = {"sort": sort, "from_ms": NOON - 29 * HOUR_MS - 777, "to_ms": NOON - HOUR_MS // 3}
    before = {
        each: await asked(grove, every, each, **more)
        for each in ("avg", "min", "max", "sum", "count", "last")
    }
    await settle(grove, derivation)

    grove.samples.reads = 0
    after = {each: await asked(grove, every, each, **more) for each in before}

    assert grove.rollups.rollups
    assert after == before
    assert list(after["last"]) == list(before["last"])
    if every not in {"1s", "30s"}:
        assert grove.samples.reads < 6 * 60  # only what is no whole hour, once for each question


async def test_an_hour_whose_sum_is_beyond_all_floats_is_served_from_samples(grove: Grove) -> None:
    derivation = grove.derivation()
    derivation.note([await grove.store(NOON - at, {"t": 1e308}) for at in (1, 2)])
    await settle(grove, derivation)

    assert not grove.rollups.rollups
    assert list((await asked(grove, "1h")).values()) == [2]
    assert list((await asked(grove, "1h", "max")).values()) == [1e308]


async def test_buckets_are_counted_from_1970_in_utc(grove: Grove) -> None:
    for at, value in ((NOON, 1), (NOON + 14 * MINUTE_MS, 3), (NOON + 15 * MINUTE_MS, 5)):
        await grove.store(at, {"t": value})

    found = await asked(grove, "15m", "avg")

    assert found == {"2026-11-21T12:00:00Z": fmean([1, 3]), "2026-11-21T12:15:00Z": 5}


async def test_late_data_goes_into_its_own_bucket_also_after_its_hour_was_computed(grove: Grove) -> None:
    derivation = grove.derivation()
    derivation.note([await grove.store(NOON, {"t": 1})])
    await settle(grove, derivation)
    derivation.note([await grove.store(NOON + MINUTE_MS, {"t": 7})])
    await derivation.marked()

    at_once = await asked(grove, "1h", "sum")
    await settle(grove, derivation)

    assert at_once == {"2026-11-21T12:00:00Z": 8}
    assert await asked(grove, "1h", "sum") == at_once
    assert not grove.rollups.marks


async def test_redelivery_changes_nothing(grove: Grove) -> None:
    first, second = grove.derivation(), grove.derivation()
    noted = [await grove.store(NOON + n * MINUTE_MS, {"t": n}) for n in range(30)]
    first.note(noted)
    await settle(grove, first)
    before = (dict(grove.rollups.rollups), dict(grove.lasts.by_endpoint))

    second.note(noted)  # a replica that never heard of the first one
    second.note(noted[:5])
    await settle(grove, second)

    assert (grove.rollups.rollups, grove.lasts.by_endpoint) == before


async def test_what_was_marked_before_a_crash_is_computed_after_it(grove: Grove) -> None:
    crashed = grove.derivation()
    crashed.note([await grove.store(NOON, {"t": 4})])
    await crashed.marked()

    await settle(grove, grove.derivation())

    assert await asked(grove, "1h", "sum") == {"2026-11-21T12:00:00Z": 4}
    assert grove.rollups.rollups
    assert grove.lasts.by_endpoint["tree"].points["auto~t"].values == {"value": 4}


async def test_an_hour_marked_anew_while_it_is_computed_stays_marked(grove: Grove) -> None:
    derivation = grove.derivation()
    derivation.note([await grove.store(NOON, {"t": 1})])
    await derivation.marked()
    (mark,) = grove.rollups.marks.values()
    grove.clock.at_ms = LATER
    assert await grove.rollups.claim(mark, until_ms=LATER + 1)
    derivation.note([await grove.store(NOON, {"t": 2})])
    await derivation.marked()

    await grove.rollups.settle(mark, now_ms=LATER)

    assert [each.hour_ms for each in grove.rollups.marks.values()] == [NOON]
    assert await grove.rollups.due(0, LATER + QUIET_MS + SPREAD_MS + 1, limit=1)


async def test_a_busy_hour_is_marked_once_and_anew_only_for_late_data(grove: Grove) -> None:
    derivation = grove.derivation()
    writes = []
    for at in (0, HOUR_MS, HOUR_MS + TRUSTED_MS - 1, HOUR_MS + TRUSTED_MS):
        grove.clock.at_ms = NOON + at
        for _ in range(100):
            derivation.note([await grove.store(NOON, {"t": 1})])
            await derivation.marked()
        writes.append(grove.rollups.mark_writes)

    assert writes == [1, 1, 1, 2]


async def test_what_could_not_be_marked_is_marked_when_the_store_is_back(grove: Grove) -> None:
    derivation = grove.derivation()
    derivation.note([await grove.store(NOON, {"t": 1})])
    grove.rollups.away = True
    with pytest.raises(UnavailableError):
        await derivation.marked()

    grove.rollups.away = False
    await derivation.flush()

    assert grove.rollups.marks


async def test_a_configuration_that_extracts_more_is_served_from_samples(grove: Grove) -> None:
    derivation = grove.derivation()
    derivation.note([await grove.store(NOON, {"deep": {"t": 6}, "t": 1})])
    await settle(grove, derivation)
    names: Json = {"auto~t": {"values": [{"path": "deep.t"}]}}
    grove.documents.documents["epts", "olives", None] = {"time-series": {"names": {"t": names["auto~t"]}}}

    page = await read_data(
        ReadData(
            application_name="olives",
            time_series_name=("t",),
            from_date=iso(NOON),
            to_date=iso(LATER),
            every="1h",
            aggregate=("sum",),
        ),
        parts=grove.queries,
    )

    assert page.runs[0].points == [(NOON, {"value": {"sum": 6}})]


async def test_two_replicas_keep_the_later_last_point_whoever_writes_first(grove: Grove) -> None:
    one, other = grove.derivation(), grove.derivation()
    early, late = await grove.store(NOON, {"t": 1}), await grove.store(NOON + 1, {"t": 2})
    one.note([late])
    other.note([early])

    await one.flush()
    await other.flush()
    one.note([await grove.store(NOON + 2, {"u": 3})])
    await one.flush()

    points = grove.lasts.by_endpoint["tree"].points
    assert {name: point.values["value"] for name, point in points.items()} == {"auto~t": 2, "auto~u": 3}


async def test_series_and_values_that_were_seen_are_known(grove: Grove) -> None:
    derivation = grove.derivation()
    derivation.note([await grove.store(NOON, {"t": 1, "u": 2})])

    await derivation.flush()

    assert await grove.series.of("olives") == {"auto~t": ["value"], "auto~u": ["value"]}
