"""How long one message takes: until it is acknowledged, until it is stored, until its device is told."""

import itertools
import time

from pymongo import AsyncMongoClient

from tools.bench.mqtt_load import MqttConnection, publish
from tools.bench.suite import Suite, Twin
from tools.bench.timing import Latency, measure

_TOGETHER = 100


async def latencies(suite: Suite, twins: list[Twin], *, calls: int) -> list[tuple[str, Latency]]:
    """Measure all of them, one message at a time, and what can be measured by 100 clients at once."""
    found = [("acknowledged, x1", await _acknowledged(suite, twins, calls=calls, concurrency=1))]
    found.append(("stored (seen in the store), x1", await _stored(suite, twins[-1], calls=calls)))
    for concurrency in (1, _TOGETHER):
        told = await _told(suite, twins, calls=calls * (1 + concurrency // 20), concurrency=concurrency)
        found.append((f"/status, x{concurrency}", told))
    return found


async def _open(suite: Suite, count: int) -> list[MqttConnection]:
    return [await MqttConnection.open(suite.mqtt, f"bench-ingest-{number}") for number in range(count)]


async def _acknowledged(suite: Suite, twins: list[Twin], *, calls: int, concurrency: int) -> Latency:
    clients = await _open(suite, concurrency)

    async def call(worker: int) -> None:
        await clients[worker].acknowledged(publish(_topic(twins[worker]), b'{"n":1}'))

    latency = await measure(call, calls=calls, concurrency=concurrency)
    for client in clients:
        await client.close()
    return latency


async def _stored(suite: Suite, twin: Twin, *, calls: int) -> Latency:
    """Look into the store until the sample is there, which takes a look; of an endpoint with few samples."""
    [device] = await _open(suite, 1)
    async with AsyncMongoClient[dict[str, object]](suite.mongodb) as client:
        samples = client.get_database("data_collection").get_collection("samples")
        numbers = itertools.count(1)

        async def call(_worker: int) -> None:
            text = b'{"look":%d,"at":%d}' % (next(numbers), time.time_ns())
            await device.acknowledged(publish(_topic(twin), text))
            while True:
                found = await samples.find_one({"e": twin.endpoint_id}, sort=[("t", -1), ("_id", -1)])
                if found is not None and found["s"] == text:
                    return

        latency = await measure(call, calls=calls)
    await device.close()
    return latency


async def _told(suite: Suite, twins: list[Twin], *, calls: int, concurrency: int) -> Latency:
    clients = await _open(suite, concurrency)

    async def call(worker: int) -> None:
        topic, payload = await clients[worker].exchange(publish(f"{_topic(twins[worker])}/1", b'{"n":1}'))
        if not topic.endswith("/status"):
            raise SystemExit(f"the suite answered an error: {payload[:200].decode(errors='replace')}")

    latency = await measure(call, calls=calls, concurrency=concurrency)
    for client in clients:
        await client.close()
    return latency


def _topic(twin: Twin) -> str:
    return f"kp1/{twin.app_version}/dcx/{twin.token}/json"
