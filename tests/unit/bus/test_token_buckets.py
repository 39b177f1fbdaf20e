"""Token buckets: the rate holds in the long run, a burst is free, one endpoint's thirst is its own."""

import asyncio

import pytest

from libs.bus.token_buckets import Buckets, TokenBuckets
from libs.contracts.errors import TooManyRequestsError


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def buckets_of(clock: Clock, *, samples_per_s: float = 10, burst: int = 50) -> TokenBuckets:
    return TokenBuckets(samples_per_s=samples_per_s, burst=burst, clock=clock)


def test_without_a_rate_everything_is_taken_and_nothing_remembered(clock: Clock) -> None:
    buckets = buckets_of(clock, samples_per_s=0)

    assert all(buckets.take("tree", 8192) for _ in range(1000))
    assert len(buckets) == 0


@pytest.mark.parametrize("samples", [1, 7, 50, 8192], ids=lambda samples: f"{samples} a message")
def test_the_rate_holds_in_the_long_run_whatever_the_size_of_messages(clock: Clock, samples: int) -> None:
    buckets = buckets_of(clock)
    taken, span_s = 0, 100_000
    for _ in range(span_s):
        clock.now += 1
        while buckets.take("tree", samples):
            taken += samples

    assert 10 * span_s <= taken <= 10 * span_s + 50 + samples


def test_a_burst_is_taken_at_once_and_the_next_one_is_not(clock: Clock) -> None:
    buckets = buckets_of(clock)

    assert sum(buckets.take("tree", 1) for _ in range(1000)) == 50
    clock.now += 1
    assert sum(buckets.take("tree", 1) for _ in range(1000)) == 10


def test_who_is_over_its_rate_costs_others_nothing(clock: Clock) -> None:
    buckets = buckets_of(clock)
    while buckets.take("greedy", 8192):
        pass

    assert buckets.take("modest", 1)


def test_buckets_that_are_full_again_are_forgotten(clock: Clock) -> None:
    buckets = buckets_of(clock)
    for number in range(100_000):
        clock.now += 0.01  # a sample is paid for in 0.1 s
        assert buckets.take(f"tree {number}", 1)

    assert len(buckets) < 2048


async def test_waiting_takes_as_long_as_the_bucket_is_empty_and_no_longer_than_allowed(clock: Clock) -> None:
    buckets = buckets_of(clock, samples_per_s=100, burst=1)
    loop = asyncio.get_running_loop()
    assert not await buckets.admit("tree", 3)  # overdrawn by 2: none for 30 ms

    with pytest.raises(TooManyRequestsError, match="over the limit of 100 samples a second"):
        await buckets.admit("tree", 1, by=loop.time() + 0.01)
    began = loop.time()
    assert await buckets.admit("tree", 1, by=loop.time() + 1)

    assert loop.time() - began >= 0.029


async def test_who_is_refused_is_told_when_to_come_back_and_pays_nothing(clock: Clock) -> None:
    buckets = buckets_of(clock)
    assert buckets.take("tree", 80)

    for _ in range(3):
        with pytest.raises(TooManyRequestsError) as caught:
            await buckets.admit("tree", 1)
        assert caught.value.retry_after_s == 4
    clock.now += 3.1
    assert buckets.take("tree", 1)


def test_a_refusal_says_for_how_long_the_bucket_is_empty(clock: Clock) -> None:
    buckets = Buckets(rate=0.5, burst=2, clock=clock)

    assert [buckets.take("key"), buckets.take("key"), buckets.take("other")] == [0, 0, 0]
    assert buckets.take("key") == pytest.approx(2.0)
    clock.now += 2.0
    assert buckets.take("key") == 0
    assert buckets.take("key") == pytest.approx(2.0)
