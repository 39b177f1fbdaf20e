"""The metadata round trip: a device's bytes in, the answer out, through every part of the suite."""

import asyncio
import time

from tools.bench.http_load import HttpConnection, post
from tools.bench.mqtt_load import MqttConnection, publish
from tools.bench.suite import Suite, Twin
from tools.bench.timing import Latency, measure

_OK = 200


async def metadata_round_trips(
    suite: Suite, twins: list[Twin], *, calls: int, concurrency: int
) -> tuple[Latency, Latency]:
    """Over HTTP: ``epmx get``, and an ``epmx update/keys`` that changes something; a connection each."""
    connections = [await HttpConnection.open(suite.http) for _ in range(concurrency)]
    gets = [_request(suite, twin, "get", b"{}") for twin in twins]
    turn = iter(range(1_000_000_000))

    async def get(worker: int) -> None:
        _expect_ok(await connections[worker].exchange(gets[worker]))

    async def update(worker: int) -> None:
        body = b'{"model":"BFG 9000","turn":%d}' % next(turn)
        request = _request(suite, twins[worker], "update/keys", body)
        _expect_ok(await connections[worker].exchange(request))

    read = await measure(get, calls=calls, concurrency=concurrency)
    written = await measure(update, calls=calls, concurrency=concurrency)
    for connection in connections:
        await connection.close()
    return read, written


async def mqtt_round_trips(
    suite: Suite, twins: list[Twin], *, calls: int, concurrency: int
) -> tuple[Latency, Latency]:
    """The same over MQTT: QoS 1 PUBLISH until both its PUBACK and its answer are here."""
    connections = [await MqttConnection.open(suite.mqtt, f"bench-{worker}") for worker in range(concurrency)]
    gets = [publish(_topic(twin, "get/1"), b"{}") for twin in twins]
    turn = iter(range(1_000_000_000))

    async def get(worker: int) -> None:
        _expect_status(await connections[worker].exchange(gets[worker]))

    async def update(worker: int) -> None:
        body = b'{"model":"BFG 9000","turn":%d}' % next(turn)
        request = publish(_topic(twins[worker], "update/keys/2"), body)
        _expect_status(await connections[worker].exchange(request))

    read = await measure(get, calls=calls, concurrency=concurrency)
    written = await measure(update, calls=calls, concurrency=concurrency)
    for connection in connections:
        await connection.close()
    return read, written


async def mqtt_connects(suite: Suite, *, count: int) -> float:
    """Open ``count`` connections, 100 at a time; returns CONNACKs a second."""
    began = time.perf_counter()
    opened: list[MqttConnection] = []

    async def work(worker: int) -> None:
        opened.extend(
            [
                await MqttConnection.open(suite.mqtt, f"connects-{number}")
                for number in range(worker, count, 100)
            ]
        )

    async with asyncio.TaskGroup() as workers:
        for worker in range(100):
            workers.create_task(work(worker), name=f"connecting {worker}")
    rate = count / (time.perf_counter() - began)
    for connection in opened:
        await connection.close()
    return rate


def _topic(twin: Twin, resource: str) -> str:
    return f"kp1/{twin.app_version}/epmx/{twin.token}/{resource}"


def _expect_status(answer: tuple[str, bytes]) -> None:
    topic, payload = answer
    if not topic.endswith("/status"):
        raise SystemExit(f"the suite answered an error: {payload[:200].decode(errors='replace')}")


def _request(suite: Suite, twin: Twin, resource: str, body: bytes) -> bytes:
    return post(suite.http, f"/kp1/{twin.app_version}/epmx/{twin.token}/{resource}", body)


def _expect_ok(answer: tuple[int, bytes]) -> None:
    status, body = answer
    if status != _OK:
        raise SystemExit(f"the suite answered {status}: {body[:200].decode(errors='replace')}")
