"""The audit trail as documents: ``audit``, one for each change, and ``auditEndpoints``, whose endpoints are.

``_id`` is the record's id, and ``place`` is the same: ids are in the order of time, and the embedded store
answers no range of ``_id`` from its index. A record is written by upserts that may come in any order and as
often as they like: what is known when a change begins is set once, what its outcome adds replaces it.

Ranges have both ends and end with ``$lt``; see docs/adr/0005 for why. The embedded store reads all of a range
whatever the limit, 50 us a record, so who asks makes ranges small.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from pymongo import UpdateOne
from pymongo.asynchronous.collection import AsyncCollection

from libs.contracts.audit import AuditEntry, first_id
from libs.store import Document, Index, Store, store_errors
from services.credential_manager.domain.audit import Holder, Range

_INDEXES: Final = (
    Index(name="place", keys=[("place", 1)]),
    Index(name="api-key", keys=[("apiKeyId", 1), ("place", 1)]),
    Index(name="endpoint", keys=[("endpointId", 1), ("place", 1)]),
    Index(name="application", keys=[("application", 1), ("place", 1)]),
)
_ENDPOINT_INDEXES: Final = (Index(name="noted", keys=[("notedMs", 1)]),)
_TOGETHER: Final = 128
_IDS_AT_ONCE: Final = 64


class MongoAuditRepository:
    """The collections ``audit`` and ``auditEndpoints``."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._collection = store.collection("audit")
        self._endpoints = store.collection("auditEndpoints")

    async def prepare(self) -> None:
        """Create the indexes."""
        await self._store.ensure(self._collection, _INDEXES)
        await self._store.ensure(self._endpoints, _ENDPOINT_INDEXES)

    async def put(self, entries: Sequence[AuditEntry]) -> None:
        """Write records, each once."""
        await self._write(self._collection, [_upsert(entry) for entry in entries])

    async def newest(self, span: Range, *, limit: int) -> list[AuditEntry]:
        """Find records, the newest first."""
        wanted: Document = {"place": {"$gte": span.first, "$lt": span.end}}
        if span.criterion is not None:
            name, value = span.criterion
            wanted[name] = value
        with store_errors():
            found = await self._collection.find(
                wanted, sort=[("place", -1)], limit=limit, batch_size=limit + 1
            ).to_list()
        return [_entry(document) for document in found]

    async def holders(self, endpoint_ids: Iterable[str]) -> dict[str, Holder]:
        """Which applications endpoints were last known to be of."""
        ids = list(endpoint_ids)
        found: dict[str, Holder] = {}
        for start in range(0, len(ids), _IDS_AT_ONCE):
            wanted = {"_id": {"$in": ids[start : start + _IDS_AT_ONCE]}}
            with store_errors():
                documents = await self._endpoints.find(wanted).to_list()
            found |= {each["_id"]: Holder(each["application"], each["notedMs"]) for each in documents}
        return found

    async def note(self, holders: Mapping[str, Holder]) -> None:
        """Remember which applications endpoints are of."""
        await self._write(
            self._endpoints,
            [
                UpdateOne(
                    {"_id": endpoint_id},
                    {"$set": {"application": holder.application, "notedMs": holder.noted_ms}},
                    upsert=True,
                )
                for endpoint_id, holder in holders.items()
            ],
        )

    async def forget(self, *, from_ms: int, before_ms: int) -> int:
        """Delete the records of a span of time."""
        wanted = {"place": {"$gte": first_id(from_ms), "$lt": first_id(before_ms)}}
        with store_errors():
            return (await self._collection.delete_many(wanted)).deleted_count

    async def forget_holders(self, *, before_ms: int) -> None:
        """Delete what was noted before then."""
        with store_errors():
            await self._endpoints.delete_many({"notedMs": {"$gte": 0, "$lt": before_ms}})

    async def _write(self, collection: AsyncCollection[Document], writes: Sequence[UpdateOne]) -> None:
        for start in range(0, len(writes), _TOGETHER):
            with store_errors():
                await collection.bulk_write(writes[start : start + _TOGETHER], ordered=False)


def _upsert(entry: AuditEntry) -> UpdateOne:
    begun: Document = {
        "place": entry.record_id,
        "apiKeyId": entry.api_key_id,
        "apiKeyName": entry.api_key_name,
        "operation": entry.operation,
        "method": entry.method,
        "path": entry.path,
        "parameters": entry.parameters,
        "correlationId": entry.correlation_id,
        "remoteAddress": entry.remote_address,
    }
    named = {"endpointId": entry.endpoint_id, "application": entry.application_name}
    named = {name: value for name, value in named.items() if value}
    if not entry.status_code:
        return UpdateOne({"_id": entry.record_id}, {"$setOnInsert": begun | named}, upsert=True)
    known = named | {"statusCode": entry.status_code}
    return UpdateOne({"_id": entry.record_id}, {"$setOnInsert": begun, "$set": known}, upsert=True)


def _entry(document: Mapping[str, Any]) -> AuditEntry:
    return AuditEntry(
        record_id=document["_id"],
        api_key_id=document["apiKeyId"],
        api_key_name=document["apiKeyName"],
        operation=document["operation"],
        method=document["method"],
        path=document["path"],
        parameters=dict(document["parameters"]),
        correlation_id=document["correlationId"],
        remote_address=document["remoteAddress"],
        application_name=document.get("application", ""),
        endpoint_id=document.get("endpointId", ""),
        status_code=document.get("statusCode", 0),
    )
