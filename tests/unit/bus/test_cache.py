"""LookupCache: shared loads, rule 17's race, refusals, ages and bounds."""

import asyncio
from collections.abc import Callable

import pytest

from libs.bus import LookupCache
from libs.bus.cache import MAX_REPEATS
from libs.contracts.errors import (
    ForbiddenError,
    GroveError,
    TooManyRequestsError,
    UnavailableError,
)
from tests.unit.bus.cache_owner import Owner, settle


@pytest.fixture
def owner() -> Owner:
    return Owner()


async def test_an_answer_is_loaded_once_and_kept(owner: Owner) -> None:
    cache = owner.cache()

    assert [await cache.get("token") for _ in range(3)] == ["endpoint"] * 3

    assert owner.loads == 1


async def test_callers_at_the_same_time_share_one_load(owner: Owner) -> None:
    cache = owner.cache()

    assert await asyncio.gather(*(cache.get("token") for _ in range(100))) == ["endpoint"] * 100

    assert owner.loads == 1


@pytest.mark.parametrize(
    "revoke",
    [
        pytest.param(lambda cache: cache.invalidate("token"), id="by key"),
        pytest.param(lambda cache: cache.invalidate_where(lambda _k, _v: False), id="by predicate"),
        pytest.param(lambda cache: cache.clear(), id="clear"),
    ],
)
async def test_a_load_overtaken_by_a_revocation_is_discarded_and_repeated(
    owner: Owner, revoke: Callable[[LookupCache[str, str]], None]
) -> None:
    cache = owner.cache()
    owner.release.clear()

    async with asyncio.TaskGroup() as tasks:
        first = tasks.create_task(cache.get("token"))
        await owner.read.wait()
        owner.answers["token"] = "another endpoint"
        revoke(cache)
        joined = tasks.create_task(cache.get("token"))
        await settle()
        owner.release.set()

    assert first.result() == joined.result() == "another endpoint"
    assert await cache.get("token") == "another endpoint"
    assert owner.loads == 2


async def test_a_refusal_overtaken_by_a_reactivation_is_repeated_too(owner: Owner) -> None:
    cache = owner.cache()
    owner.answers["token"] = ForbiddenError("token is suspended")
    owner.release.clear()

    async with asyncio.TaskGroup() as tasks:
        call = tasks.create_task(cache.get("token"))
        await owner.read.wait()
        owner.answers["token"] = "endpoint"
        cache.invalidate("token")
        owner.release.set()

    assert call.result() == "endpoint"


async def test_revoking_another_key_does_not_disturb_a_load(owner: Owner) -> None:
    cache = owner.cache()
    owner.release.clear()

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(cache.get("token"))
        await owner.read.wait()
        cache.invalidate("another token")
        owner.release.set()

    assert owner.loads == 1


async def test_endless_revocations_end_in_503_not_in_a_stale_answer(owner: Owner) -> None:
    async def overtaken_load(_key: str) -> str:
        owner.loads += 1
        cache.clear()
        return "stale"

    cache: LookupCache[str, str] = LookupCache(overtaken_load, max_entries=10)

    with pytest.raises(UnavailableError):
        await cache.get("token")

    assert owner.loads == MAX_REPEATS + 1
    assert len(cache) == 0


async def test_invalidate_where_forgets_what_matches_and_every_refusal(owner: Owner) -> None:
    cache = owner.cache()
    owner.answers |= {"kept": "other endpoint", "refused": ForbiddenError()}
    await cache.get("token")
    await cache.get("kept")
    with pytest.raises(ForbiddenError):
        await cache.get("refused")

    cache.invalidate_where(lambda _key, value: value == "endpoint")

    assert len(cache) == 1
    await cache.get("kept")
    assert owner.loads == 3


async def test_invalidate_keys_forgets_what_matches_refusals_included_and_nothing_else(owner: Owner) -> None:
    cache = owner.cache()
    owner.answers |= {"refused": ForbiddenError(), "kept refusal": ForbiddenError()}
    for key in ("token", "refused", "kept refusal"):
        await asyncio.gather(cache.get(key), return_exceptions=True)

    cache.invalidate_keys(lambda key: key in {"token", "refused"})
    for key in ("token", "refused", "kept refusal"):
        await asyncio.gather(cache.get(key), return_exceptions=True)

    assert owner.loads == 5


@pytest.mark.parametrize(
    ("concerned", "loads"), [pytest.param("token", 2, id="it"), pytest.param("other", 1, id="another")]
)
async def test_invalidate_keys_repeats_the_loads_on_their_way_that_it_concerns(
    owner: Owner, concerned: str, loads: int
) -> None:
    cache = owner.cache()
    owner.release.clear()

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(cache.get("token"))
        await owner.read.wait()
        cache.invalidate_keys(lambda key: key == concerned)
        owner.release.set()

    assert owner.loads == loads


@pytest.mark.parametrize(
    ("answer", "age_s", "loads"),
    [
        pytest.param("endpoint", 29.9, 1, id="an answer lives 30 s"),
        pytest.param("endpoint", 30.0, 2, id="an answer is gone after 30 s"),
        pytest.param(ForbiddenError("suspended"), 4.9, 1, id="a refusal lives 5 s"),
        pytest.param(ForbiddenError("suspended"), 5.0, 2, id="a refusal is gone after 5 s"),
        pytest.param(TooManyRequestsError(), 0.0, 2, id="429 is not kept"),
        pytest.param(UnavailableError(), 0.0, 2, id="503 is not kept"),
    ],
)
async def test_how_long_answers_are_kept(
    owner: Owner, answer: str | GroveError, age_s: float, loads: int
) -> None:
    cache = owner.cache()
    owner.answers["token"] = answer

    await asyncio.gather(cache.get("token"), return_exceptions=True)
    owner.now += age_s
    await asyncio.gather(cache.get("token"), return_exceptions=True)

    assert owner.loads == loads


async def test_age_counts_from_the_start_of_the_load(owner: Owner) -> None:
    cache = owner.cache()
    owner.release.clear()

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(cache.get("token"))
        await owner.read.wait()
        owner.now = 29.0
        owner.release.set()
    owner.now = 30.0
    await cache.get("token")

    assert owner.loads == 2


async def test_the_least_recently_used_goes_first(owner: Owner) -> None:
    cache = owner.cache(max_entries=2)
    owner.answers |= {"b": "b", "c": "c"}

    for key in ("token", "b", "token", "c", "token"):
        await cache.get(key)

    assert len(cache) == 2
    assert owner.loads == 3


async def test_a_cancelled_caller_does_not_disturb_the_others(owner: Owner) -> None:
    cache = owner.cache()
    owner.release.clear()

    async with asyncio.TaskGroup() as tasks:
        first = tasks.create_task(cache.get("token"))
        second = tasks.create_task(cache.get("token"))
        await owner.read.wait()
        first.cancel()
        await settle()
        owner.release.set()

    assert first.cancelled()
    assert second.result() == "endpoint"
    assert owner.loads == 1


async def test_a_load_without_callers_is_stopped_and_the_next_one_is_fresh(owner: Owner) -> None:
    cache = owner.cache()
    owner.release.clear()

    async with asyncio.TaskGroup() as tasks:
        only = tasks.create_task(cache.get("token"))
        await owner.read.wait()
        only.cancel()
    owner.release.set()

    assert await cache.get("token") == "endpoint"
    assert owner.loads == 2


async def test_a_5xx_reaches_every_caller_of_the_shared_load(owner: Owner) -> None:
    cache = owner.cache()
    owner.answers["token"] = UnavailableError("the owner is away")

    results = await asyncio.gather(*(cache.get("token") for _ in range(3)), return_exceptions=True)

    assert [type(result) for result in results] == [UnavailableError] * 3
    assert owner.loads == 1
