"""``python -m tools.bench.ingest``: telemetry over MQTT, from the socket to the stream and to the store.

The load comes from a process of its own. "Acknowledged" is durable and synced: the stream has it. First the
collector is stopped, as while the store is away; then it drains what has come; then both work at once.
"""

import argparse
import shutil
import sys
import tempfile
import time
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from statistics import median
from typing import Final

import uvloop

from tools.bench.collector import RemoteCollector
from tools.bench.ingest_latency import latencies
from tools.bench.ingest_limits import bare_stream, insert_rate, stream_rate
from tools.bench.ingest_load import Result
from tools.bench.loader import Loader, loading, plan
from tools.bench.processes import CpuClock, syncs_per_s
from tools.bench.suite import Suite, Twin, create_twins, running_suite, until_told
from tools.bench.table import Table, say

_PAYLOAD: Final = '{"temperature":21.5,"humidity":40,"pressure":1013.25,"n":1234}'
_CONNECTIONS: Final = 100
_ROUNDS: Final = 3
_PER: Final = 100_000
_SPREADS: Final = ((10, 1000), (100, 1000), (1000, 1000), (100, 100), (100, 10_000), (100, 100_000))
"""Connections and endpoints; those that were not created are left out."""
_PROCESSES: Final = {
    "mqtt-transport": "transport",
    "nats": "nats",
    "data-collection": "collector",
    "store": "store",
}
_US: Final = 1_000_000


def main() -> int:
    """Run the bench alone; exit code 0 when every figure could be taken."""
    parser = argparse.ArgumentParser(prog="python -m tools.bench.ingest", description=__doc__)
    parser.add_argument("--messages", type=int, default=60_000, help="for each rate (default 60,000)")
    parser.add_argument("--calls", type=int, default=300, help="for each latency (default 300)")
    parser.add_argument("--endpoints", type=int, default=10_000, help="the most, made over REST (10,000)")
    parser.add_argument("--keep", action="store_true", help="keep data and logs, and say where")
    options = parser.parse_args()
    directory = Path(tempfile.mkdtemp(prefix="grove-bench-"))
    try:
        uvloop.run(_alone(directory, options))
    finally:
        if options.keep:
            print(f"data and logs: {directory}")
        else:
            shutil.rmtree(directory, ignore_errors=True)
    return 0


async def _alone(directory: Path, options: argparse.Namespace) -> None:
    say("starting the suite")
    async with running_suite(directory) as suite:
        print(
            await ingest(
                suite,
                directory,
                messages=options.messages,
                calls=options.calls,
                endpoints=options.endpoints,
            )
        )


async def ingest(suite: Suite, directory: Path, *, messages: int, calls: int, endpoints: int) -> str:
    """Measure, and return the tables as text; a backlog is left that nobody waits for."""
    say(f"creating {endpoints:,} endpoints")
    began = time.perf_counter()
    twins = await create_twins(suite, count=endpoints)
    say(f"created {endpoints / (time.perf_counter() - began):,.0f} a second, telling of them")
    await until_told(suite)
    bench = _Bench(suite, twins, messages)
    bench.rates.add("fsync of 32 KiB on this disk", f"{syncs_per_s(directory):,.0f}")
    await bench.acknowledge_and_drain(directory)
    await bench.acknowledge_and_store()
    say("measuring latencies")
    waits = Table(("ingest: publish until", "p50 ms", "p99 ms"))
    for what, latency in await latencies(suite, twins, calls=calls):
        waits.add(what, f"{latency.p50_ms:.1f}", f"{latency.p99_ms:.1f}")
    await bench.spread()
    return "\n\n".join(str(table) for table in (bench.rates, waits, bench.costs, bench.spreads))


class _Bench:
    """The rates, in the order in which one leaves the next what it needs."""

    def __init__(self, suite: Suite, twins: list[Twin], messages: int) -> None:
        self._suite = suite
        self._twins = twins
        self._messages = messages
        self._collector = RemoteCollector(suite)
        self._bare_store = 0.0
        self.rates = Table(("ingest: 100 connections", "a second", "ratio", "p50 ms", "p99 ms", "against"))
        self.costs = Table(("ingest: CPU s per 100,000 messages", *_PROCESSES.values(), "load"))
        self.spreads = Table(("ingest: connections, endpoints", "acks/s", "transport us/message", "ratio"))

    async def acknowledge_and_drain(self, directory: Path) -> None:
        """Into the stream alone, some rounds; then from there into the store."""
        messages = self._messages
        say(f"measuring acknowledgements, {_ROUNDS} rounds of {messages:,}, while the collector is stopped")
        stored = await self._collector.stored()
        results, bares, cpu = [], [], []
        async with bare_stream(directory) as client, self._loading(_CONNECTIONS, _CONNECTIONS) as loader:
            with self._collector.stopped():
                for _ in range(_ROUNDS):
                    bares.append(await stream_rate(client, self._twins, _PAYLOAD, messages=messages))
                    result, taken = await self._round(loader)
                    results.append(result)
                    cpu.append(taken)
            bare = median(bares)
            self.rates.add("bare synced stream, batches of 256", f"{bare:,.0f}")
            self._add_rate("durable acks, collector stopped", results, bare, "bare stream")
            self._add_cost("into the stream, collector stopped", cpu)
            say("draining")
            count = sum(result.acknowledged for result in results)
            clock, began = CpuClock(self._pids()), time.perf_counter()
            # What was let in while connecting is stored as well, and may have been before the stop.
            _, ended = await self._collector.wait_until_stored(stored + count)
            drained = count / (ended - began)
        self._bare_store = await self._insert_rate()
        self.rates.add("bare insert_many, same indexes", f"{self._bare_store:,.0f}")
        self._add_stored("stored, draining a backlog", drained)
        self._add_cost("from the stream into the store", [_per(clock.taken(), count)])

    async def acknowledge_and_store(self) -> None:
        """From devices into the store, all at once."""
        say(f"measuring end to end, {self._messages:,} messages")
        async with self._loading(_CONNECTIONS, _CONNECTIONS) as loader:
            stored = await self._collector.stored()
            clock, began = CpuClock(self._pids()), time.perf_counter()
            result, _ = await self._round(loader)
            count, ended = await self._collector.wait_until_stored(stored + result.acknowledged)
        taken = clock.taken()
        self._bare_store = median((self._bare_store, await self._insert_rate()))
        self._add_rate("durable acks, collector running", [result], 0.0, "")
        self._add_stored("stored end to end", (count - stored) / (ended - began))
        self._add_cost("from devices into the store", [_per(taken, result.acknowledged, result)])

    async def spread(self) -> None:
        """See what a message costs the transport with more connections and more endpoints."""
        first: dict[str, float] = {}
        with self._collector.stopped():
            for connections, endpoints in _SPREADS:
                if endpoints > len(self._twins):
                    continue
                say(f"measuring {connections:,} connections, {endpoints:,} endpoints")
                async with self._loading(connections, endpoints) as loader:
                    # The first round asks for what has been forgotten since its topics were let in.
                    _, *rounds = [await self._round(loader, at_least=endpoints) for _ in range(_ROUNDS + 1)]
                cost = median(taken["mqtt-transport"] for _, taken in rounds) * _US / _PER
                rate = median(result.acknowledged / result.seconds for result, _ in rounds)
                kind = "connections" if endpoints == _SPREADS[0][1] else "endpoints"
                ratio = cost / first.setdefault(kind, cost)
                self.spreads.add(
                    f"{connections:,}, {endpoints:,}", f"{rate:,.0f}", f"{cost:.2f}", f"{ratio:.2f}"
                )

    def _loading(self, connections: int, endpoints: int) -> AbstractAsyncContextManager[Loader]:
        return loading(plan(self._suite.mqtt, self._twins[:endpoints], connections, _PAYLOAD))

    async def _round(self, loader: Loader, *, at_least: int = 0) -> tuple[Result, dict[str, float]]:
        clock = CpuClock(self._pids())
        result = await loader.send(max(self._messages, at_least))
        if result.lost_connections:
            say(f"{result.lost_connections} connections of the load were lost")
        return result, _per(clock.taken(), result.acknowledged, result)

    def _pids(self) -> dict[str, int]:
        return {name: self._suite.pids[name] for name in _PROCESSES}

    async def _insert_rate(self) -> float:
        say("measuring bare insert_many")
        return await insert_rate(self._suite.mongodb, self._twins, _PAYLOAD, samples=self._messages // 2)

    def _add_rate(self, what: str, results: list[Result], limit: float, against: str) -> None:
        rate = median(result.acknowledged / result.seconds for result in results)
        p50, p99 = (median(getattr(result, name) for result in results) for name in ("p50_ms", "p99_ms"))
        ratio = f"{rate / limit:.2f}" if limit else ""
        self.rates.add(what, f"{rate:,.0f}", ratio, f"{p50:.0f}", f"{p99:.0f}", against)

    def _add_stored(self, what: str, rate: float) -> None:
        self.rates.add(what, f"{rate:,.0f}", f"{rate / self._bare_store:.2f}", "", "", "bare insert_many")

    def _add_cost(self, what: str, rounds: list[dict[str, float]]) -> None:
        names = (*_PROCESSES, "load")
        self.costs.add(what, *(f"{median(taken.get(name, 0.0) for taken in rounds):.2f}" for name in names))


def _per(taken: dict[str, float], messages: int, result: Result | None = None) -> dict[str, float]:
    """Processor time of 100,000 messages; with a result, that of the load as well."""
    load = {"load": result.cpu_s} if result is not None else {}
    return {name: each * _PER / messages for name, each in (taken | load).items()}


if __name__ == "__main__":
    sys.exit(main())
