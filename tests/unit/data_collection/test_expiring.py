"""Samples and rollups that an application keeps no longer, and answers to questions about that boundary."""

import random
from collections.abc import Awaitable, Callable

import pytest

from libs.contracts.errors import UnavailableError
from libs.contracts.time_series import ReadData, iso
from services.data_collection.domain.durations import DAY_MS, HOUR_MS, MINUTE_MS
from services.data_collection.domain.rollups import AT_LATEST_MS, QUIET_MS, SPREAD_MS, Rollup
from services.data_collection.domain.samples import Sample
from services.data_collection.usecases.expiring import SLICE, Expiring, Passes, expire
from services.data_collection.usecases.marking import MarkedSamples
from services.data_collection.usecases.querying import read_data
from tests.support.rest import Json
from tests.support.time_series import Grove, InMemoryRollupRepository, SettableClock
from tests.unit.data_collection.collecting_fakes import InMemorySampleRepository

NOON = 1_795_262_400_000  # 2026-11-21T12:00Z
NOW = NOON + 2 * DAY_MS + 20 * MINUTE_MS
HORIZON = NOW - 2 * DAY_MS  # 12:20: in the middle of an hour
TWO_DAYS: Json = {"retention": "2d"}


class NoRemovals:
    async def add(self, endpoint_id: str, until_ms: int) -> None:
        raise NotImplementedError

    async def all(self) -> dict[str, int]:
        return {}

    async def drop(self, endpoint_id: str, until_ms: int) -> None:
        raise NotImplementedError


class InterruptedRollups(InMemoryRollupRepository):
    """Something happens between the reading of samples and the storing of what they came to."""

    def __init__(self) -> None:
        super().__init__()
        self.meanwhile: Callable[[], Awaitable[object]] | None = None

    async def put(self, rollup: Rollup) -> None:
        if self.meanwhile is not None:
            await self.meanwhile()
        await super().put(rollup)


@pytest.fixture
def grove() -> Grove:
    return Grove(SettableClock(NOON))


def expiring(grove: Grove) -> Expiring:
    return Expiring(
        samples=grove.samples,
        rollups=grove.rollups,
        retentions=grove.documents,
        removals=NoRemovals(),
        clock=grove.clock,
        oldest_ms=lambda: None,
        pause_s=0,
    )


def keep_two_days(grove: Grove) -> None:
    grove.documents.documents["dcx", "olives", None] = TWO_DAYS


async def filled(grove: Grove) -> None:
    """Roll up three hours before noon, and three from then on."""
    chance = random.Random(7)
    derivation = grove.derivation()
    derivation.note(
        [
            await grove.store(
                NOON + chance.randrange(-3 * HOUR_MS, 3 * HOUR_MS), {"t": chance.randrange(100)}
            )
            for _ in range(400)
        ]
    )
    await derivation.flush()
    grove.clock.at_ms = NOON + 3 * HOUR_MS + AT_LATEST_MS + QUIET_MS + SPREAD_MS + 1
    while await derivation.compute_due():
        pass
    grove.clock.at_ms = NOW


def hours(grove: Grove) -> list[int]:
    return sorted((hour_ms - NOON) // HOUR_MS for _, hour_ms in grove.rollups.rollups)


async def asked(grove: Grove, every: str, sort: str) -> list[Json]:
    request = ReadData(
        application_name="olives",
        time_series_name=("auto~t",),
        from_date=iso(NOON - 3 * HOUR_MS),
        to_date=iso(NOON + 3 * HOUR_MS),
        every=every,
        sort="ASC" if sort == "ASC" else "DESC",
    )
    page = await read_data(request, parts=grove.queries)
    return [[at, values] for run in page.runs for at, values in run.points]


async def test_what_an_application_keeps_no_longer_goes_with_what_it_came_to(grove: Grove) -> None:
    await filled(grove)
    before = hours(grove)
    keep_two_days(grove)

    deleted = await expire(expiring(grove))

    assert before == [-3, -2, -1, 0, 1, 2]
    assert hours(grove) == [1, 2]
    assert min(each.time_ms for each in grove.samples.by_id.values()) >= HORIZON
    assert deleted + len(grove.samples.by_id) == 400


async def test_what_others_keep_stays(grove: Grove) -> None:
    await filled(grove)
    grove.documents.documents["dcx", "figs", None] = TWO_DAYS

    assert await expire(expiring(grove)) == 0
    assert hours(grove) == [-3, -2, -1, 0, 1, 2]


@pytest.mark.parametrize("every", ["1m", "7m", "1h", "6h", "1d"])
@pytest.mark.parametrize("sort", ["ASC", "DESC"])
async def test_aggregates_over_the_boundary_say_what_the_samples_say(
    grove: Grove, every: str, sort: str
) -> None:
    await filled(grove)
    keep_two_days(grove)
    await expire(expiring(grove))

    found = await asked(grove, every, sort)
    grove.samples.reads = 0
    again = await asked(grove, every, sort)
    reads = grove.samples.reads
    grove.rollups.rollups.clear()

    assert found == again == await asked(grove, every, sort)
    assert sum(values["count"] for values in (each[1]["value"] for each in found)) == len(grove.samples.by_id)
    if every != "7m":
        assert reads < len(grove.samples.by_id) / 2  # hours after the boundary are rollups still


async def test_no_sample_goes_before_what_its_hour_came_to(grove: Grove) -> None:
    await filled(grove)
    keep_two_days(grove)
    grove.rollups.away = True

    with pytest.raises(UnavailableError):
        await expire(expiring(grove))

    assert len(grove.samples.by_id) == 400


async def test_many_hours_go_slice_by_slice(grove: Grove) -> None:
    await grove.store(NOON, {"t": 1})
    for number in range(2 * SLICE + 1):
        await grove.rollups.put(Rollup("tree", NOON - number * HOUR_MS, {"olives-v1": ""}, {}))
    grove.clock.at_ms = NOW
    keep_two_days(grove)

    await expire(expiring(grove))

    assert hours(grove) == []


async def test_a_late_sample_of_an_expired_hour_brings_no_rollup_back(grove: Grove) -> None:
    await filled(grove)
    keep_two_days(grove)
    await expire(expiring(grove))
    derivation = grove.derivation()
    derivation.note([await grove.store(NOON - HOUR_MS, {"t": 1}), await grove.store(HORIZON + 1, {"t": 1})])
    await derivation.marked()

    grove.clock.at_ms += QUIET_MS + SPREAD_MS + 1
    done = await derivation.compute_due()

    assert done == 2
    assert hours(grove) == [1, 2]
    assert not grove.rollups.marks


@pytest.mark.parametrize("configured", ["before", "meanwhile"])
async def test_an_hour_that_expires_while_it_is_computed_is_not_rolled_up(configured: str) -> None:
    rollups = InterruptedRollups()
    grove = Grove(SettableClock(NOW), rollups=rollups)

    async def meanwhile() -> None:
        keep_two_days(grove)
        await expire(expiring(grove))

    rollups.meanwhile = meanwhile
    if configured == "before":
        keep_two_days(grove)
    derivation = grove.derivation()
    derivation.note([await grove.store(HORIZON - MINUTE_MS, {"t": 1}), await grove.store(HORIZON, {"t": 2})])
    await derivation.marked()
    grove.clock.at_ms += QUIET_MS + SPREAD_MS + 1

    await derivation.compute_due()

    assert hours(grove) == []
    assert not grove.rollups.marks


async def test_an_hour_about_to_expire_is_not_rolled_up_and_one_that_stays_is(grove: Grove) -> None:
    keep_two_days(grove)
    grove.clock.at_ms = NOON + 2 * DAY_MS - QUIET_MS - 30_000
    derivation = grove.derivation()
    derivation.note(
        [await grove.store(NOON + QUIET_MS, {"t": 1}), await grove.store(NOON + HOUR_MS, {"t": 2})]
    )
    await derivation.marked()
    grove.clock.at_ms += QUIET_MS + SPREAD_MS

    await derivation.compute_due()

    assert hours(grove) == [1]


async def test_one_document_that_cannot_be_used_does_not_stop_the_others(grove: Grove) -> None:
    await filled(grove)
    grove.documents.documents["dcx", "figs", None] = {"retention": "for ever"}
    keep_two_days(grove)

    assert await expire(expiring(grove)) > 0


def test_a_pass_begins_some_hours_before_the_last_one_ended_and_once_a_day_at_the_beginning() -> None:
    passes, now_ms = Passes(), NOW
    first = passes.begin_of("olives", now_ms)
    passes.ended("olives", first, now_ms - 10 * DAY_MS, now_ms)

    soon = passes.begin_of("olives", now_ms + HOUR_MS)
    others = passes.begin_of("figs", now_ms + HOUR_MS)
    passes.ended("olives", soon, now_ms - 2 * DAY_MS, now_ms + HOUR_MS)  # it keeps less now
    later = passes.begin_of("olives", now_ms + 2 * HOUR_MS)

    assert (first, others) == (0, 0)
    assert soon == now_ms - 10 * DAY_MS - 6 * HOUR_MS
    assert later == now_ms - 2 * DAY_MS - 6 * HOUR_MS
    assert passes.begin_of("olives", now_ms + DAY_MS) == 0
    passes.keep({"figs"})
    assert passes.begin_of("olives", now_ms + 2 * HOUR_MS) == 0  # it has no retention any more


async def test_a_pass_that_was_interrupted_begins_anew(grove: Grove) -> None:
    await filled(grove)
    keep_two_days(grove)
    parts = expiring(grove)
    grove.rollups.away = True
    with pytest.raises(UnavailableError):
        await expire(parts)

    grove.rollups.away = False
    deleted = await expire(parts)
    again = await expire(parts)

    assert deleted + len(grove.samples.by_id) == 400
    assert (deleted > 0, again) == (True, 0)


async def test_what_comes_late_for_long_ago_goes_within_a_day(grove: Grove) -> None:
    await filled(grove)
    keep_two_days(grove)
    parts = expiring(grove)
    await expire(parts)
    await grove.store(HORIZON - HOUR_MS, {"t": 1})
    await grove.store(HORIZON - DAY_MS, {"t": 1})

    soon = await expire(parts)
    grove.clock.at_ms += DAY_MS
    grove.documents.documents["dcx", "olives", None] = {"retention": "3d"}
    a_day_later = await expire(parts)

    assert (soon, a_day_later) == (1, 1)


async def test_what_was_computed_for_an_endpoint_goes_with_its_last_sample(grove: Grove) -> None:
    await filled(grove)
    samples = InMemorySampleRepository()
    await samples.insert(
        [Sample(bytes([number]), "tree", "olives-v1", number, 5, b"{}") for number in (1, 2)]
    )
    marked = MarkedSamples(samples, grove.derivation())

    counts = [(count, len(hours(grove))) async for count in marked.delete_received("tree", 5)]

    assert counts == [(1, 6), (1, 6)]
    assert hours(grove) == []
