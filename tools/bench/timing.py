"""Latencies of many calls, and the numbers people compare."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from statistics import quantiles

_MS = 1000.0


@dataclass(frozen=True, slots=True)
class Latency:
    """What a series of calls took.

    Attributes:
        p50_ms: Median, milliseconds.
        p95_ms: 95th percentile, milliseconds.
        p99_ms: 99th percentile, milliseconds.
        rate: Calls a second over the whole series.
        calls: How many calls there were.
    """

    p50_ms: float
    p95_ms: float
    p99_ms: float
    rate: float
    calls: int


async def measure(
    call: Callable[[int], Awaitable[object]], *, calls: int, concurrency: int = 1, warmup: int = 50
) -> Latency:
    """Time ``call(worker)`` ``calls`` times by ``concurrency`` workers, each one call after another."""
    for turn in range(warmup):
        await call(turn % concurrency)
    taken: list[float] = []
    remaining = iter(range(calls))

    async def work(worker: int) -> None:
        for _ in remaining:
            started = time.perf_counter()
            await call(worker)
            taken.append(time.perf_counter() - started)

    began = time.perf_counter()
    async with asyncio.TaskGroup() as workers:
        for worker in range(concurrency):
            workers.create_task(work(worker), name=f"bench worker {worker}")
    whole_s = time.perf_counter() - began
    cuts = quantiles(taken, n=100, method="inclusive")
    return Latency(
        p50_ms=cuts[49] * _MS,
        p95_ms=cuts[94] * _MS,
        p99_ms=cuts[98] * _MS,
        rate=calls / whole_s,
        calls=calls,
    )
