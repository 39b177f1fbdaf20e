"""Services are rolled under load: a stop with SIGTERM finishes what it was given (delivery rule 26)."""

import pytest

from tests.support.load import Writer, metadata_load
from tests.support.mqtt_writer import MqttWriter
from tests.support.rest import Operator, Twin
from tests.support.stack import Stack

_ROLLED = ("credential-manager", "endpoint-register", "api-gateway", "http-transport", "mqtt-transport")
_LISTENERS = frozenset({"api-gateway", "http-transport", "mqtt-transport"})


async def _roll(stack: Stack, rest: Operator, *, times: int) -> None:
    def speaks_mqtt(twin: Twin) -> MqttWriter:
        return MqttWriter(twin, stack.mqtt)

    for service in _ROLLED:
        make_writer = speaks_mqtt if service == "mqtt-transport" else Writer
        async with metadata_load(rest, twins=10, newcomers=2, make_writer=make_writer) as load:
            for _ in range(times):
                await stack.terminate(service)
                await stack.ready(service)
                await load.everyone_is_served_again(after=f"{service} was rolled")

        answered = dict(load.outcomes)
        # Nobody is without a connection but those whose own listener is away.
        allowed = {200, "no connection"} if service in _LISTENERS else {200}
        assert answered.keys() <= allowed, (service, answered)
        assert await load.lost(rest) == []


@pytest.mark.timeout(180)
async def test_rolling_each_service_under_load_costs_no_timeout(own_stack: Stack, own_rest: Operator) -> None:
    await _roll(own_stack, own_rest, times=2)


@pytest.mark.soak
async def test_rolling_each_service_ten_times_under_load_costs_no_timeout(
    own_stack: Stack, own_rest: Operator
) -> None:
    await _roll(own_stack, own_rest, times=10)
