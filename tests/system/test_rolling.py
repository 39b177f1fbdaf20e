"""Services are rolled under load: a stop with SIGTERM finishes what it was given (delivery rule 26)."""

import pytest

from tests.support.load import metadata_load
from tests.support.rest import Operator
from tests.support.stack import Stack
from tests.support.waiting import eventually

_ROLLED = ("credential-manager", "endpoint-register", "api-gateway", "http-transport")


async def _roll(stack: Stack, rest: Operator, *, times: int) -> None:
    for service in _ROLLED:
        async with metadata_load(rest, twins=10) as load:
            for _ in range(times):
                before = load.successes
                await stack.terminate(service)
                await stack.ready(service)

                async def serves(before: int = before) -> bool:
                    return load.successes > before

                await eventually(serves, what=f"updates pass after {service} was rolled", deadline_s=15)

        answered = dict(load.outcomes)
        # A device has no connection only while its own transport is away.
        assert answered.keys() <= ({200, "no connection"} if service == "http-transport" else {200}), service
        assert await load.lost(rest) == []


@pytest.mark.timeout(180)
async def test_rolling_each_service_under_load_costs_no_timeout(own_stack: Stack, own_rest: Operator) -> None:
    await _roll(own_stack, own_rest, times=2)


@pytest.mark.soak
async def test_rolling_each_service_ten_times_under_load_costs_no_timeout(
    own_stack: Stack, own_rest: Operator
) -> None:
    await _roll(own_stack, own_rest, times=10)
