"""The store is silent for a while: devices notice nothing, and what they sent is stored when it is back."""

import asyncio
import time
from pathlib import Path

import pytest

from tests.support.load import Load, metadata_load
from tests.support.mqtt_writer import NOT_ACKNOWLEDGED
from tests.support.rest import Operator, Twin, operator
from tests.support.stack import running_stack
from tests.support.telemetry_writer import TelemetryWriter, stored_numbers
from tests.support.waiting import eventually

_WINDOW_S = 5.0
"""In each stretch of this length somebody is acknowledged, however long the store has been silent."""
_RESIDENT_MIB = 300
_WORKERS = ("mqtt-transport", "http-transport", "data-collection", "credential-manager", "nats")


@pytest.mark.chaos
@pytest.mark.parametrize(
    ("outage_s", "twins"),
    [
        pytest.param(10, 10, id="10 s", marks=pytest.mark.timeout(180)),
        pytest.param(120, 20, id="2 min", marks=[pytest.mark.soak, pytest.mark.timeout(900)]),
    ],
)
async def test_devices_are_acknowledged_while_the_store_is_silent_and_nothing_is_lost(
    tmp_path: Path, outage_s: float, twins: int
) -> None:
    trees: list[TelemetryWriter] = []
    async with running_stack(tmp_path) as stack, operator(stack) as rest:

        def tree(twin: Twin) -> TelemetryWriter:
            trees.append(TelemetryWriter(twin, stack.mqtt))
            return trees[-1]

        async with metadata_load(rest, twins=twins, make_writer=tree) as load:
            await load.everyone_is_served_again(after="it began")
            await stack.pause("store")
            await _acknowledged_all_the_time(load, outage_s)
            largest_mib = max(_resident_mib(stack.pid_of(name)) for name in _WORKERS)
            await stack.resume("store")
            await load.everyone_is_served_again(after="the store was back", deadline_s=60)

        for each in trees:
            await _has_all(rest, each, deadline_s=60 + 3 * outage_s)
    assert set(load.outcomes) <= {200, NOT_ACKNOWLEDGED}
    assert largest_mib < _RESIDENT_MIB


async def _acknowledged_all_the_time(load: Load, for_s: float) -> None:
    ends_at = time.monotonic() + for_s
    while time.monotonic() < ends_at:
        before = load.successes
        await asyncio.sleep(_WINDOW_S)
        assert load.successes > before, f"nobody in {_WINDOW_S:g} s, {ends_at - time.monotonic():.0f} s to go"


async def _has_all(rest: Operator, tree: TelemetryWriter, *, deadline_s: float) -> None:
    async def all_stored() -> bool:
        return not tree.numbers - (await stored_numbers(rest, tree.twin)).keys()

    await eventually(all_stored, what="every acknowledged number is stored", deadline_s=deadline_s)
    stored = await stored_numbers(rest, tree.twin)
    assert {number: count for number, count in stored.items() if count > 1} == {}


def _resident_mib(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) / 1024
