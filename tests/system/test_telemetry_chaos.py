"""Telemetry while everything it passes through is killed with -9: what was acknowledged is stored, once."""

import random
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from tests.support.load import metadata_load
from tests.support.mqtt_writer import NOT_ACKNOWLEDGED
from tests.support.rest import Operator, Twin, operator
from tests.support.stack import Stack, running_stack
from tests.support.telemetry_writer import TelemetryWriter, stored_numbers
from tests.support.waiting import eventually

VICTIMS = ("data-collection", "mqtt-transport", "nats", "store")
_HONEST = {200, NOT_ACKNOWLEDGED, "no connection"}
_SOAK_ROUNDS = 5
_IMPATIENT = {"GROVE_MQTT_TRANSPORT_REPEAT_AFTER_S": "2"}


@pytest.fixture
async def stack(tmp_path: Path) -> AsyncIterator[Stack]:
    async with running_stack(tmp_path, env=_IMPATIENT) as running:
        yield running


@pytest.fixture
async def rest(stack: Stack) -> AsyncIterator[Operator]:
    async with operator(stack) as client:
        yield client


async def _survive(stack: Stack, rest: Operator, victims: Sequence[str], *, twins: int) -> None:
    writers: list[TelemetryWriter] = []

    def device(twin: Twin) -> TelemetryWriter:
        writers.append(TelemetryWriter(twin, stack.mqtt))
        return writers[-1]

    async with metadata_load(rest, twins=twins, make_writer=device) as load:
        for victim in victims:
            await load.everyone_is_served_again(after=f"{victim} was left alone", deadline_s=40)
            await stack.kill(victim)
            await stack.ready(victim)
            await load.everyone_is_served_again(after=f"{victim} was killed", deadline_s=40)

    for writer in writers:
        await _has_all(rest, writer)
    assert set(load.outcomes) <= _HONEST
    assert load.least_served() > 0


async def _has_all(rest: Operator, writer: TelemetryWriter) -> None:
    async def all_stored() -> bool:
        return not writer.numbers - (await stored_numbers(rest, writer.twin)).keys()

    await eventually(all_stored, what="every acknowledged number is stored", deadline_s=60)
    stored = await stored_numbers(rest, writer.twin)
    assert {number: count for number, count in stored.items() if count > 1} == {}


@pytest.mark.chaos
@pytest.mark.timeout(240)
async def test_every_acknowledged_sample_is_stored_once_when_each_process_is_killed(
    stack: Stack, rest: Operator
) -> None:
    await _survive(stack, rest, VICTIMS, twins=10)


@pytest.mark.soak
@pytest.mark.chaos
async def test_every_acknowledged_sample_is_stored_once_over_many_kills(
    stack: Stack, rest: Operator, soak_seed: int
) -> None:
    chance = random.Random(soak_seed)
    victims = [victim for _ in range(_SOAK_ROUNDS) for victim in chance.sample(VICTIMS, len(VICTIMS))]

    await _survive(stack, rest, victims, twins=20)
