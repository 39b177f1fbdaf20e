"""Endpoints: one document each, with metadata and outbox, so that both change together or not at all.

``dueSince`` is there while somebody has to come back to the endpoint: it is half made, half removed,
or has events to publish.
"""

import functools
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import structlog
from bson.binary import Binary

from libs.contracts.errors import PayloadTooLargeError
from libs.contracts.ids import ApplicationName, AppVersionName, EndpointId
from libs.contracts.payload import JsonValue, encode_json
from libs.contracts.subjects import EventType
from libs.store import Document, DuplicateError, Index, Store, earlier_than, store_errors
from services.endpoint_register.domain.endpoint import (
    EVENT_KINDS,
    OF_A_NEWER_RELEASE,
    Endpoint,
    EndpointState,
    OutboxEntry,
)
from services.endpoint_register.mongo.values import (
    from_stored,
    metadata_from_stored,
    metadata_to_stored,
    unescaped,
)
from services.endpoint_register.ports import Clock

_INDEXES: Final = (
    Index(name="version", keys=[("version", 1)]),
    Index(name="due", keys=[("dueSince", 1)]),
)
_BATCH: Final = 64
_PAGE_BYTES: Final = 1024 * 1024
"""Metadata read for one page; a page that fits into a message of 768 KiB has less."""

_log = structlog.get_logger()


class MongoEndpointRepository:
    """The collection ``endpoints``."""

    def __init__(self, store: Store, *, clock: Clock) -> None:
        self._store = store
        self._collection = store.collection("endpoints")
        self._clock = clock

    async def prepare(self) -> None:
        """Create the indexes."""
        await self._store.ensure(self._collection, _INDEXES)

    async def add(self, endpoint: Endpoint) -> bool:
        """Store a new endpoint; False when its id is taken by another incarnation."""
        document = _to_document(endpoint) | {"dueSince": self._clock.now()}
        try:
            with store_errors():
                await self._collection.insert_one(document)
        except DuplicateError:
            # It is ours when the driver repeated an insert whose answer got lost.
            with store_errors():
                found = await self._collection.find_one({"_id": endpoint.id}, {"incarnation": 1})
            return found is not None and found["incarnation"] == endpoint.incarnation
        return True

    async def add_many(self, endpoints: Sequence[Endpoint]) -> set[EndpointId]:
        """Store new endpoints with ids of their own; tell which are stored: the other ids are taken."""
        now = self._clock.now()
        ids = [endpoint.id for endpoint in endpoints]
        try:
            with store_errors():
                await self._collection.insert_many(
                    [_to_document(endpoint) | {"dueSince": now} for endpoint in endpoints], ordered=False
                )
        except DuplicateError:
            with store_errors():
                found = await self._collection.find({"_id": {"$in": ids}}, {"incarnation": 1}).to_list()
            stored = {document["_id"]: document["incarnation"] for document in found}
            left_out = [each for each in endpoints if each.id not in stored]
            stored |= {each.id: each.incarnation for each in left_out if await self.add(each)}
            return {each.id for each in endpoints if stored.get(each.id) == each.incarnation}
        return set(ids)

    async def find(
        self, endpoint_id: EndpointId, *, metadata: bool = True, outbox: bool = False
    ) -> Endpoint | None:
        """The endpoint, with as much of it as asked for."""
        with store_errors():
            document = await self._collection.find_one(
                {"_id": endpoint_id}, _without(metadata=metadata, outbox=outbox)
            )
        return None if document is None else _from_document(document)

    async def find_many(self, endpoint_ids: Sequence[EndpointId], *, metadata: bool) -> list[Endpoint]:
        """Those that exist, in any order and state."""
        found: list[Endpoint] = []
        size = 0
        for start in range(0, len(endpoint_ids), _BATCH):
            ids = list(endpoint_ids[start : start + _BATCH])
            with store_errors():
                cursor = self._collection.find(
                    {"_id": {"$in": ids}}, _without(metadata=metadata, outbox=False)
                )
                documents = await cursor.to_list()
            batch = [_from_document(document) for document in documents]
            size += sum(len(encode_json(endpoint.metadata)) for endpoint in batch)
            found += batch
            if size > _PAGE_BYTES:
                raise PayloadTooLargeError("the page with its metadata is too large; ask for fewer endpoints")
        return found

    async def metadata_values(
        self, endpoint_ids: Sequence[EndpointId], key: str
    ) -> AsyncIterator[dict[EndpointId, JsonValue]]:
        """What endpoints have under a metadata key, in parts of at most 16 MiB."""
        # Keys of the top level are plain words, so nothing of the path is escaped.
        wanted = {f"metadata.{key}": 1}
        for start in range(0, len(endpoint_ids), _BATCH):
            ids = list(endpoint_ids[start : start + _BATCH])
            with store_errors():
                documents = await self._collection.find({"_id": {"$in": ids}}, wanted).to_list()
            held = ((document["_id"], document.get("metadata", {})) for document in documents)
            yield {EndpointId(each): from_stored(metadata[key]) for each, metadata in held if key in metadata}

    async def replace(self, before: Endpoint, after: Endpoint) -> bool:
        """Store ``after`` if the endpoint still is ``before``; its outbox only grows here."""
        gained = [_entry_to_document(entry) for entry in after.outbox if entry.seq > before.seq]
        update: dict[str, Any] = {"$set": _changes(before, after), "$min": {"dueSince": self._clock.now()}}
        if gained:
            update["$push"] = {"outbox": {"$each": gained}}
        with store_errors():
            result = await self._collection.update_one(
                {"_id": before.id, "seq": before.seq, "incarnation": before.incarnation}, update
            )
        return result.matched_count == 1

    async def reveal(self, announced: Sequence[Endpoint]) -> None:
        """Let endpoints be seen that still are what was added, each with the event that says so."""
        for start in range(0, len(announced), _BATCH):
            some = announced[start : start + _BATCH]
            # Nothing else of them changes, and they are all at the same.
            shown = _changes(some[0], some[0].revealed())
            update = {"$set": shown, "$min": {"dueSince": self._clock.now()}}
            await self._update_all(some, seq=some[0].seq, update=update)

    async def forget_told(self, endpoints: Sequence[Endpoint]) -> None:
        """Take the events in the outbox of each, and those before them, out of what is stored."""
        by_last: dict[int, list[Endpoint]] = {}
        for endpoint in endpoints:
            by_last.setdefault(endpoint.outbox[-1].seq, []).append(endpoint)
        for last, quiet in by_last.items():
            # What has changed since then is not emptied, so it is looked at for itself.
            if len(quiet) == 1 or not await self._update_all(
                quiet, seq=last, update={"$set": {"outbox": []}, "$unset": {"dueSince": ""}}
            ):
                for endpoint in quiet:
                    await self._forget_told(endpoint)

    async def _update_all(self, endpoints: Sequence[Endpoint], *, seq: int, update: Document) -> bool:
        """Change those that are at this ``seq`` still, alike and with one write; tell whether all were."""
        wanted = {
            "_id": {"$in": [endpoint.id for endpoint in endpoints]},
            # No two endpoints, and no two lives of one, have the same.
            "incarnation": {"$in": [endpoint.incarnation for endpoint in endpoints]},
            "seq": seq,
        }
        with store_errors():
            result = await self._collection.update_many(wanted, update)
        return result.matched_count == len(endpoints)

    async def _forget_told(self, endpoint: Endpoint) -> None:
        last = endpoint.outbox[-1].seq
        with store_errors():
            emptied = await self._collection.update_one(
                _still(endpoint) | {"seq": last}, {"$set": {"outbox": []}, "$unset": {"dueSince": ""}}
            )
            if emptied.matched_count == 0:
                await self._collection.update_one(
                    _still(endpoint) | {"outbox.seq": {"$gt": last}},
                    {"$pull": {"outbox": {"seq": {"$lte": last}}}, "$set": {"dueSince": self._clock.now()}},
                )

    async def remove(self, endpoint: Endpoint) -> None:
        """Drop the endpoint if it still is this incarnation and in this state."""
        with store_errors():
            await self._collection.delete_one(_still(endpoint))

    async def at_version(self, version: AppVersionName, *, limit: int) -> list[EndpointId]:
        """Some endpoints at a version, in whatever state."""
        with store_errors():
            documents = await self._collection.find({"version": version}, {"_id": 1}, limit=limit).to_list()
        return [EndpointId(document["_id"]) for document in documents]

    async def metadata_keys(self, version: AppVersionName) -> list[str]:
        """Names of the metadata keys that READY endpoints at a version have, sorted."""
        with store_errors():
            cursor = await self._collection.aggregate(
                [
                    {"$match": {"version": version}},
                    {"$match": {"state": EndpointState.READY.value}},
                    {"$project": {"pair": {"$objectToArray": "$metadata"}}},
                    {"$unwind": "$pair"},
                    {"$group": {"_id": "$pair.k"}},
                ]
            )
            documents = await cursor.to_list()
        return sorted(unescaped(document["_id"]) for document in documents)

    async def unfinished(self, *, before: datetime) -> AsyncIterator[Endpoint]:
        """Endpoints that have waited since then, without metadata, the oldest first."""
        # Without a size of its own the driver holds up to 16 MB of them.
        async with self._collection.find(
            {"dueSince": earlier_than(before)},
            _without(metadata=False, outbox=True),
            sort=[("dueSince", 1)],
            batch_size=_BATCH,
        ) as cursor:
            while True:
                with store_errors():
                    documents = await cursor.to_list(_BATCH)
                if not documents:
                    return
                for document in documents:
                    yield _from_document(document)


def _without(*, metadata: bool, outbox: bool) -> dict[str, int] | None:
    left_out = {name: 0 for name, wanted in (("metadata", metadata), ("outbox", outbox)) if not wanted}
    return left_out or None


def _still(endpoint: Endpoint) -> dict[str, Any]:
    return {"_id": endpoint.id, "incarnation": endpoint.incarnation, "state": endpoint.state.value}


def _to_document(endpoint: Endpoint) -> Document:
    return {
        "_id": endpoint.id,
        "application": endpoint.application,
        "createdDate": endpoint.created_at,
        "incarnation": endpoint.incarnation,
        **_scalars(endpoint),
        "metadata": metadata_to_stored(endpoint.metadata),
        "outbox": [_entry_to_document(entry) for entry in endpoint.outbox],
    }


def _scalars(endpoint: Endpoint) -> Document:
    """Give the fields that change, but for metadata and outbox."""
    return {
        "version": endpoint.version,
        "versionDate": endpoint.version_since,
        "state": endpoint.state.value,
        "seq": endpoint.seq,
        "revision": endpoint.revision,
        "metadataUpdatedDate": endpoint.metadata_updated_at,
        "filters": list(endpoint.filters),
        "filtersAsOf": endpoint.filters_as_of,
    }


def _changes(before: Endpoint, after: Endpoint) -> Document:
    old = _scalars(before)
    changes = {name: value for name, value in _scalars(after).items() if value != old[name]}
    if after.metadata is not before.metadata:
        changes["metadata"] = metadata_to_stored(after.metadata)
    return changes


def _from_document(document: Mapping[str, Any]) -> Endpoint:
    return Endpoint(
        id=EndpointId(document["_id"]),
        application=ApplicationName(document["application"]),
        version=AppVersionName(document["version"]),
        version_since=document["versionDate"],
        created_at=document["createdDate"],
        incarnation=document["incarnation"],
        state=EndpointState(document["state"]),
        seq=document["seq"],
        revision=document["revision"],
        metadata=metadata_from_stored(document.get("metadata", {})),
        metadata_updated_at=document["metadataUpdatedDate"],
        filters=tuple(document.get("filters", ())),
        filters_as_of=document.get("filtersAsOf", 0),
        outbox=tuple(
            OutboxEntry(entry["seq"], _kind(entry["kind"]), bytes(entry["body"]))
            for entry in document.get("outbox", ())
        ),
    )


@functools.cache
def _kind(name: str) -> EventType[Any]:
    """Find the kind of an event; cached, so that each name we do not know is logged once."""
    kind = EVENT_KINDS.get(name)
    if kind is None:
        _log.warning("outbox.kind_unknown", kind=name)
        return OF_A_NEWER_RELEASE
    return kind


def _entry_to_document(entry: OutboxEntry) -> Document:
    return {"seq": entry.seq, "kind": entry.kind.name, "body": Binary(entry.body)}
