"""LookupCache: shared loads, rule 17's race, refusals, ages and bounds."""

import asyncio
import contextlib
from collections.abc import Callable

import pytest

from libs.bus import LookupCache
from libs.bus.cache import MAX_REPEATS, NotAskedError
from libs.contracts.errors import (
    DeadlineError,
    ForbiddenError,
    GroveError,
    TooManyRequestsError,
    UnavailableError,
)


class Owner:
    """The service that knows: answers are changed, held back and counted by the test."""

    def __init__(self) -> None:
        self.answers: dict[str, str | GroveError] = {"token": "endpoint"}
        self.loads = 0
        self.read = asyncio.Event()
        self.release = asyncio.Event()
        self.release.set()
        self.now = 0.0

    async def load(self, key: str) -> str:
        self.loads += 1
        answer = self.answers[key]
        self.read.set()
        await self.release.wait()
        if isinstance(answer, GroveError):
            raise answer
        return answer

    def cache(self, *, max_entries: int = 100, grace_s: float = 0) -> LookupCache[str, str]:
        return LookupCache(
            self.load,
            max_entries=max_entries,
            ttl_s=30,
            negative_ttl_s=5,
            grace_s=grace_s,
            clock=lambda: self.now,
        )


@pytest.fixture
def owner() -> Owner:
    return Owner()


async def settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


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


@pytest.mark.parametrize("error", [UnavailableError(), DeadlineError()], ids=["503", "504"])
async def test_while_nobody_can_be_asked_a_known_answer_holds_for_its_grace(
    owner: Owner, error: GroveError
) -> None:
    cache = owner.cache(grace_s=100)
    await cache.get("token")
    owner.answers["token"] = error

    for owner.now in (30, 59, 61, 129):
        assert await cache.get("token") == "endpoint"
        await settle()
    owner.now = 130
    with pytest.raises(type(error)):
        await cache.get("token")


async def test_while_the_owner_is_silent_one_caller_waits_and_the_others_are_served(owner: Owner) -> None:
    cache = owner.cache(grace_s=100)
    owner.answers |= {f"token {n}": "endpoint" for n in range(99)}
    for key in owner.answers:
        await cache.get(key)
    owner.answers, owner.now = dict.fromkeys(owner.answers, DeadlineError()), 31
    assert await cache.get("token") == "endpoint"
    owner.release.clear()  # from now on it does not even say that it cannot
    asked = owner.loads

    answers = [await cache.get(f"token {n}") for n in range(99)]

    await settle()
    assert answers == ["endpoint"] * 99
    assert owner.loads - asked == 1
    owner.release.set()


async def test_an_answer_in_use_is_asked_for_again_before_its_time_is_over(owner: Owner) -> None:
    cache = owner.cache(grace_s=100)
    await cache.get("token")
    owner.answers["token"], owner.now = "another", 26
    assert await cache.get("token") == "endpoint"
    await settle()

    owner.now = 40
    assert await cache.get("token") == "another"
    assert owner.loads == 2


async def test_whoever_can_be_asked_again_is_believed(owner: Owner) -> None:
    cache = owner.cache(grace_s=100)
    await cache.get("token")
    owner.answers["token"], owner.now = UnavailableError(), 31
    await cache.get("token")
    owner.answers["token"], owner.now = ForbiddenError("suspended"), 62

    with pytest.raises(ForbiddenError):
        await cache.get("token")


async def test_a_failure_is_believed_for_some_seconds_and_not_for_the_whole_grace(owner: Owner) -> None:
    cache = owner.cache(grace_s=300)
    owner.answers["other"] = "endpoint"
    await cache.get("token")
    await cache.get("other")
    owner.answers["other"], owner.now = UnavailableError(), 31
    await cache.get("other")
    owner.answers["token"], owner.now = ForbiddenError("suspended"), 60

    with pytest.raises(ForbiddenError):
        await cache.get("token")


async def test_who_could_not_ask_says_nothing_about_the_owner(owner: Owner) -> None:
    cache = owner.cache(grace_s=100)
    owner.answers["other"] = "endpoint"
    await cache.get("token")
    await cache.get("other")
    owner.answers["other"], owner.now = NotAskedError(), 31
    assert await cache.get("other") == "endpoint"
    owner.answers["token"] = ForbiddenError("suspended")

    with pytest.raises(ForbiddenError):
        await cache.get("token")


@pytest.mark.parametrize("take_back", ["invalidate", "clear"])
async def test_an_answer_that_was_taken_back_has_no_grace(owner: Owner, take_back: str) -> None:
    cache = owner.cache(grace_s=100)
    await cache.get("token")
    owner.answers["token"], owner.now = UnavailableError(), 31
    owner.release.clear()
    owner.read.clear()

    async def refused() -> bool:
        with pytest.raises(UnavailableError):
            await cache.get("token")
        return True

    async with asyncio.TaskGroup() as group:
        asked = group.create_task(refused(), name="asked")
        await owner.read.wait()
        if take_back == "clear":
            cache.clear()
        else:
            cache.invalidate("token")
        owner.release.set()

    assert asked.result()
    assert await refused()


@pytest.mark.parametrize(
    ("first", "later"),
    [
        pytest.param(ForbiddenError(), UnavailableError(), id="a refusal"),
        pytest.param("endpoint", TooManyRequestsError(), id="another failure"),
    ],
)
async def test_refusals_have_no_grace_and_other_failures_give_none(
    owner: Owner, first: str | GroveError, later: GroveError
) -> None:
    cache = owner.cache(grace_s=100)
    owner.answers["token"] = first
    with contextlib.suppress(ForbiddenError):
        await cache.get("token")
    owner.answers["token"], owner.now = later, 31

    with pytest.raises(type(later)):
        await cache.get("token")
