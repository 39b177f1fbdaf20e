"""Last points, one document an endpoint, and which series and values were ever seen.

The embedded store carries out a thousand upserts a second and no more, so the last points of an endpoint are
one document, changed by compare-and-set on its revision. They are JSON text: nobody queries into them.
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec
from pymongo import UpdateOne, errors

from libs.contracts.errors import GroveError, UnavailableError
from libs.store import Document, Index, Store, store_errors
from services.data_collection.domain.lasts import Last, Lasts

_BY_APPLICATION: Final = (Index(name="application", keys=[("a", 1), ("_id", 1)]),)
_SERIES_INDEXES: Final = (Index(name="application", keys=[("a", 1)]),)
_TOGETHER: Final = 64
_AT_ONCE: Final = 8
_MAX_SEEN: Final = 100_000

_decoder = msgspec.json.Decoder(dict[str, Last])


class MongoLastRepository:
    """The collection ``lasts``: ``a`` application, ``r`` revision, ``s`` points by series as JSON text."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._collection = store.collection("lasts")

    async def prepare(self) -> None:
        """Create the index."""
        await self._store.ensure(self._collection, _BY_APPLICATION)

    async def find_many(self, endpoint_ids: Sequence[str]) -> dict[str, Lasts]:
        """Those there are."""
        found: dict[str, Lasts] = {}
        for start in range(0, len(endpoint_ids), _TOGETHER):
            ids = list(endpoint_ids[start : start + _TOGETHER])
            with store_errors():
                documents = await self._collection.find({"_id": {"$in": ids}}).to_list()
            found |= {each["_id"]: _lasts(each) for each in documents}
        return found

    async def page(self, application: str, *, after: str, limit: int) -> list[Lasts]:
        """Those of an application behind an endpoint, by id."""
        query = {"a": application, "_id": {"$gt": after}}
        with store_errors():
            documents = await self._collection.find(query, sort=[("_id", 1)], limit=limit).to_list()
        return [_lasts(each) for each in documents]

    async def advance(self, lasts: Sequence[Lasts]) -> list[str]:
        """Store each in place of the revision before it; returns where another was faster."""
        turns = asyncio.Semaphore(_AT_ONCE)

        async def one(each: Lasts) -> bool:
            async with turns:
                return await self._advance(each)

        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(one(each), name="last points") for each in lasts]
        except ExceptionGroup as failures:
            _, others = failures.split(GroveError)
            if others is not None:
                raise
            raise UnavailableError("last points could not be stored") from failures
        return [each.endpoint_id for each, task in zip(lasts, tasks, strict=True) if not task.result()]

    async def forget(self, endpoint_id: str) -> None:
        """Drop what is kept for an endpoint."""
        with store_errors():
            await self._collection.delete_one({"_id": endpoint_id})

    async def _advance(self, lasts: Lasts) -> bool:
        fields = {
            "a": lasts.application,
            "r": lasts.revision,
            "s": msgspec.json.encode(lasts.points).decode(),
        }
        with store_errors():
            if lasts.revision > 1:
                before = {"_id": lasts.endpoint_id, "r": lasts.revision - 1}
                result = await self._collection.update_one(before, {"$set": fields})
                return result.matched_count == 1
            try:
                await self._collection.insert_one({"_id": lasts.endpoint_id, **fields})
            except errors.DuplicateKeyError:
                return False
            return True


class MongoSeriesRepository:
    """The collection ``series``: a document for each value ever seen."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._collection = store.collection("series")

    async def prepare(self) -> None:
        """Create the index."""
        await self._store.ensure(self._collection, _SERIES_INDEXES)

    async def add(self, application: str, series: Mapping[str, Sequence[str]]) -> None:
        """Note that these were seen."""
        documents = [
            {"_id": f"{application}/{name}/{value}", "a": application, "n": name, "v": value}
            for name, values in series.items()
            for value in values
        ]
        writes: list[Any] = [
            UpdateOne({"_id": each["_id"]}, {"$setOnInsert": {k: each[k] for k in "anv"}}, upsert=True)
            for each in documents
        ]
        for start in range(0, len(writes), _TOGETHER):
            with store_errors():
                await self._collection.bulk_write(writes[start : start + _TOGETHER], ordered=False)

    async def of(self, application: str) -> dict[str, list[str]]:
        """Series to value names."""
        with store_errors():
            documents = await self._collection.find({"a": application}, limit=_MAX_SEEN).to_list()
        found: dict[str, list[str]] = {}
        for each in sorted(documents, key=lambda each: (each["n"], each["v"])):
            found.setdefault(each["n"], []).append(each["v"])
        return found


def _lasts(document: Document) -> Lasts:
    return Lasts(document["_id"], document["a"], _decoder.decode(document["s"]), document["r"])
