"""Nothing is lost or doubled when NATS or the store is killed while the stream is drained."""

import asyncio
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from libs.contracts.errors import UnavailableError
from services.data_collection.bus_api import StreamIngest
from services.data_collection.domain.lasts import Last, Lasts
from services.data_collection.mongo.queries import MongoLastRepository
from tests.component.data_collection.conftest import Start, Transport, message
from tests.support.servers import NatsServer, StoreServer, nats_process, store_process

pytestmark = pytest.mark.chaos

BATCHES = 60
SAMPLES = 200
_GROWTH_BYTES = 150 * 1024 * 1024


@pytest.fixture
def nats(tmp_path: Path) -> Iterator[NatsServer]:
    with nats_process(tmp_path) as server:
        yield server


@pytest.fixture
def store_server(tmp_path: Path) -> Iterator[StoreServer]:
    with store_process(tmp_path) as server:
        yield server


async def publish(transport: Transport, *, pause_s: float = 0.0) -> None:
    for number in range(BATCHES):
        batch = [
            message({"n": number, "m": each}, endpoint_id=f"tree-{each % 20}") for each in range(SAMPLES)
        ]
        await transport.publish(transport.batch(batch))
        await asyncio.sleep(pause_s)


async def test_nats_killed_while_the_stream_is_drained_loses_and_doubles_nothing(
    transport: Transport, start: Start, nats: NatsServer
) -> None:
    replica = await start()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(publish(transport, pause_s=0.03), name="publish")
        for _ in range(4):
            await asyncio.sleep(0.6)
            await nats.kill()
            await nats.start()
    await replica.watch().look()

    await replica.holds(BATCHES * SAMPLES, deadline_s=40)


async def test_batches_that_nats_brings_back_after_they_were_acknowledged_are_stored_once_and_deleted(
    transport: Transport, start: Start, nats: NatsServer, tmp_path: Path
) -> None:
    """A kill -9 may leave the stream as it was and its consumer as it became: here both are arranged."""
    replica = await start(collecting=False)
    for number in range(5):
        await transport.send({"n": number})
    await nats.stop()
    (messages,) = nats.directory.glob("jetstream/**/streams/*INGEST*/msgs")
    shutil.copytree(messages, tmp_path / "before")
    await nats.start()
    collector = await start()
    await collector.holds(5)
    await collector.bus.stop_consuming()
    await nats.stop()
    shutil.rmtree(messages)
    shutil.copytree(tmp_path / "before", messages)
    await nats.start()
    backlog = await StreamIngest(replica.bus).backlog()
    assert (backlog.messages, backlog.first_sequence, backlog.floor) == (5, 1, 5)

    adopted = await replica.watch().look()

    assert adopted == 5
    await replica.holds(5)


async def test_last_points_that_the_store_does_not_take_are_one_expected_error_and_taken_when_it_is_back(
    start: Start, store_server: StoreServer
) -> None:
    lasts = MongoLastRepository((await start(collecting=False)).store)
    points = {"auto~t": Last(1, "aa", {"value": 1})}
    changed = [Lasts(f"tree-{n}", "grove", points=points, revision=1) for n in range(3)]
    await store_server.kill()

    with pytest.raises(UnavailableError):
        await lasts.advance(changed)

    await store_server.start()
    assert await lasts.advance(changed) == []


async def test_store_killed_for_some_seconds_loses_and_doubles_nothing(
    transport: Transport, start: Start, store_server: StoreServer
) -> None:
    replica = await start()
    before = resident_bytes()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(publish(transport), name="publish")
        await asyncio.sleep(0.3)
        await store_server.kill()
        await asyncio.sleep(5)
    grown = resident_bytes() - before
    await store_server.start()

    await replica.holds(BATCHES * SAMPLES, deadline_s=40)
    assert grown < _GROWTH_BYTES


async def test_store_frozen_for_some_seconds_loses_and_doubles_nothing(
    transport: Transport, start: Start, store_server: StoreServer
) -> None:
    replica = await start()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(publish(transport), name="publish")
        await asyncio.sleep(0.3)
        await store_server.pause()
        await asyncio.sleep(6)
        await store_server.resume()

    await replica.holds(BATCHES * SAMPLES, deadline_s=40)


def resident_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")
