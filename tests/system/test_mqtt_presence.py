"""Presence with two transports: endpoints that move, and a transport that is killed."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.support.mqtt_device import Device, device
from tests.support.rest import Json, Operator, Twin, operator
from tests.support.stack import Stack, running_stack
from tests.support.waiting import eventually

_MOVED, _STAYED = 5, 5
_SILENT_AFTER = {"GROVE_ENDPOINT_REGISTER_SILENT_AFTER_S": "11"}
"""Half of what it is in earnest, and still more than twice as long as a transport is silent."""


@pytest.fixture
async def stack(tmp_path: Path) -> AsyncIterator[Stack]:
    replicas = {"mqtt-transport": 2, "endpoint-register": 2}
    async with running_stack(tmp_path, replicas=replicas, env=_SILENT_AFTER) as running:
        yield running


@pytest.fixture
async def rest(stack: Stack) -> AsyncIterator[Operator]:
    async with operator(stack) as client:
        yield client


def port_of(stack: Stack, replica: int) -> int:
    port = urlsplit(stack.url_of("mqtt-transport", replica)).port
    assert port is not None
    return port


def speak(tree: Device, twin: Twin, number: int) -> None:
    answered, _ = tree.ask(f"kp1/{twin.app_version}/epmx/{twin.token}/get/{number}")
    assert answered.endswith("/status")


async def connected(rest: Operator, twins: list[Twin]) -> list[bool]:
    async def of(twin: Twin) -> Json:
        path = f"/epr/api/v1/endpoints/{twin.endpoint_id}?include=connectivity"
        return (await rest.done("GET", path))["connectivity"]["connected"]

    return [await of(twin) for twin in twins]


@pytest.mark.chaos
@pytest.mark.timeout(120)
async def test_a_killed_transport_ends_what_it_held_and_nothing_that_moved(
    stack: Stack, rest: Operator
) -> None:
    version = await rest.new_version()
    twins = [await rest.new_twin(version) for _ in range(_MOVED + _STAYED)]
    moved, stayed = twins[:_MOVED], twins[_MOVED:]

    with ExitStack() as devices:
        old = await asyncio.to_thread(devices.enter_context, device(port_of(stack, 0), client_id="old"))
        new = await asyncio.to_thread(devices.enter_context, device(port_of(stack, 1), client_id="new"))
        for number, twin in enumerate(twins):
            await asyncio.to_thread(speak, old, twin, number)
        for number, twin in enumerate(moved):
            await asyncio.to_thread(speak, new, twin, number)
        await eventually(lambda: all_are(rest, twins, [True] * len(twins)), what="all are connected")

        await stack.kill("mqtt-transport", 0)
        # Whoever stayed must not come back over the replica that replaces the killed one.
        old.client.loop_stop()

        expected = [True] * _MOVED + [False] * _STAYED
        await eventually(
            lambda: all_are(rest, moved + stayed, expected), what="those that stayed are gone", deadline_s=25
        )
        for number, twin in enumerate(moved):
            await asyncio.to_thread(speak, new, twin, 100 + number)
    await eventually(lambda: all_are(rest, twins, [False] * len(twins)), what="all are gone")


@pytest.mark.chaos
@pytest.mark.timeout(120)
async def test_presence_is_right_after_nats_was_killed(stack: Stack, rest: Operator) -> None:
    version = await rest.new_version()
    twins = [await rest.new_twin(version) for _ in range(3)]

    with ExitStack() as devices:
        trees = [
            await asyncio.to_thread(devices.enter_context, device(port_of(stack, number % 2)))
            for number in range(3)
        ]
        for tree, twin in zip(trees, twins, strict=True):
            await asyncio.to_thread(speak, tree, twin, 0)
        await eventually(lambda: all_are(rest, twins, [True] * 3), what="all are connected")

        await stack.kill("nats")
        trees[0].client.disconnect()
        await stack.ready("nats")

        await eventually(
            lambda: all_are(rest, twins, [False, True, True]), what="one of three has left", deadline_s=30
        )


async def all_are(rest: Operator, twins: list[Twin], expected: list[bool]) -> bool:
    return await connected(rest, twins) == expected
