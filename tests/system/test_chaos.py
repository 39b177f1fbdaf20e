"""Everything is killed with -9, one after another, under a load of metadata updates.

What was acknowledged is there afterwards, devices meanwhile see 503 or 504 (or no connection while
the transport itself is down), and all heals without a hand.
"""

import random
from collections.abc import Sequence

import pytest

from tests.support.load import Load, metadata_load
from tests.support.rest import Operator
from tests.support.stack import Stack
from tests.support.waiting import eventually

VICTIMS = ("credential-manager", "endpoint-register", "http-transport", "api-gateway", "nats", "store")
_HONEST = {200, 503, 504, "no connection"}
_SOAK_ROUNDS = 5


async def _kill_each(stack: Stack, load: Load, victims: Sequence[str]) -> None:
    for victim in victims:
        await _serves_again(load, after=f"{victim} was left alone")
        await stack.kill(victim)
        await stack.ready(victim)
        await _serves_again(load, after=f"{victim} was killed")


async def _serves_again(load: Load, *, after: str) -> None:
    before = load.successes

    async def serves() -> bool:
        return load.successes >= before + 50

    await eventually(serves, what=f"updates are acknowledged after {after}", deadline_s=30)


async def _judge(load: Load, rest: Operator) -> None:
    assert await load.lost(rest) == []
    assert set(load.outcomes) <= _HONEST
    assert load.least_served() > 0


@pytest.mark.chaos
@pytest.mark.timeout(180)
async def test_no_acknowledged_update_is_lost_when_each_process_is_killed(
    own_stack: Stack, own_rest: Operator
) -> None:
    async with metadata_load(own_rest, twins=10) as load:
        await _kill_each(own_stack, load, VICTIMS)

    await _judge(load, own_rest)


@pytest.mark.soak
@pytest.mark.chaos
async def test_no_acknowledged_update_is_lost_over_many_kills_in_random_order(
    own_stack: Stack, own_rest: Operator, soak_seed: int
) -> None:
    chance = random.Random(soak_seed)
    victims = [victim for _ in range(_SOAK_ROUNDS) for victim in chance.sample(VICTIMS, len(VICTIMS))]

    async with metadata_load(own_rest, twins=50) as load:
        await _kill_each(own_stack, load, victims)

    await _judge(load, own_rest)
