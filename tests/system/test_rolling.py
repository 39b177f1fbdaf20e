"""Services are rolled under load: a stop with SIGTERM finishes what it was given (delivery rule 26).

Of the owners of state there are two, as wherever somebody rolls in earnest: how long a lone one is away is
a matter of how fast the machine starts a Python process, and longer than callers wait is a 503.
"""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.load import Writer, metadata_load
from tests.support.mqtt_writer import MqttWriter
from tests.support.rest import Operator, Twin, operator
from tests.support.stack import Stack, running_stack

_OWNERS = ("credential-manager", "endpoint-register")
_LISTENERS = ("api-gateway", "http-transport", "mqtt-transport")


@pytest.fixture
async def stack(tmp_path: Path) -> AsyncIterator[Stack]:
    async with running_stack(tmp_path, replicas=dict.fromkeys(_OWNERS, 2)) as running:
        yield running


@pytest.fixture
async def rest(stack: Stack) -> AsyncIterator[Operator]:
    async with operator(stack) as client:
        yield client


async def _roll(stack: Stack, rest: Operator, *, times: int) -> None:
    def speaks_mqtt(twin: Twin) -> MqttWriter:
        return MqttWriter(twin, stack.mqtt)

    for service in (*_OWNERS, *_LISTENERS):
        make_writer = speaks_mqtt if service == "mqtt-transport" else Writer
        async with metadata_load(rest, twins=10, newcomers=2, make_writer=make_writer) as load:
            for turn in range(times):
                replica = turn % 2 if service in _OWNERS else 0
                await stack.terminate(service, replica)
                await stack.ready(service, replica)
                await load.everyone_is_served_again(after=f"{service} was rolled")

        answered = dict(load.outcomes)
        # Nobody is without a connection but those whose own listener is away.
        allowed = {200, "no connection"} if service in _LISTENERS else {200}
        assert answered.keys() <= allowed, (service, answered)
        assert await load.lost(rest) == []


@pytest.mark.timeout(180)
async def test_rolling_each_service_under_load_costs_no_timeout(stack: Stack, rest: Operator) -> None:
    await _roll(stack, rest, times=1)


@pytest.mark.soak
async def test_rolling_each_service_ten_times_under_load_costs_no_timeout(
    stack: Stack, rest: Operator
) -> None:
    await _roll(stack, rest, times=10)
