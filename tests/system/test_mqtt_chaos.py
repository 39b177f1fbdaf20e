"""Everything an MQTT device depends on is killed with -9, one after another, under a QoS 1 metadata load.

What was acknowledged is there afterwards; what could not be done is told as an error and not acknowledged.
"""

import random
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from tests.support.load import Load, metadata_load
from tests.support.mqtt_writer import NOT_ACKNOWLEDGED, MqttWriter
from tests.support.rest import Operator, Twin, operator
from tests.support.stack import Stack, running_stack
from tests.support.waiting import eventually

VICTIMS = ("mqtt-transport", "nats", "store", "endpoint-register", "credential-manager")
_HONEST = {200, NOT_ACKNOWLEDGED, "no connection"}
_SOAK_ROUNDS = 4
_IMPATIENT = {
    "GROVE_MQTT_TRANSPORT_PATIENCE_S": "3",
    "GROVE_MQTT_TRANSPORT_REPEAT_AFTER_S": "2",
}


@pytest.fixture
async def stack(tmp_path: Path) -> AsyncIterator[Stack]:
    async with running_stack(tmp_path, env=_IMPATIENT) as running:
        yield running


@pytest.fixture
async def rest(stack: Stack) -> AsyncIterator[Operator]:
    async with operator(stack) as client:
        yield client


async def _kill_each(stack: Stack, load: Load, victims: Sequence[str]) -> None:
    for victim in victims:
        await _serves_again(load, after=f"{victim} was left alone")
        await stack.kill(victim)
        await stack.ready(victim)
        await load.everyone_is_served_again(after=f"{victim} was killed", deadline_s=40)


async def _serves_again(load: Load, *, after: str) -> None:
    before = load.successes

    async def serves() -> bool:
        return load.successes >= before + 50

    await eventually(serves, what=f"updates are acknowledged after {after}", deadline_s=30)


async def _survive(stack: Stack, rest: Operator, victims: Sequence[str], *, twins: int) -> None:
    def speaks_mqtt(twin: Twin) -> MqttWriter:
        return MqttWriter(twin, stack.mqtt)

    async with metadata_load(rest, twins=twins, make_writer=speaks_mqtt) as load:
        await _kill_each(stack, load, victims)

    assert await load.lost(rest) == []
    assert set(load.outcomes) <= _HONEST
    assert load.least_served() > 0


@pytest.mark.chaos
@pytest.mark.timeout(240)
async def test_no_update_acknowledged_over_mqtt_is_lost_when_each_process_is_killed(
    stack: Stack, rest: Operator
) -> None:
    await _survive(stack, rest, VICTIMS, twins=10)


@pytest.mark.soak
@pytest.mark.chaos
async def test_no_update_acknowledged_over_mqtt_is_lost_over_many_kills(
    stack: Stack, rest: Operator, soak_seed: int
) -> None:
    chance = random.Random(soak_seed)
    victims = [victim for _ in range(_SOAK_ROUNDS) for victim in chance.sample(VICTIMS, len(VICTIMS))]

    await _survive(stack, rest, victims, twins=30)
