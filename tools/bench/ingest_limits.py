"""What the stream and the store can do alone with the same bytes: the limits that ingest is held against."""

import asyncio
import json
import os
import sys
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import msgspec
import nats
from nats.aio.client import Client
from nats.js.api import DiscardPolicy, RetentionPolicy, StreamConfig
from pymongo import AsyncMongoClient, WriteConcern

from deploy.local.nats_server import NatsPorts, read_ports
from libs.contracts.ingest import FORMAT, MAX_MESSAGES, IngestBatch, IngestMessage, sample_id
from tools.bench.suite import Twin

_PUBLISHERS: Final = 16
"""As many as a transport has batches on their way."""
_SLICE: Final = 1000
_INSERTS_AT_ONCE: Final = 2
_WAIT_S: Final = 10.0
_SUBJECT: Final = "bench.ingest"
_NS: Final = 1_000_000
_GIB: Final = 1024**3


@asynccontextmanager
async def bare_stream(directory: Path) -> AsyncIterator[Client]:
    """Start a NATS server with one stream, kept and synced as INGEST is; a client of it."""
    folder = directory / "bare-stream"
    folder.mkdir()
    config = {
        "listen": "127.0.0.1:-1",
        "http": "127.0.0.1:-1",
        "ports_file_dir": str(folder),
        "jetstream": {"store_dir": str(folder), "sync_interval": "always"},
    }
    (folder / "nats.conf").write_text(json.dumps(config))
    executable = str(Path(sys.executable).with_name("nats-server"))
    server = await asyncio.create_subprocess_exec(
        executable, "--config", str(folder / "nats.conf"), "-l", str(folder / "log")
    )
    try:
        ports = await _ports(folder, server.pid)
        client = await nats.connect(f"nats://127.0.0.1:{ports.client}", pending_size=0)
        await client.jetstream().add_stream(
            StreamConfig(
                name="BENCH",
                subjects=[_SUBJECT],
                retention=RetentionPolicy.WORK_QUEUE,
                discard=DiscardPolicy.NEW,
                max_bytes=4 * _GIB,
                duplicate_window=120.0,
            )
        )
        yield client
        await client.close()
    finally:
        server.terminate()
        await server.wait()


async def _ports(folder: Path, pid: int) -> NatsPorts:
    ends_at = time.monotonic() + _WAIT_S
    while time.monotonic() < ends_at:
        ports = await asyncio.to_thread(read_ports, folder, pid)
        if ports is not None:
            return ports
        await asyncio.sleep(0.05)
    raise SystemExit(f"the bare NATS server did not start; see {folder}")


async def stream_rate(client: Client, twins: list[Twin], payload: str, *, messages: int) -> float:
    """Messages a second that become durable in full batches, published without anything around it."""
    body = msgspec.msgpack.encode(IngestBatch(FORMAT, 1, 1, [_message(twins[0], payload)] * MAX_MESSAGES))
    js, batches = client.jetstream(), messages // MAX_MESSAGES
    turns = iter(range(batches))
    run = os.urandom(4).hex()

    async def work() -> None:
        for number in turns:
            await js.publish(_SUBJECT, body, timeout=_WAIT_S, headers={"Nats-Msg-Id": f"{run}-{number}"})

    began = time.perf_counter()
    async with asyncio.TaskGroup() as workers:
        for number in range(_PUBLISHERS):
            workers.create_task(work(), name=f"publisher {number}")
    return batches * MAX_MESSAGES / (time.perf_counter() - began)


async def insert_rate(url: str, twins: list[Twin], payload: str, *, samples: int) -> float:
    """Documents a second of bare ``insert_many``s: the collector's documents, indexes, slices and concern."""
    async with AsyncMongoClient[dict[str, Any]](url) as client:
        database = client.get_database("bench", write_concern=WriteConcern(w="majority", j=True))
        collection = database.get_collection("samples")
        await collection.drop()
        await collection.create_index([("e", 1), ("t", 1), ("_id", 1)], name="endpoint-time")
        present = {"m": {"$exists": True}}
        await collection.create_index("m", name="message", unique=True, partialFilterExpression=present)
        slices = iter(
            [_documents(twins, payload, range(at, at + _SLICE)) for at in range(0, samples, _SLICE)]
        )

        async def work(documents: Iterable[list[dict[str, Any]]]) -> None:
            for some in documents:
                await collection.insert_many(some, ordered=False)

        began = time.perf_counter()
        async with asyncio.TaskGroup() as workers:
            for number in range(_INSERTS_AT_ONCE):
                workers.create_task(work(slices), name=f"inserter {number}")
        rate = samples / (time.perf_counter() - began)
        await collection.drop()
        return rate


def _message(twin: Twin, payload: str) -> IngestMessage:
    received_ms = time.time_ns() // _NS
    return IngestMessage(twin.endpoint_id, twin.app_version, "/json", payload.encode(), received_ms)


def _documents(twins: list[Twin], payload: str, numbers: range) -> list[dict[str, Any]]:
    now_ms, text = time.time_ns() // _NS, payload.encode()
    return [
        {
            "_id": sample_id(1, number // MAX_MESSAGES, number % MAX_MESSAGES),
            "e": twins[number % len(twins)].endpoint_id,
            "v": twins[0].app_version,
            "t": now_ms,
            "r": now_ms,
            "s": text,
        }
        for number in numbers
    ]
