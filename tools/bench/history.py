"""``python -m tools.bench.history``: how fast REST answers from a store that holds a lot.

By hand, because filling takes long: ten million samples are half an hour on the embedded store. Samples are
one kind of tree's, a month of each endpoint, written by time as devices would have sent them. Hours of some
endpoints are marked and computed by the running data-collection; it is these endpoints that are asked for.
"""

import argparse
import asyncio
import os
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import aiohttp
import uvloop
from pymongo import AsyncMongoClient

from libs.contracts.errors import UnavailableError
from libs.contracts.ids import application_of
from libs.contracts.ingest import sample_id
from libs.store import Store
from services.data_collection.domain.durations import HOUR_MS, start_of
from services.data_collection.domain.rollups import Mark, spread_of
from services.data_collection.domain.samples import Sample
from services.data_collection.mongo import MongoSampleRepository
from services.data_collection.mongo.rollups import MongoRollupRepository
from tools.bench.mqtt_load import MqttConnection, publish
from tools.bench.suite import Suite, Twin, create_twins, metric, running_suite
from tools.bench.table import Table, say
from tools.bench.timing import Latency, measure

_SLICE: Final = 1000
_INSERTS_AT_ONCE: Final = 2
_DAY_MS: Final = 24 * HOUR_MS
_SPAN_MS: Final = 30 * _DAY_MS
_MS: Final = 1000
_SAY_EVERY_S: Final = 20.0
_DATABASE: Final = "data_collection"
_DELETED: Final = 'grove_data_collection_deleted_total{reason="retention"}'
_CHANCE: Final = random.Random(1)  # noqa: S311 - which endpoint is asked for next is no secret
_GOALS: Final = (
    ("last points of one endpoint", 20),
    ("one day of one series", 100),
    ("hourly averages of a month", 500),
)


def main() -> int:
    """Fill, ask, print; exit code 0 when every figure could be taken."""
    parser = argparse.ArgumentParser(prog="python -m tools.bench.history", description=__doc__)
    parser.add_argument("--points", type=int, default=10_000_000, help="samples (default 10,000,000)")
    parser.add_argument("--endpoints", type=int, default=1_000, help="that have them (default 1,000)")
    parser.add_argument("--asked", type=int, default=50, help="endpoints that are asked for (default 50)")
    parser.add_argument("--calls", type=int, default=200, help="for each question (default 200)")
    options = parser.parse_args()
    directory = Path(tempfile.mkdtemp(prefix="grove-history-"))
    try:
        uvloop.run(_bench(directory, options))
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    return 0


async def _bench(directory: Path, options: argparse.Namespace) -> None:
    async with running_suite(directory, GROVE_DATA_COLLECTION_RETENTION_EVERY_S="5") as suite:
        say(f"creating {options.endpoints:,} endpoints")
        twins = await create_twins(suite, count=options.endpoints)
        ends_ms = start_of(int(time.time() * _MS), HOUR_MS)  # noqa: TID251 - of the data, as a device's clock
        store = Store.open(suite.mongodb, database=_DATABASE, app_name="bench")
        try:
            await _fill(MongoSampleRepository(store), twins, options.points, ends_ms - _SPAN_MS)
            await _roll_up(MongoRollupRepository(store), store, twins[: options.asked], ends_ms)
        finally:
            await store.close()
        table = Table(("question", "p50 ms", "p99 ms", "goal ms", "points"))
        for (what, goal_ms), (latency, points) in zip(
            _GOALS, await _ask(suite, twins[: options.asked], ends_ms, options.calls), strict=True
        ):
            table.add(what, f"{latency.p50_ms:.1f}", f"{latency.p99_ms:.1f}", str(goal_ms), f"{points:,}")
        print(f"{options.points:,} points of {options.endpoints:,} endpoints over 30 days\n\n{table}\n")
        print(f"plan of the day's range: {await _plan(suite.mongodb, twins[0], ends_ms)}\n")
        print(await _deletion(suite, twins, options.calls))


async def _fill(samples: MongoSampleRepository, twins: list[Twin], points: int, begin_ms: int) -> None:
    slices = iter(_slices(twins, points, begin_ms))
    done, began, told = 0, time.perf_counter(), time.perf_counter()

    async def work() -> None:
        nonlocal done, told
        for some in slices:
            await _insert(samples, some)
            done += len(some)
            now = time.perf_counter()
            if now - told > _SAY_EVERY_S:
                told = now
                rate = done / (now - began)
                left_min = (points - done) / rate / 60
                say(f"{done:,} of {points:,} samples, {rate:,.0f} a second, {left_min:.0f} min left")

    async with asyncio.TaskGroup() as workers:
        for number in range(_INSERTS_AT_ONCE):
            workers.create_task(work(), name=f"inserter {number}")
    say(f"{points:,} samples in {time.perf_counter() - began:,.0f} s")


async def _insert(samples: MongoSampleRepository, some: list[Sample]) -> None:
    """Insert, again where a busy machine let the store miss its deadline: by their ids it is done once."""
    while True:
        try:
            await samples.insert(some)
        except UnavailableError as error:
            say(f"a slice comes again: {error}")
        else:
            return


def _slices(twins: list[Twin], points: int, begin_ms: int) -> Iterator[list[Sample]]:
    run_id = int.from_bytes(os.urandom(8), "big")
    for start in range(0, points, _SLICE):
        yield [
            _sample(twins[number % len(twins)], run_id, number, begin_ms + _SPAN_MS * number // points)
            for number in range(start, min(start + _SLICE, points))
        ]


def _sample(twin: Twin, run_id: int, number: int, time_ms: int) -> Sample:
    text = b'{"temperature":%.1f,"humidity":%d,"battery":3.7}' % (
        _CHANCE.gauss(21, 4),
        _CHANCE.randint(30, 90),
    )
    name = sample_id(run_id, number // _SLICE, number % _SLICE)
    return Sample(name, twin.endpoint_id, twin.app_version, time_ms, time_ms, text)


async def _roll_up(rollups: MongoRollupRepository, store: Store, twins: list[Twin], ends_ms: int) -> None:
    """Mark every hour, and wait until data-collection has computed them all."""
    hours = range(ends_ms - _SPAN_MS, ends_ms, HOUR_MS)
    for twin in twins:
        due_ms = ends_ms - spread_of(twin.endpoint_id)
        await rollups.mark([Mark(twin.endpoint_id, hour, "bench", due_ms) for hour in hours])
    marks = store.collection("marks")
    while left := await marks.count_documents({"s": "bench"}):
        say(f"{left:,} hours of endpoints are to be rolled up")
        await asyncio.sleep(_SAY_EVERY_S)


async def _ask(suite: Suite, twins: list[Twin], ends_ms: int, calls: int) -> list[tuple[Latency, int]]:
    application = application_of(twins[0].app_version)
    path = f"/epts/api/v1/applications/{application}/time-series"
    headers = {"Authorization": f"Bearer {suite.api_key}"}
    ends_at = _iso(ends_ms)
    questions: tuple[tuple[str, dict[str, str]], ...] = (
        ("last", {}),
        ("data", {"fromDate": _iso(ends_ms - _DAY_MS), "toDate": ends_at}),
        (
            "data",
            {"fromDate": _iso(ends_ms - _SPAN_MS), "toDate": ends_at, "every": "1h", "aggregate": "avg"},
        ),
    )
    found = []
    async with aiohttp.ClientSession(suite.api, headers=headers, raise_for_status=True) as session:
        for resource, parameters in questions:
            count = 0

            async def call(
                _worker: int, resource: str = resource, asked: dict[str, str] = parameters
            ) -> None:
                nonlocal count
                twin = _CHANCE.choice(twins).endpoint_id
                query = {"timeSeriesName": "auto~temperature", "endpointId": twin, **asked}
                async with session.get(f"{path}/{resource}", params=query) as answer:
                    told = (
                        await answer.json()
                    )  # one object for each endpoint, in an array where it is streamed
                points = (told[0] if isinstance(told, list) else told)[twin]["auto~temperature"]
                count = len(points)

            say(f"asking for {resource} {parameters}")
            found.append((await measure(call, calls=calls, warmup=5), count))
    return found


async def _deletion(suite: Suite, twins: list[Twin], calls: int) -> Table:
    """Let all but a day be deleted, and see what that does to acknowledgements."""
    table = Table(("publish until acknowledged, one at a time", "p50 ms", "p99 ms"))
    device = await MqttConnection.open(suite.mqtt, "history")
    topic = f"kp1/{twins[0].app_version}/dcx/{twins[0].token}/json"

    async def call(_worker: int) -> None:
        await device.acknowledged(publish(topic, b'{"n":1}'))

    def add(what: str, latency: Latency) -> None:
        table.add(what, f"{latency.p50_ms:.1f}", f"{latency.p99_ms:.1f}")

    async def deleted() -> float:
        # Counting what is left would read it all, and on the embedded store nobody is answered meanwhile.
        return await metric(suite, "data-collection", _DELETED)

    add("before", await measure(call, calls=10 * calls))
    await _keep_a_day(suite, str(application_of(twins[0].app_version)))
    while not await deleted():  # noqa: ASYNC110 - nobody tells
        await asyncio.sleep(1)
    began, before = time.perf_counter(), await deleted()
    add("while a month of samples is deleted", await measure(call, calls=10 * calls))
    rate = (await deleted() - before) / (time.perf_counter() - began)
    await device.close()
    say(f"{rate:,.0f} samples deleted a second meanwhile")
    return table


async def _keep_a_day(suite: Suite, application: str) -> None:
    path = f"/tekton/api/v1/app-configs/applications/{application}?serviceInstanceName=dcx"
    body = {"dcx": {"kaa": {"applications": {application: {"retention": "1d"}}}}}
    headers = {"Authorization": f"Bearer {suite.api_key}"}
    async with (
        aiohttp.ClientSession(suite.api, headers=headers, raise_for_status=True) as session,
        session.put(path, json=body),
    ):
        pass


def _iso(time_ms: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time_ms / _MS))


async def _plan(url: str, twin: Twin, ends_ms: int) -> object:
    async with AsyncMongoClient[dict[str, Any]](url) as client:
        samples = client.get_database(_DATABASE).get_collection("samples")
        wanted = {"e": twin.endpoint_id, "t": {"$gte": ends_ms - _DAY_MS, "$lt": ends_ms}}
        plan = await samples.find(wanted, sort=[("t", 1), ("_id", 1)], limit=1000).explain()
        return plan.get("queryPlanner", plan).get("winningPlan", plan)


if __name__ == "__main__":
    sys.exit(main())
