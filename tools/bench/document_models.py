"""``python -m tools.bench.document_models``: how samples could be kept, compared on the embedded store.

The same samples, as transports would batch them, are inserted by each model with majority and journal, in
slices of 1,000, some in flight at the same time; then ranges of one endpoint are read and decoded, as a query
does. docs/adr/0005 holds what came out and what was chosen.
"""

import argparse
import asyncio
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import uvloop
from pymongo import AsyncMongoClient, WriteConcern
from pymongo.asynchronous.collection import AsyncCollection

from deploy.local.leash import leashed
from deploy.local.store_server import read_port, store_argv, store_url
from libs.contracts.ingest import sample_id

Document = dict[str, Any]
Collection = AsyncCollection[Document]

_RUN = 0x0123456789ABCDEF
_START_MS = 1_790_000_000_000
_SLICE = 1000
_BATCH = 256
_QUERIES = 100
_DEADLINE_S = 20.0
_encode, _decode = msgspec.json.encode, msgspec.json.decode


class Sent(NamedTuple):
    """A sample as a batch brings it."""

    id: bytes
    batch: int
    endpoint: str
    time_ms: int
    value: Document


@dataclass(frozen=True)
class Model:
    """One way to keep samples.

    Attributes:
        name: For the table.
        documents: Samples of one slice to documents.
        query: Filter for an endpoint and a range of time.
        times: The sample times of a document.
        indexes: Besides that on ``_id``; fields in order.
    """

    name: str
    documents: Callable[[Sequence[Sent]], list[Document]]
    query: Callable[[str, int, int], Document]
    times: Callable[[Document], Iterator[int]]
    indexes: Sequence[Sequence[str]] = ()


def _flat(samples: Sequence[Sent]) -> list[Document]:
    return [{"_id": s.id, "e": s.endpoint, "t": s.time_ms, "r": s.time_ms, "s": s.value} for s in samples]


def _packed(samples: Sequence[Sent]) -> list[Document]:
    return [
        {"_id": s.id, "e": s.endpoint, "t": s.time_ms, "r": s.time_ms, "s": _encode(s.value)} for s in samples
    ]


def _one_key(samples: Sequence[Sent]) -> list[Document]:
    return [{"_id": s.id, "k": _key(s.endpoint, s.time_ms), "s": _encode(s.value)} for s in samples]


def _clustered(samples: Sequence[Sent]) -> list[Document]:
    return [{"_id": _key(s.endpoint, s.time_ms) + s.id, "s": _encode(s.value)} for s in samples]


def _buckets(samples: Sequence[Sent]) -> list[Document]:
    """One document for each endpoint of a batch: made once, never changed, so that it can be repeated."""
    found: dict[tuple[int, str], Document] = {}
    for s in samples:
        bucket = found.setdefault(
            (s.batch, s.endpoint),
            {"_id": s.id, "e": s.endpoint, "t": s.time_ms, "u": s.time_ms, "i": [], "m": [], "s": []},
        )
        bucket["i"].append(s.id[-3:])
        bucket["m"].append(s.time_ms)
        bucket["s"].append(_encode(s.value))
        bucket["u"] = max(bucket["u"], s.time_ms)
    return list(found.values())


def _key(endpoint: str, time_ms: int) -> bytes:
    return endpoint.encode() + b"\0" + time_ms.to_bytes(8, "big")


def _by_fields(endpoint: str, first: int, last: int) -> Document:
    return {"e": endpoint, "t": {"$gte": first, "$lt": last}}


def _one(document: Document) -> Iterator[int]:
    if isinstance(document["s"], bytes):
        _decode(document["s"])
    yield document["t"]


def _of_key(document: Document, at: slice, field: str) -> Iterator[int]:
    _decode(document["s"])
    yield int.from_bytes(document[field][at], "big")


def _of_bucket(document: Document) -> Iterator[int]:
    for packed in document["s"]:
        _decode(packed)
    yield from document["m"]


MODELS = (
    Model("a sample, fields, no index", _flat, _by_fields, _one),
    Model("a sample, fields, index (e, t)", _flat, _by_fields, _one, [("e", "t")]),
    Model("a sample, fields, index (e, t, _id)", _flat, _by_fields, _one, [("e", "t", "_id")]),
    Model("a sample, JSON bytes, index (e, t)", _packed, _by_fields, _one, [("e", "t")]),
    Model("a sample, JSON bytes, indexes (e, t), (t)", _packed, _by_fields, _one, [("e", "t"), ("t",)]),
    Model(
        "a sample, JSON bytes, one binary key",
        _one_key,
        lambda e, first, last: {"k": {"$gte": _key(e, first), "$lt": _key(e, last)}},
        lambda d: _of_key(d, slice(-8, None), "k"),
        [("k",)],
    ),
    Model(
        "_id = endpoint, time, batch",
        _clustered,
        lambda e, first, last: {"_id": {"$gte": _key(e, first), "$lt": _key(e, last)}},
        lambda d: _of_key(d, slice(-24, -16), "_id"),
    ),
    Model("a bucket for each endpoint of a batch", _buckets, _by_fields, _of_bucket, [("e", "t")]),
)


def main() -> int:
    """Compare; exit code 0 when every model returned what was put in."""
    parser = argparse.ArgumentParser(prog="python -m tools.bench.document_models", description=__doc__)
    parser.add_argument("--samples", type=int, default=50_000)
    parser.add_argument("--endpoints", type=int, default=100)
    parser.add_argument("--in-flight", type=int, default=2, help="slices inserted at the same time")
    parser.add_argument("--only", default="", help="models whose name contains this")
    uvloop.run(_compare(parser.parse_args()))
    return 0


async def _compare(options: argparse.Namespace) -> None:
    chance = random.Random(1)  # noqa: S311 - data, not secrets
    samples = list(_sent(chance, count=options.samples, endpoints=options.endpoints))
    print(f"{len(samples)} samples of {options.endpoints} endpoints, {options.in_flight} slices in flight")
    print(f"{'model':44} {'samples/s':>10} {'bytes/sample':>13} {'query p50 ms':>13} {'p95':>7} {'found':>7}")
    for model in MODELS:
        if options.only in model.name:
            await _measure(model, samples, options.in_flight)


def _sent(chance: random.Random, *, count: int, endpoints: int) -> Iterator[Sent]:
    for number in range(count):
        batch, position = divmod(number, _BATCH)
        yield Sent(
            id=sample_id(_RUN, batch + 1, position),
            batch=batch,
            endpoint=f"0c3f5b4e-8a54-4f7c-9d6e-{chance.randrange(endpoints):012}",
            time_ms=_START_MS + number,
            value={
                "temperature": round(chance.gauss(22, 3), 2),
                "humidity": chance.randrange(100),
                "timestamp": _START_MS + number,
            },
        )


async def _measure(model: Model, samples: Sequence[Sent], in_flight: int) -> None:
    directory = Path(tempfile.mkdtemp(prefix="grove-models-"))
    log = directory / "store.log"
    with log.open("wb") as out:
        store = await asyncio.create_subprocess_exec(
            *leashed(*store_argv(directory, port=0, cache="256M")), stdout=out, stderr=out
        )
    try:
        port = await asyncio.to_thread(_port_of, log)
        async with AsyncMongoClient[Document](store_url(port)) as client:
            collection = client.get_database(
                "bench", write_concern=WriteConcern("majority", j=True)
            ).get_collection("samples")
            for fields in model.indexes:
                await collection.create_index([(field, 1) for field in fields])
            rate = await _insert(collection, model, samples, in_flight)
            took, found = await _query(collection, model, samples)
        os.kill(store.pid, signal.SIGTERM)
        await store.wait()
        size = await asyncio.to_thread(_size_of, directory)
        took.sort()
        print(
            f"{model.name:44} {rate:10.0f} {size / len(samples):13.0f} {took[len(took) // 2]:13.2f}"
            f" {took[len(took) * 95 // 100]:7.2f} {found:7}",
            flush=True,
        )
    finally:
        if store.returncode is None:
            store.kill()
        await store.wait()
        shutil.rmtree(directory, ignore_errors=True)


def _port_of(log: Path) -> int:
    until = time.monotonic() + _DEADLINE_S
    while time.monotonic() < until:
        if (port := read_port(log.read_text(errors="replace"))) is not None:
            return port
        time.sleep(0.05)
    raise TimeoutError(log.read_text(errors="replace"))


def _size_of(directory: Path) -> int:
    return sum(file.stat().st_size for file in directory.rglob("*.wt"))


async def _insert(collection: Collection, model: Model, samples: Sequence[Sent], in_flight: int) -> float:
    slices = iter([samples[start : start + _SLICE] for start in range(0, len(samples), _SLICE)])

    async def work() -> None:
        for part in slices:
            await collection.insert_many(model.documents(part), ordered=False)

    began = time.perf_counter()
    async with asyncio.TaskGroup() as tasks:
        for number in range(in_flight):
            tasks.create_task(work(), name=f"insert {number}")
    return len(samples) / (time.perf_counter() - began)


async def _query(collection: Collection, model: Model, samples: Sequence[Sent]) -> tuple[list[float], int]:
    """Read a tenth of the time of one endpoint, as often as the deadline allows."""
    span = len(samples) // 10
    chance = random.Random(2)  # noqa: S311 - data, not secrets
    took: list[float] = []
    found = 0
    until = time.perf_counter() + _DEADLINE_S
    while len(took) < _QUERIES and time.perf_counter() < until:
        endpoint = samples[chance.randrange(len(samples))].endpoint
        first = _START_MS + chance.randrange(len(samples) - span)
        began = time.perf_counter()
        documents = await collection.find(model.query(endpoint, first, first + span)).to_list()
        found += sum(1 for each in documents for _ in model.times(each))
        took.append((time.perf_counter() - began) * 1000)
    return took, found


if __name__ == "__main__":
    sys.exit(main())
