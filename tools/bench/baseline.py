"""``make bench-baseline``: the same load on us, and on Mosquitto with a paho script in front of a store.

Twice on each: as it goes, and with the store killed for 10 s in the middle. "Lost" is what was acknowledged
to the devices and is not in the store a while after. Mosquitto acknowledges from memory; we do when it is
synced.
"""

import asyncio
import shutil
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple, TypeAlias

import uvloop

from tools.bench.baseline_parts import Place, Store, find_mosquitto, mosquitto, paho_script
from tools.bench.loader import Loader, loading, plan_topics
from tools.bench.suite import create_twins, running_suite
from tools.bench.table import Table, say

_CONNECTIONS: Final = 100
_MESSAGES: Final = 40_000
_KILLED_FOR_S: Final = 10.0
_BURST: Final = 2_000
_BURST_EVERY_S: Final = 1.0
_BURSTS: Final = 18
_KILL_AT: Final = 4
_SETTLED_S: Final = 10.0
_PAYLOAD: Final = '{"temperature":21.5,"humidity":40,"pressure":1013.25,"n":1234}'


class Started(NamedTuple):
    """One of the two: where to send, what, and where it ends up."""

    url: str
    topics: list[str]
    place: Place


Start: TypeAlias = Callable[[Path, Store], AbstractAsyncContextManager[Started]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """What one of the two did.

    Attributes:
        acks_per_s: Messages acknowledged a second, as fast as they were.
        stored_per_s: Of them stored a second, from the first to the last.
        lost: Of those acknowledged.
        kill_acknowledged: Messages acknowledged around a kill of the store.
        kill_lost: Of those.
    """

    acks_per_s: float
    stored_per_s: float
    acknowledged: int
    lost: int
    kill_acknowledged: int
    kill_lost: int


def main() -> int:
    """Run the comparison; 0 as well when there is no Mosquitto."""
    if find_mosquitto() is None:
        print("skipped: Mosquitto is not installed (apt-get install mosquitto)")
        return 0
    directory = Path(tempfile.mkdtemp(prefix="grove-baseline-"))
    try:
        ours, theirs = uvloop.run(_both(directory))
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    print(_table(ours, theirs))
    return 0


async def _both(directory: Path) -> tuple[Column, Column]:
    return await _column("ours", _ours, directory), await _column("theirs", _theirs, directory)


async def _column(name: str, start: Start, directory: Path) -> Column:
    folder = directory / name
    folder.mkdir()
    async with AsyncExitStack() as stack:
        store = await stack.enter_async_context(Store.running(folder / "store"))
        say(f"{name}: starting")
        url, topics, place = await stack.enter_async_context(start(folder, store))
        shares = [topics[number::_CONNECTIONS] for number in range(_CONNECTIONS)]
        loader = await stack.enter_async_context(loading(plan_topics(url, shares, _PAYLOAD)))
        gentle = plan_topics(url, shares, _PAYLOAD, outstanding=_BURST)
        before = await store.settled(place)
        say(f"{name}: {_MESSAGES:,} messages as fast as they are acknowledged")
        began = time.perf_counter()
        result = await loader.send(_MESSAGES)
        reached, ended = await store.reached(place, before + result.acknowledged, within_s=_SETTLED_S)
        say(f"{name}: a burst a second, the store is killed for {_KILLED_FOR_S:.0f} s")
        loader = await stack.enter_async_context(loading(gentle))
        stored = await store.settled(place)  # what let the topics in is stored as well
        acknowledged = await _with_a_kill(loader, store)
        after, _ = await store.reached(place, stored + acknowledged, within_s=3 * _SETTLED_S)
        return Column(
            acks_per_s=result.acknowledged / result.seconds,
            stored_per_s=(reached - before) / (ended - began),
            acknowledged=result.acknowledged,
            lost=max(0, before + result.acknowledged - reached),
            kill_acknowledged=acknowledged,
            kill_lost=max(0, stored + acknowledged - after),
        )


async def _with_a_kill(loader: Loader, store: Store) -> int:
    acknowledged = 0
    async with asyncio.TaskGroup() as group:
        for number in range(_BURSTS):
            if number == _KILL_AT:
                group.create_task(store.killed_for(_KILLED_FOR_S), name="killing the store")
            began = time.perf_counter()
            acknowledged += (await loader.send(_BURST)).acknowledged
            await asyncio.sleep(max(0.0, _BURST_EVERY_S - (time.perf_counter() - began)))
    return acknowledged


@asynccontextmanager
async def _ours(directory: Path, store: Store) -> AsyncIterator[Started]:
    suite_directory = directory / "suite"
    await asyncio.to_thread(suite_directory.mkdir)
    async with running_suite(suite_directory, GROVE_MONGODB_URL=store.url) as suite:
        twins = await create_twins(suite, count=_CONNECTIONS)
        topics = [f"kp1/{twin.app_version}/dcx/{twin.token}/json" for twin in twins]
        yield Started(suite.mqtt, topics, ("data_collection", "samples"))


@asynccontextmanager
async def _theirs(directory: Path, store: Store) -> AsyncIterator[Started]:
    async with mosquitto(directory) as port, paho_script(port, store.url):
        topics = [f"kp1/demo-v1/dcx/token-{number:04}/json" for number in range(_CONNECTIONS)]
        yield Started(f"mqtt://127.0.0.1:{port}", topics, ("paho", "samples"))


def _table(ours: Column, theirs: Column) -> Table:
    table = Table(("baseline: 100 connections, QoS 1", "Olivegrove", "Mosquitto + paho", "ratio"))
    for what, mine, other in (
        ("acknowledged a second", ours.acks_per_s, theirs.acks_per_s),
        ("stored a second", ours.stored_per_s, theirs.stored_per_s),
    ):
        table.add(what, f"{mine:,.0f}", f"{other:,.0f}", f"{mine / other:.1f}" if other else "")
    for what, count, of in (
        ("lost, of acknowledged", "lost", "acknowledged"),
        ("lost with the store killed for 10 s", "kill_lost", "kill_acknowledged"),
    ):
        table.add(what, *(f"{getattr(each, count):,} of {getattr(each, of):,}" for each in (ours, theirs)))
    return table


if __name__ == "__main__":
    sys.exit(main())
