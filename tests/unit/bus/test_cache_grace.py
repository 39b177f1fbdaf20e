"""LookupCache: what holds while the owner cannot be asked."""

import asyncio
import contextlib

import pytest

from libs.bus.cache import NotAskedError
from libs.contracts.errors import (
    DeadlineError,
    ForbiddenError,
    GroveError,
    TooManyRequestsError,
    UnavailableError,
)
from tests.unit.bus.cache_owner import Owner, settle


@pytest.fixture
def owner() -> Owner:
    return Owner()


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
