"""Real NATS, a real store, replicas of data-collection here, and a transport that publishes batches.

Tests share two servers, with a subject root and a database each; those that kill one have their own.
"""

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any

import msgspec
import nats as nats_py
import pytest
from nats import errors as nats_errors
from nats.aio.client import Client

from libs.bus import Bus
from libs.contracts.ingest import IngestBatch, IngestMessage, batch_id, ingest_subject
from libs.contracts.streams import collect_consumer, events_stream, ingest_stream, rejected_stream
from libs.contracts.subjects import Subjects
from libs.process import SystemClock
from libs.store import Store
from services.data_collection.app import Unconfigured, assemble
from services.data_collection.bus_api import (
    IngestHandlers,
    StreamIngest,
    collect_batches,
    follow_removals,
)
from services.data_collection.domain.samples import Derivable, Sample
from services.data_collection.mongo import MongoRemovalRepository, MongoSampleRepository
from services.data_collection.mongo.rollups import MongoRollupRepository
from services.data_collection.ports import Configurations
from services.data_collection.settings import Settings
from services.data_collection.usecases.expiring import Expiring
from services.data_collection.usecases.orphans import OrphanWatch
from tests.support.servers import (
    NatsServer,
    StoreServer,
    fresh_database,
    fresh_subject_root,
    nats_process,
    store_process,
)
from tests.support.waiting import eventually

RECEIVED_MS = 1_790_000_000_000
VERSION = "grove-v1"


def message(payload: object = None, **fields: Any) -> IngestMessage:  # noqa: ANN401 - fields of any type
    body = (
        payload
        if isinstance(payload, bytes)
        else msgspec.json.encode({"n": 1} if payload is None else payload)
    )
    values: dict[str, Any] = {
        "endpoint_id": "tree",
        "app_version": VERSION,
        "resource": "/json",
        "payload": body,
        "received_ms": RECEIVED_MS,
    }
    return IngestMessage(**{**values, **fields})


@dataclass
class Transport:
    """Publishes batches as a transport does: until JetStream says that it has them."""

    client: Client
    subjects: Subjects
    run_id: int = field(default_factory=lambda: secrets.randbits(64))
    counter: int = 0
    sent: int = 0

    def batch(self, messages: Sequence[IngestMessage], *, format: int = 1) -> IngestBatch:  # noqa: A002 - the field
        self.counter += 1
        return IngestBatch(format, self.run_id, self.counter, list(messages))

    async def publish(self, batch: IngestBatch, *, msg_id: str | None = None) -> None:
        name = batch_id(batch.run_id, batch.counter) if msg_id is None else msg_id
        await self.publish_raw(msgspec.msgpack.encode(batch), msg_id=name)

    async def publish_raw(self, body: bytes, *, msg_id: str) -> None:
        stream = self.client.jetstream(timeout=1.0)
        subject = ingest_subject(self.subjects)
        async with asyncio.timeout(30):
            while True:
                with contextlib.suppress(nats_errors.Error, TimeoutError):
                    await stream.publish(subject, body, headers={"Nats-Msg-Id": msg_id})
                    self.sent += 1
                    return
                await asyncio.sleep(0.05)

    async def send(self, *payloads: object, **fields: Any) -> IngestBatch:  # noqa: ANN401 - fields of any type
        batch = self.batch([message(payload, **fields) for payload in payloads])
        await self.publish(batch)
        return batch


@dataclass
class Noted:
    """Remembers what was noted for computing."""

    samples: list[Derivable] = field(default_factory=list)

    def note(self, samples: Sequence[Derivable]) -> None:
        self.samples += samples


@dataclass
class Kept:
    """Retentions that a test decides."""

    by_application: Mapping[str, int]

    async def retentions(self) -> Mapping[str, int]:
        return self.by_application


@dataclass
class Replica:
    """One data-collection in this process."""

    bus: Bus
    store: Store
    samples: MongoSampleRepository
    removals: MongoRemovalRepository
    handlers: IngestHandlers
    noted: Noted
    retentions: dict[str, int] = field(default_factory=dict)

    def watch(self) -> OrphanWatch:
        return OrphanWatch(StreamIngest(self.bus), self.handlers.on_orphan, clock=SystemClock(), every_s=0.2)

    def expiring(self) -> Expiring:
        return Expiring(
            samples=self.samples,
            rollups=MongoRollupRepository(self.store),
            retentions=Kept(self.retentions),
            removals=self.removals,
            clock=SystemClock(),
            oldest_ms=lambda: None,
            pause_s=0,
        )

    async def count(self) -> int:
        return await self.store.collection("samples").count_documents({})

    async def stored(self, endpoint_id: str = "tree") -> list[Sample]:
        return [each async for each in self.samples.between([endpoint_id], 0, 2**53)]

    async def holds(self, count: int, *, deadline_s: float = 20.0) -> None:
        """Wait until so many samples are stored, and the stream is empty."""

        async def look() -> bool:
            backlog = await StreamIngest(self.bus).backlog()
            return await self.count() >= count and not backlog.messages

        await eventually(look, what=f"{count} samples and an empty stream", deadline_s=deadline_s)
        assert await self.count() == count


Start = Callable[..., Awaitable[Replica]]


@pytest.fixture(scope="session")
def shared_nats(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NatsServer]:
    with nats_process(tmp_path_factory.mktemp("data_collection")) as server:
        yield server


@pytest.fixture(scope="session")
def shared_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StoreServer]:
    with store_process(tmp_path_factory.mktemp("data_collection")) as server:
        yield server


@pytest.fixture
def nats(shared_nats: NatsServer) -> NatsServer:
    """Overridden by modules that kill it."""
    return shared_nats


@pytest.fixture
def store_server(shared_store: StoreServer) -> StoreServer:
    """Overridden by modules that kill it."""
    return shared_store


@pytest.fixture
def root() -> str:
    return fresh_subject_root()


async def _quiet(_error: Exception) -> None: ...


@pytest.fixture
async def transport(nats: NatsServer, root: str) -> AsyncIterator[Transport]:
    client = await nats_py.connect(
        nats.url, max_reconnect_attempts=-1, reconnect_time_wait=0.1, error_cb=_quiet, pending_size=0
    )
    yield Transport(client, Subjects(root))
    await client.close()


@pytest.fixture
async def start(nats: NatsServer, store_server: StoreServer, root: str) -> AsyncIterator[Start]:
    """Starts replicas that share a database; ``collecting=False`` leaves batches where they are."""
    database = fresh_database()
    async with AsyncExitStack() as stack:

        async def new_replica(
            *, collecting: bool = True, loops: int = 2, configurations: Configurations | None = None
        ) -> Replica:
            own = await stack.enter_async_context(AsyncExitStack())
            store = Store.open(store_server.url, database=database, app_name="test")
            own.push_async_callback(store.close)
            bus = await Bus.connect(
                url=nats.url, service="data-collection", replica="data-collection-1", root=root
            )
            own.push_async_callback(bus.close)
            for stream in (events_stream, ingest_stream, rejected_stream):
                await bus.ensure_stream(stream(bus.subjects))
            await bus.ensure_consumer(collect_consumer(bus.subjects))
            noted = Noted()
            parts, handlers = await assemble(
                store,
                bus,
                settings=Settings(),
                configurations=configurations or Unconfigured(),
                derived=noted,
            )
            assert isinstance(parts.samples, MongoSampleRepository)
            if collecting:
                group = await own.enter_async_context(asyncio.TaskGroup())
                for number in range(loops):
                    group.create_task(collect_batches(bus, handlers, batches=4), name=f"collect {number}")
                group.create_task(follow_removals(bus, handlers), name="removals")
                own.push_async_callback(bus.stop_consuming)
            return Replica(bus, store, parts.samples, MongoRemovalRepository(store), handlers, noted)

        yield new_replica
    await _drop_streams(nats, root)


async def _drop_streams(nats: NatsServer, root: str) -> None:
    """Each reserves what it may grow to, and the server has room for those of ten tests."""
    client = await nats_py.connect(nats.url)
    for stream in (events_stream, ingest_stream, rejected_stream):
        await client.jetstream().delete_stream(stream(Subjects(root)).name)
    await client.close()


@pytest.fixture
async def replica(start: Start) -> Replica:
    return await start()
