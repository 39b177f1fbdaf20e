"""Who is connected, and which transports hold them: two collections apart from the endpoints.

A record is changed by one conditional upsert on ``_id`` and ``key``: where a higher key stands, the
insert that would follow collides with it, and that is the answer. ``holder`` is ``<run id>/<bucket>`` while
connected, else empty: its one index finds what a process holds, in parts. The embedded store answers ``$in``
of a thousand ids eight times slower than sixteen of 64, and carries out a thousand upserts of one bulk in
a second, so that under load they would take longer than a statement may. What a batch had written when
it failed costs its repetition a read and no write. No filter beside ``_id`` may name ``holder``: it would be
looked for by that index, in two to three times the time; ``held`` says the same without one.
"""

import zlib
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from typing import Any, Final

from pymongo import DeleteOne, UpdateOne, errors

from libs.contracts.ids import AppVersionName, EndpointId
from libs.store import Document, DuplicateError, Index, Store, store_errors
from services.endpoint_register.domain.connectivity import (
    Connectivity,
    Known,
    Run,
    RunState,
    Sighting,
    Statement,
)

_INDEXES: Final = (Index(name="holder", keys=[("holder", 1)]),)
_NOT_HELD: Final = {"holder": "", "held": False}
_BATCH: Final = 64
_TOGETHER: Final = 128
_BUCKETS: Final = 64
_DUPLICATE: Final = 11000
_MAX_RUNS: Final = 10_000


class MongoConnectivityRepository:
    """The collection ``connectivity``."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._collection = store.collection("connectivity")

    async def prepare(self) -> None:
        """Create the index."""
        await self._store.ensure(self._collection, _INDEXES)

    async def find_many(self, endpoint_ids: Sequence[EndpointId]) -> dict[EndpointId, Connectivity]:
        """The records there are."""
        found: dict[EndpointId, Connectivity] = {}
        for start in range(0, len(endpoint_ids), _BATCH):
            ids = list(endpoint_ids[start : start + _BATCH])
            with store_errors():
                documents = await self._collection.find({"_id": {"$in": ids}}).to_list()
            found |= {EndpointId(each["_id"]): _from_document(each) for each in documents}
        return found

    async def apply(self, known: Sequence[Known]) -> None:
        """Take statements in, one an endpoint."""
        records = await self.find_many([each.statement.endpoint_id for each in known])
        continued: list[Known] = []
        rest: list[Known] = []
        for each in known:
            record = records.get(each.statement.endpoint_id)
            if record is not None and record.key >= each.statement.key:
                continue  # only to spare the write: it would change nothing
            goes_on = record is not None and record.continues(each.statement)
            (continued if goes_on else rest).append(each)
        if continued and await self._write(_continued(each) for each in continued) < len(continued):
            rest += continued  # somebody was faster, so what was read does not hold
        await self._write(_stated(each) for each in rest)

    async def settle(self, record: Connectivity) -> None:
        """Note that nothing is left to do about the version, if the record still is this one."""
        with store_errors():
            await self._collection.update_one(
                {"_id": record.endpoint_id, "key": record.key}, {"$set": {"settled": True}}
            )

    async def see(self, sightings: Sequence[tuple[Connectivity | None, Sighting]]) -> None:
        """Note that endpoints were heard; a lost race is lost."""
        await self._write(_seen(record, sighting) for record, sighting in sightings)

    async def forget(self, endpoint_id: EndpointId, *, incarnation: str) -> None:
        """Drop the record of an endpoint that is removed."""
        with store_errors():
            await self._collection.delete_one({"_id": endpoint_id, "incarnation": incarnation})

    async def forget_older(self, statements: Sequence[Statement]) -> None:
        """Drop records older than statements about endpoints that do not exist."""
        await self._write(
            DeleteOne({"_id": each.endpoint_id, "key": {"$lt": each.key}}) for each in statements
        )

    async def held(self, run_id: str) -> AsyncIterator[list[Connectivity]]:
        """What a process holds, in parts."""
        for bucket in range(_BUCKETS):
            with store_errors():
                documents = await self._collection.find({"holder": _held(run_id, bucket)}).to_list()
            yield [_from_document(each) for each in documents]

    async def end(self, records: Sequence[Connectivity]) -> None:
        """End these very bindings; whoever was bound anew stays so."""
        await self._write(
            UpdateOne({"_id": each.endpoint_id, "key": each.key}, {"$set": _NOT_HELD}) for each in records
        )

    async def holds_any(self, run_id: str) -> bool:
        """Whether it holds anything."""
        with store_errors():
            found = await self._collection.find(
                {"holder": {"$gte": f"{run_id}/", "$lt": f"{run_id}0"}}, {"_id": 1}, limit=1
            ).to_list()
        return bool(found)

    async def _write(self, operations: Iterable[UpdateOne | DeleteOne]) -> int:
        """Write in bulk and return how many records there were; a lost compare-and-set is no error."""
        matched = 0
        waiting = list(operations)
        while waiting:
            matched += await self._write_some(waiting[:_TOGETHER])
            del waiting[:_TOGETHER]
        return matched

    async def _write_some(self, operations: Sequence[UpdateOne | DeleteOne]) -> int:
        with store_errors():
            try:
                result = await self._collection.bulk_write(operations, ordered=False)
            except errors.BulkWriteError as error:
                details = error.details or {}
                refused = details.get("writeErrors") or []
                if details.get("writeConcernErrors") or any(each["code"] != _DUPLICATE for each in refused):
                    raise
                return int(details.get("nMatched", 0))
        return result.matched_count


class MongoRunRepository:
    """The collection ``runs``."""

    def __init__(self, store: Store) -> None:
        self._collection = store.collection("runs")

    async def all(self) -> list[Run]:
        """All of them."""
        with store_errors():
            documents = await self._collection.find({}, limit=_MAX_RUNS).to_list()
        return [_run(each) for each in documents]

    async def ending(self) -> set[str]:
        """Those that are being ended."""
        with store_errors():
            documents = await self._collection.find(
                {"state": RunState.ENDING.value}, {"_id": 1}, limit=_MAX_RUNS
            ).to_list()
        return {str(each["_id"]) for each in documents}

    async def find(self, run_id: str) -> Run | None:
        """One."""
        with store_errors():
            document = await self._collection.find_one({"_id": run_id})
        return None if document is None else _run(document)

    async def add(self, run: Run) -> None:
        """Know a process, unless it is known."""
        try:
            with store_errors():
                await self._collection.insert_one({"_id": run.run_id, **_run_fields(run)})
        except DuplicateError:
            return

    async def replace(self, before: Run, after: Run) -> bool:
        """Store ``after`` if the stamp and state still are those of ``before``."""
        with store_errors():
            result = await self._collection.update_one(_still(before), {"$set": _run_fields(after)})
        return result.matched_count == 1

    async def remove(self, run: Run) -> None:
        """Forget it if the stamp and state still are these."""
        with store_errors():
            await self._collection.delete_one(_still(run))


def _bucket(endpoint_id: EndpointId) -> int:
    return zlib.crc32(endpoint_id.encode()) % _BUCKETS


def _held(run_id: str, bucket: int) -> str:
    return f"{run_id}/{bucket:02}"


def _stated(known: Known) -> UpdateOne:
    said = known.statement
    holder = _held(said.run_id, _bucket(said.endpoint_id)) if said.connected else ""
    change: dict[str, Any] = {
        "$set": {
            "key": said.key,
            "incarnation": known.incarnation,
            "holder": holder,
            "held": said.connected,
            "transport": said.transport,
            "version": said.version,
            "since": said.at if said.connected else None,
            "settled": known.is_settled,
        }
    }
    if said.heard_at is not None:
        change["$max"] = {"lastSeen": said.heard_at}
    return UpdateOne({"_id": said.endpoint_id, "key": {"$lt": said.key}}, change, upsert=True)


def _continued(known: Known) -> UpdateOne:
    """Give a binding the place of its repetition; everything else stays, above all since when it is there."""
    said = known.statement
    still = {
        "_id": said.endpoint_id,
        "held": True,
        "key": {"$gte": f"{said.generation}/", "$lt": f"{said.generation}0"},
    }
    return UpdateOne(still, {"$max": {"key": said.key}})


def _seen(record: Connectivity | None, sighting: Sighting) -> UpdateOne:
    fresh = {"incarnation": sighting.incarnation, **_NOT_HELD, "since": None, "settled": True}
    if record is None:
        new = {"key": "", "lastSeen": sighting.at, "transport": sighting.transport, **fresh}
        return UpdateOne({"_id": sighting.endpoint_id}, {"$setOnInsert": new}, upsert=True)
    still = {"_id": sighting.endpoint_id, "incarnation": record.incarnation}
    if record.incarnation != sighting.incarnation:
        return UpdateOne(still, {"$set": {"lastSeen": sighting.at, "transport": sighting.transport, **fresh}})
    return UpdateOne(still, {"$max": {"lastSeen": sighting.at}, "$set": {"transport": sighting.transport}})


def _from_document(document: Mapping[str, Any]) -> Connectivity:
    holder: str = document["holder"]
    connected = bool(holder)
    return Connectivity(
        endpoint_id=EndpointId(document["_id"]),
        incarnation=document["incarnation"],
        key=document["key"],
        connected=connected,
        run_id=holder.rpartition("/")[0] if connected else "",
        transport=document["transport"],
        version=AppVersionName(document["version"]) if "version" in document else None,
        since=document.get("since") if connected else None,
        last_seen=document.get("lastSeen"),
        is_settled=document.get("settled", True),
    )


def _still(run: Run) -> Document:
    return {"_id": run.run_id, "stamp": run.stamp, "state": run.state.value}


def _run_fields(run: Run) -> Document:
    return {"state": run.state.value, "stamp": run.stamp, "askedDate": run.asked_at}


def _run(document: Mapping[str, Any]) -> Run:
    return Run(
        run_id=document["_id"],
        state=RunState(document["state"]),
        stamp=document["stamp"],
        asked_at=document.get("askedDate"),
    )
