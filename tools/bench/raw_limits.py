"""What the parts can do alone, in the same run: a bare NATS request, a bare store operation."""

import asyncio
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import nats
from nats.aio.client import Client
from nats.errors import Error as NatsError
from pymongo import AsyncMongoClient, WriteConcern

from tools.bench.timing import Latency, measure

_SUBJECT = "bench.echo"
_PAYLOAD = b"x" * 200
_START_DEADLINE_S = 10.0


@asynccontextmanager
async def bare_nats(directory: Path) -> AsyncIterator[Callable[[int], Awaitable[object]]]:
    """Start a NATS server with nothing on it, and an echo in a process of its own."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    url = f"nats://127.0.0.1:{port}"
    executable = str(Path(sys.executable).with_name("nats-server"))
    server = await asyncio.create_subprocess_exec(
        executable, "-a", "127.0.0.1", "-p", str(port), "-l", str(directory / "bare-nats.log")
    )
    echo = await asyncio.create_subprocess_exec(sys.executable, "-m", "tools.bench.echo", url, _SUBJECT)
    try:
        async with asyncio.timeout(_START_DEADLINE_S):
            client = await _connect(url)
            await _answers(client)

        async def call(_worker: int) -> object:
            return await client.request(_SUBJECT, _PAYLOAD, timeout=5)

        yield call
        await client.close()
    finally:
        for process in (echo, server):
            process.terminate()
            await process.wait()


async def _connect(url: str) -> Client:
    """Connect as soon as the server is there, without nats-py's complaints until then."""

    async def quiet(_error: Exception) -> None: ...

    return await nats.connect(url, max_reconnect_attempts=-1, reconnect_time_wait=1, error_cb=quiet)


async def _answers(client: Client) -> None:
    while True:
        try:
            await client.request(_SUBJECT, b"", timeout=0.5)
        except NatsError:
            await asyncio.sleep(0.05)
        else:
            return


async def bare_store(url: str, *, calls: int, concurrency: int) -> tuple[Latency, Latency]:
    """Time a ``find_one`` by id, and an acknowledged, journaled ``update_one`` of one small document."""
    async with AsyncMongoClient[dict[str, object]](url) as client:
        database = client.get_database("bench", write_concern=WriteConcern(w="majority", j=True))
        documents = database.get_collection("raw")
        await documents.drop()
        await documents.insert_many(
            [
                {"_id": worker, "metadata": {"model": "BFG 9000"}, "revision": 1}
                for worker in range(concurrency)
            ]
        )

        async def find(worker: int) -> object:
            return await documents.find_one({"_id": worker})

        async def update(worker: int) -> object:
            return await documents.update_one({"_id": worker}, {"$set": {"metadata.model": "BFG"}})

        found = await measure(find, calls=calls, concurrency=concurrency)
        updated = await measure(update, calls=calls, concurrency=concurrency)
        return found, updated
