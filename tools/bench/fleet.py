"""``python -m tools.bench.fleet``: a fleet imported from a table, and how fast it is listed.

By hand, because a hundred thousand rows take a while on the embedded store. Shows what the import did to the
memory of every process, and how long lists, searches and an export take afterwards.
"""

import argparse
import asyncio
import json
import random
import shutil
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Final, TypeAlias

import aiohttp
import uvloop

from tools.bench.processes import resident_mib
from tools.bench.suite import Suite, running_suite, until_told
from tools.bench.table import Table, say
from tools.bench.timing import measure

_APPLICATION: Final = "olives"
_ENDPOINTS: Final = "/epr/api/v1/endpoints"
_ROWS_AT_ONCE: Final = 500
_SAY_EVERY_S: Final = 20.0
_GOAL_MS: Final = 300
_POLL_S: Final = 1.0
_CHANCE: Final = random.Random(1)  # noqa: S311 - which page is asked for next is no secret


def main() -> int:
    """Import, list, print; exit code 1 when a row was refused."""
    parser = argparse.ArgumentParser(prog="python -m tools.bench.fleet", description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000, help="endpoints (default 100,000)")
    parser.add_argument("--calls", type=int, default=100, help="for each question (default 100)")
    parser.add_argument("--filter", action="store_true", help="judge all by a filter, and list by it as well")
    options = parser.parse_args()
    directory = Path(tempfile.mkdtemp(prefix="grove-fleet-"))
    try:
        return uvloop.run(_bench(directory, options))
    finally:
        shutil.rmtree(directory, ignore_errors=True)


async def _bench(directory: Path, options: argparse.Namespace) -> int:
    async with running_suite(directory) as suite:
        headers = {"Authorization": f"Bearer {suite.api_key}"}
        unlimited = aiohttp.ClientTimeout(total=None)
        async with aiohttp.ClientSession(
            suite.api, headers=headers, timeout=unlimited, raise_for_status=True
        ) as session:
            await _create_application(session)
            refused = await _import(session, suite, options.rows)
            print(f"all events told {await until_told(suite):,.0f} s later\n")
            print(f"{await _lists(session, options, _questions(options.rows))}\n")
            if options.filter:
                questions = _filtered(await _filter_judged(session, options.rows), options.rows)
                print(f"all events told {await until_told(suite):,.0f} s later\n")
                print(f"{await _lists(session, options, questions)}\n")
            print(await _export(session))
    return 1 if refused else 0


async def _create_application(session: aiohttp.ClientSession) -> None:
    async with session.post("/tekton/api/v1/applications", json={"name": _APPLICATION}):
        pass
    versions = f"/tekton/api/v1/applications/{_APPLICATION}/app-versions"
    async with session.post(versions, json={"nameSuffix": "v1"}):
        pass


async def _import(session: aiohttp.ClientSession, suite: Suite, rows: int) -> int:
    """Import, and tell how many rows were refused."""
    memory = [_memory(suite)]
    began = told = time.perf_counter()
    done = refused = 0
    async with session.post(
        f"{_ENDPOINTS}/import",
        params={"applicationVersionName": f"{_APPLICATION}-v1"},
        data=_rows(rows),
        headers={"Content-Type": "text/csv"},
    ) as answer:
        async for line in answer.content:
            done += 1
            refused += json.loads(line)["status"] != 201  # noqa: PLR2004 - as HTTP
            now = time.perf_counter()
            if now - told > _SAY_EVERY_S:
                told = now
                memory.append(_memory(suite))
                rate = done / (now - began)
                left_min = (rows - done) / rate / 60
                say(f"{done:,} of {rows:,} rows, {rate:,.0f} a second, {left_min:.0f} min left")
    took_s = time.perf_counter() - began
    memory.append(_memory(suite))
    print(f"{done:,} rows in {took_s:,.0f} s: {done / took_s:,.0f} a second, {refused:,} refused\n")
    table = Table(("memory, MiB", "before", "halfway", "after", "most"))
    for name in suite.pids:
        seen = [sample[name] for sample in memory]
        table.add(name, *(f"{seen[at]:,.0f}" for at in (0, len(seen) // 2, -1)), f"{max(seen):,.0f}")
    print(f"{table}\n")
    return refused


def _memory(suite: Suite) -> dict[str, float]:
    return {name: resident_mib(pid) for name, pid in suite.pids.items()}


async def _rows(count: int) -> AsyncIterator[bytes]:
    yield b"endpointId,endpointToken,location,floor:number\n"
    for start in range(0, count, _ROWS_AT_ONCE):
        numbers = range(start, min(start + _ROWS_AT_ONCE, count))
        yield b"".join(b"tree-%06d,token%06d,Row %d,%d\n" % (n, n, n // 100, n % 9) for n in numbers)


async def _filter_judged(session: aiohttp.ClientSession, rows: int) -> str:
    """Make a filter that all match, wait until all are judged, and return its id."""
    filters = f"/epr/api/v1/applications/{_APPLICATION}/filters"
    began = told = time.perf_counter()
    body = {"name": "All", "mongoQuery": json.dumps({"metadata.floor": {"$gte": 0}})}
    async with session.post(filters, json=body) as answer:
        made = await answer.json()
    while made["status"] != "active":
        await asyncio.sleep(_POLL_S)
        async with session.get(f"{filters}/{made['id']}") as answer:
            made = await answer.json()
        if time.perf_counter() - told > _SAY_EVERY_S:
            told = time.perf_counter()
            say(f"{made['matchedEndpointsCount']:,} of {rows:,} judged")
    took_s = time.perf_counter() - began
    print(f"{made['matchedEndpointsCount']:,} match a filter, judged in {took_s:,.0f} s\n")
    return str(made["id"])


Questions: TypeAlias = Mapping[str, Callable[[], dict[str, str]]]
"""By name, the parameters of one more."""


def _questions(rows: int) -> Questions:
    def anywhere() -> int:
        return _CHANCE.randrange(rows)

    of_application = {"applicationName": _APPLICATION}
    return {
        "first page": lambda: of_application,
        "first page, of all applications": dict,
        "a page anywhere": lambda: of_application | {"offset": str(anywhere())},
        "a page anywhere, newest first": lambda: {"sort": "-createdDate", "offset": str(anywhere())},
        "a page of 1,000 anywhere, by id": lambda: (
            of_application | {"sort": "endpointId", "offset": str(anywhere()), "limit": "1000"}
        ),
        "at a version": lambda: {"applicationVersionName": f"{_APPLICATION}-v1", "offset": str(anywhere())},
        "ids that begin so, 100 of them": lambda: {"endpointIdPrefix": f"tree-{anywhere():06}"[:-2]},
        "ids that begin so, 10,000 of them": lambda: {"endpointIdPrefix": f"tree-{anywhere():06}"[:-4]},
        "with metadata": lambda: {"include": "metadata", "offset": str(anywhere())},
        "one id": lambda: {"endpointId": f"tree-{anywhere():06}"},
    }


def _filtered(filter_id: str, rows: int) -> Questions:
    matching = {"filterId": filter_id}
    return {
        "matching, first page": lambda: matching,
        "matching, a page anywhere": lambda: matching | {"offset": str(_CHANCE.randrange(rows))},
        "matching, a page anywhere, newest first": lambda: (
            matching | {"sort": "-createdDate", "offset": str(_CHANCE.randrange(rows))}
        ),
    }


async def _lists(session: aiohttp.ClientSession, options: argparse.Namespace, questions: Questions) -> Table:
    table = Table(("list", "p50 ms", "p95 ms", "first ms", "goal p95 ms"))
    for what, query in questions.items():

        async def call(_worker: int, query: Callable[[], dict[str, str]] = query) -> None:
            async with session.get(_ENDPOINTS, params=query()) as answer:
                await answer.read()

        began = time.perf_counter()
        await call(0)
        first_ms = (time.perf_counter() - began) * 1000
        latency = await measure(call, calls=options.calls, warmup=0)
        table.add(what, f"{latency.p50_ms:.1f}", f"{latency.p95_ms:.1f}", f"{first_ms:.0f}", str(_GOAL_MS))
    return table


async def _export(session: aiohttp.ClientSession) -> str:
    began, rows = time.perf_counter(), 0
    async with session.get(f"{_ENDPOINTS}/export", params={"applicationName": _APPLICATION}) as answer:
        async for _ in answer.content:
            rows += 1
    took_s = time.perf_counter() - began
    return f"exported {rows - 1:,} rows in {took_s:.1f} s"


if __name__ == "__main__":
    sys.exit(main())
