"""What the repositories of the query half of data-collection promise: fakes and the real store alike."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import Any

import pytest

from libs.store import Store
from services.data_collection.domain.configuration import Standing
from services.data_collection.domain.durations import HOUR_MS
from services.data_collection.domain.lasts import Last, Lasts, advanced
from services.data_collection.domain.rollups import Hour, Mark, Rollup
from services.data_collection.mongo.configurations import MongoConfigurationRepository
from services.data_collection.mongo.queries import MongoLastRepository, MongoSeriesRepository
from services.data_collection.mongo.rollups import MongoRollupRepository
from services.data_collection.ports.querying import (
    ConfigurationRepository,
    LastRepository,
    RollupRepository,
    SeriesRepository,
)
from tests.support.rest import Json
from tests.support.servers import StoreServer, fresh_database
from tests.support.time_series import (
    InMemoryConfigurationRepository,
    InMemoryLastRepository,
    InMemoryRollupRepository,
    InMemorySeriesRepository,
)


@dataclass
class Kept:
    """All four."""

    rollups: RollupRepository
    lasts: LastRepository
    series: SeriesRepository
    configurations: ConfigurationRepository


@pytest.fixture(params=["memory", "store"])
async def kept(request: pytest.FixtureRequest, server: StoreServer) -> AsyncIterator[Kept]:
    if request.param == "memory":
        yield Kept(
            InMemoryRollupRepository(),
            InMemoryLastRepository(),
            InMemorySeriesRepository(),
            InMemoryConfigurationRepository(),
        )
        return
    store = Store.open(server.url, database=fresh_database(), app_name="test")
    rollups, lasts = MongoRollupRepository(store), MongoLastRepository(store)
    series, configurations = MongoSeriesRepository(store), MongoConfigurationRepository(store)
    for repository in (rollups, lasts, series, configurations):
        await repository.prepare()
    yield Kept(rollups, lasts, series, configurations)
    await store.close()


def mark(hour: int = 0, *, stamp: str = "a", due_ms: int = 100, endpoint: str = "tree") -> Mark:
    return Mark(endpoint, hour * HOUR_MS, stamp, due_ms)


def rollup(number: int, *, endpoint: str = "tree", value: object = 2**62) -> Rollup:
    hour = Hour()
    for at, each in ((0, value), (61_000, -1.5), (61_001, "x"), (3_599_999, True), (3_599_999, None)):
        hour.add({"auto~t": {"value": each}, "a.b$": {"v/1": each}}, time_ms=number * HOUR_MS + at)  # type: ignore[dict-item]  # any value
    return Rollup(endpoint, number * HOUR_MS, {"olives-v1": "f00"}, hour.whole, hour.minutes)


async def test_marks_are_due_when_their_time_has_come(kept: Kept) -> None:
    marks = [mark(number, stamp=f"s{number}", due_ms=100 * number) for number in (3, 1, 2, 9)]
    await kept.rollups.mark(marks)

    assert sorted(await kept.rollups.due(0, 301, limit=10)) == sorted(marks[:3])
    assert len(await kept.rollups.due(0, 301, limit=2)) == 2
    assert await kept.rollups.due(0, 100, limit=1) == []
    assert {type(each) for each in (await kept.rollups.due(0, 301, limit=1))[0]} == {str, int}


async def test_only_one_of_many_claims_a_mark(kept: Kept) -> None:
    await kept.rollups.mark([mark()])

    won = await asyncio.gather(*(kept.rollups.claim(mark(), until_ms=500 + n) for n in range(5)))

    assert sum(won) == 1
    assert await kept.rollups.due(0, 401, limit=1) == []
    assert [each.stamp for each in await kept.rollups.due(0, 601, limit=1)] == ["a"]


async def test_a_settled_mark_takes_those_of_its_hour_along_that_were_due(kept: Kept) -> None:
    due, later, other = mark(1, stamp="b", due_ms=150), mark(1, stamp="c", due_ms=900), mark(2, stamp="d")
    await kept.rollups.mark([mark(1), due, later, other])
    assert await kept.rollups.claim(mark(1), until_ms=500)

    await kept.rollups.settle(mark(1), now_ms=200)

    assert sorted(await kept.rollups.due(0, 1001, limit=9)) == [later, other]
    assert not await kept.rollups.claim(due, until_ms=500)


async def test_many_marks_at_once_are_all_there(kept: Kept) -> None:
    await kept.rollups.mark([mark(number, stamp=f"s{number}") for number in range(150)])

    assert await kept.rollups.marked("tree", 3 * HOUR_MS, 5 * HOUR_MS, limit=150) == {
        3 * HOUR_MS,
        4 * HOUR_MS,
    }
    assert len(await kept.rollups.marked("tree", 0, 2**53, limit=150) or ()) == 150
    assert await kept.rollups.marked("other", 0, 2**53, limit=150) == set()
    assert await kept.rollups.marked("tree", 0, 2**53, limit=149) is None


@pytest.mark.parametrize("minutes", [True, False], ids=["minutes", "whole"])
async def test_a_rollup_comes_back_as_it_was_stored(kept: Kept, *, minutes: bool) -> None:
    await kept.rollups.put(rollup(7))

    (found,) = await kept.rollups.hours("tree", 0, 2**53, minutes=minutes, limit=9, newest_first=False)

    stored = rollup(7)
    assert type(found.hour_ms) is int
    assert found.configured == stored.configured
    assert (found.minutes, found.whole) == ((stored.minutes, {}) if minutes else ({}, stored.whole))


async def test_a_rollup_stands_in_the_place_of_the_one_before(kept: Kept) -> None:
    await kept.rollups.put(rollup(7, value=1))
    await kept.rollups.put(rollup(7, value=5))

    (found,) = await kept.rollups.hours("tree", 0, 2**53, minutes=False, limit=9, newest_first=False)

    assert found.whole["auto~t"]["value"].greatest == 5


async def test_hours_come_in_either_order_and_end_where_they_should(kept: Kept) -> None:
    for number in (3, 1, 2, 4):
        await kept.rollups.put(rollup(number))
    await kept.rollups.put(rollup(2, endpoint="other"))

    async def hours(**more: int) -> list[int]:
        found = await kept.rollups.hours(
            "tree",
            HOUR_MS,
            4 * HOUR_MS,
            minutes=False,
            limit=more.get("limit", 9),
            newest_first="down" in more,
        )
        return [each.hour_ms // HOUR_MS for each in found]

    assert await hours() == [1, 2, 3]
    assert await hours(down=1) == [3, 2, 1]
    assert await hours(down=1, limit=2) == [3, 2]


async def test_what_was_computed_can_be_dropped(kept: Kept) -> None:
    await kept.rollups.put(rollup(1))
    await kept.rollups.put(rollup(2))
    await kept.rollups.mark([mark(3)])
    await kept.rollups.drop("tree", HOUR_MS)

    gone = await kept.rollups.forget("tree", limit=100)

    assert gone == 2
    assert await kept.rollups.forget("tree", limit=100) == 0
    assert await kept.rollups.marked("tree", 0, 2**53, limit=150) == set()


async def test_the_oldest_hours_go_first_and_those_of_others_stay(kept: Kept) -> None:
    for number in (5, 1, 4, 2, 3):
        await kept.rollups.put(rollup(number))
    await kept.rollups.put(rollup(1, endpoint="other"))
    await kept.rollups.mark([mark(1)])

    async def left(endpoint: str = "tree") -> list[int]:
        found = await kept.rollups.hours(endpoint, 0, 2**53, minutes=False, limit=9, newest_first=False)
        return [each.hour_ms // HOUR_MS for each in found]

    assert await kept.rollups.drop_older("tree", 4 * HOUR_MS + 1, application="olives", limit=2) == 2
    assert await left() == [3, 4, 5]
    assert await kept.rollups.drop_older("tree", 4 * HOUR_MS + 1, application="olives", limit=3) == 2
    assert await kept.rollups.drop_older("tree", 5 * HOUR_MS, application="olives", limit=3) == 0
    assert (await left(), await left("other")) == ([5], [1])
    assert await kept.rollups.marked("tree", 0, 2**53, limit=150) == {HOUR_MS}


async def test_hours_of_another_application_with_the_same_endpoint_id_stay(kept: Kept) -> None:
    await kept.rollups.put(replace(rollup(1), configured={"olives-east-v1": "f00"}))
    await kept.rollups.put(replace(rollup(2), configured={"figs-v1": "f00", "olives-v2": "f01"}))

    assert await kept.rollups.drop_older("tree", 9 * HOUR_MS, application="olives", limit=1) == 1
    assert await kept.rollups.drop_older("tree", 9 * HOUR_MS, application="olives", limit=1) == 0

    left = await kept.rollups.hours("tree", 0, 2**53, minutes=False, limit=9, newest_first=False)
    assert [each.hour_ms // HOUR_MS for each in left] == [1]


async def test_of_two_who_advance_the_same_last_points_one_is_told_to_try_again(kept: Kept) -> None:
    first = advanced(Lasts("tree", "olives"), {"t": Last(5, "aa", {"value": 1.5})})
    other = advanced(Lasts("tree", "olives"), {"u": Last(6, "bb", {"value": None})})
    assert first is not None
    assert other is not None

    assert await kept.lasts.advance([first]) == []
    assert await kept.lasts.advance([other]) == ["tree"]

    known = (await kept.lasts.find_many(["tree", "nobody"]))["tree"]
    again = advanced(known, other.points)
    assert again is not None
    assert await kept.lasts.advance([again]) == []
    assert await kept.lasts.advance([again]) == ["tree"]
    assert (await kept.lasts.find_many(["tree"]))["tree"] == again


async def test_last_points_are_listed_by_application_and_endpoint(kept: Kept) -> None:
    for application, endpoint in (("olives", "b"), ("olives", "a"), ("figs", "aa"), ("olives", "c")):
        lasts = advanced(Lasts(endpoint, application), {"t": Last(5, "aa", {"value": 1})})
        assert lasts is not None
        await kept.lasts.advance([lasts])

    page = await kept.lasts.page("olives", after="", limit=2)
    rest = await kept.lasts.page("olives", after="b", limit=2)
    await kept.lasts.forget("c")

    assert [each.endpoint_id for each in (*page, *rest)] == ["a", "b", "c"]
    assert await kept.lasts.page("olives", after="b", limit=2) == []


async def test_series_are_known_once_however_often_they_are_seen(kept: Kept) -> None:
    await kept.series.add("olives", {"t": ["b", "a"], "u": ["value"]})
    await kept.series.add("olives", {"t": ["a"]})
    await kept.series.add("figs", {"z": ["value"]})

    assert await kept.series.of("olives") == {"t": ["a", "b"], "u": ["value"]}
    assert await kept.series.of("oaks") == {}


async def test_configurations_are_kept_by_instance_application_and_version(kept: Kept) -> None:
    places = [
        ("epts", "olives", None),
        ("epts", "olives", "olives-v1"),
        ("dcx", "olives", None),
        ("dcx", "figs", None),
    ]
    for number, (instance, application, version) in enumerate(places):
        for document in ({"old": number}, {"number": number}):
            await kept.configurations.put(
                document,
                instance=instance,
                application=application,
                version=version,
                incarnation=f"life {number}",
            )

    assert await kept.configurations.find(instance="epts", application="olives", version=None) == {
        "number": 0
    }
    assert await kept.configurations.find(instance="cmx", application="olives", version=None) is None
    assert await kept.configurations.of_application("olives") == {
        ("epts", None): {"number": 0},
        ("epts", "olives-v1"): {"number": 1},
        ("dcx", None): {"number": 2},
    }
    assert await kept.configurations.of_instance("dcx") == {"olives": {"number": 2}, "figs": {"number": 3}}
    assert await kept.configurations.incarnations("olives") == {
        ("epts", None): "life 0",
        ("epts", "olives-v1"): "life 1",
        ("dcx", None): "life 2",
    }
    assert await kept.configurations.incarnations("oaks") == {}


async def test_of_two_that_change_a_configuration_one_wins(kept: Kept) -> None:
    place: Json = {"instance": "dcx", "application": "olives", "version": None}

    async def both(names: str, *, life: str) -> list[bool]:
        before = await kept.configurations.standing(**place)
        return [
            await kept.configurations.replace(before, {"n": [name, 1.50]}, **place, incarnation=life)
            for name in names
        ]

    assert await both("ab", life="1") == [True, False]
    assert await both("cd", life="2") == [True, False]
    standing = await kept.configurations.standing(**place)
    assert standing == Standing(configuration={"n": ["c", 1.5]}, incarnation="2")
    await kept.configurations.put({"n": ["c", 1.5]}, **place, incarnation="3")
    assert not await kept.configurations.replace(standing, {}, **place, incarnation="2")


async def test_all_of_an_instance_is_found_or_that_for_some_applications(kept: Kept) -> None:
    for number, (instance, application, version) in enumerate(
        [
            ("dcx", "olives", None),
            ("dcx", "olives", "olives-v1"),
            ("dcx", "figs", None),
            ("epts", "figs", None),
        ]
    ):
        await kept.configurations.put(
            {"n": number}, instance=instance, application=application, version=version, incarnation="1"
        )

    async def found(instance: str, applications: list[str] | None) -> set[Json]:
        return {
            each.document["n"]
            async for each in kept.configurations.all_of(instance, applications=applications)
        }

    assert await found("dcx", None) == {0, 1, 2}
    assert await found("dcx", ["olives", "oaks"]) == {0, 1}
    assert await found("dcx", []) == await found("cmx", None) == set()


async def test_applications_with_configurations_are_named_once_and_in_order(kept: Kept) -> None:
    for application in ("olives", "figs", "oaks", "elms"):
        for instance in ("epts", "dcx"):
            await kept.configurations.put(
                {}, instance=instance, application=application, version=None, incarnation="a"
            )

    found: list[str] = []
    while page := await kept.configurations.applications(after=found[-1] if found else ""):
        found += page

    assert found == ["elms", "figs", "oaks", "olives"]


async def test_a_configuration_put_for_another_life_is_not_removed(kept: Kept) -> None:
    for version in (None, "olives-v1"):
        await kept.configurations.put(
            {}, instance="epts", application="olives", version=version, incarnation="first"
        )
    place: dict[str, Any] = {"instance": "epts", "application": "olives", "version": None}
    await kept.configurations.put({"new": 1}, **place, incarnation="second")

    removed = [
        await kept.configurations.remove(**place, incarnation=life)
        for life in ("first", "", "second", "second")
    ]

    assert removed == [False, False, True, False]
    assert await kept.configurations.of_application("olives") == {("epts", "olives-v1"): {}}
