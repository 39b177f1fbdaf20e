"""Tokens, SenML credentials and API keys as documents.

A document is written by ``$set``, never replaced, so that a field of a newer release survives an
older replica. All writes are conditional and carry the attempt that makes them; the driver's own
retries may be off, so a write whose answer got lost is sent again here, within the time that one
operation has, and recognised by its id or attempt if it had been done.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, Generic, TypeVar

import pymongo
from bson.binary import Binary
from pymongo.asynchronous.collection import AsyncCollection

from libs.contracts.errors import UnavailableError
from libs.contracts.ids import ApplicationName, EndpointId, TokenId
from libs.contracts.senml import DvnUuid
from libs.contracts.tokens import TokenStatus
from libs.store import Document, DuplicateError, Index, Store, store_errors, until
from services.credential_manager.domain import (
    ApiKey,
    Change,
    Credential,
    EndpointToken,
    Record,
    SenmlCredential,
)
from services.credential_manager.mongo.documents import (
    api_key_from_document,
    api_key_to_document,
    senml_from_document,
    senml_to_document,
    token_from_document,
    token_to_document,
)

RecordT = TypeVar("RecordT", bound=Record)
CredentialT = TypeVar("CredentialT", bound=Credential)

_WRITE_S: Final = 4.0
_SENDS: Final = 3
_READ_AT_ONCE: Final = 100

# Nearly all records lack the first two fields. On the embedded store an index on {"$exists": true} is
# not used for a range, and a range without a lower bound reads every record that lacks the field
# (0.4 s for 20,000, every few seconds): hence plain indexes, and until() for all ranges over them.
_LOG_INDEXES: Final = (
    Index(name="unannounced", keys=[("announceFrom", 1)]),
    Index(name="forgotten", keys=[("forgetFrom", 1)]),
    Index(name="changed", keys=[("changedDate", 1)]),
)
_TOKEN_INDEXES: Final = (
    Index(name="value", keys=[("application", 1), ("tokenHash", 1)], unique=True),
    Index(name="endpoint", keys=[("endpointId", 1)]),
    *_LOG_INDEXES,
)
_SENML_INDEXES: Final = (
    Index(name="value", keys=[("dvnUuid", 1), ("secretHash", 1)], unique=True),
    Index(name="endpoint", keys=[("endpointId", 1)]),
    *_LOG_INDEXES,
)
_API_KEY_INDEXES: Final = (
    Index(name="value", keys=[("keyHash", 1)], unique=True),
    Index(name="created", keys=[("createdDate", 1)]),
    *_LOG_INDEXES,
)


class _MongoRecords(Generic[RecordT]):
    """What all kinds of record have in common: conditional writes, and the log of changes."""

    def __init__(
        self,
        collection: AsyncCollection[Document],
        *,
        to_document: Callable[[RecordT], Document],
        from_document: Callable[[Mapping[str, Any]], RecordT],
    ) -> None:
        self._collection = collection
        self._to_document = to_document
        self._from_document = from_document

    async def add(self, record: RecordT) -> bool:
        document = _without_none(self._document(record))

        async def insert() -> bool:
            try:
                with store_errors():
                    await self._collection.insert_one(document)
            except DuplicateError:
                with store_errors():
                    return await self._collection.find_one({"_id": record.id}) is not None
            return True

        return await _settled(insert)

    async def replace(self, before: RecordT, after: RecordT) -> bool:
        update = _update(self._document(after))

        async def compare_and_set() -> bool:
            with store_errors():
                condition = {"_id": before.id, "revision": before.revision}
                if (await self._collection.update_one(condition, update)).matched_count:
                    return True
                ours = {"_id": after.id, "attempt": after.attempt}
                return await self._collection.find_one(ours) is not None

        return await _settled(compare_and_set)

    async def discard(self, record: RecordT) -> None:
        with store_errors():
            await self._collection.delete_one({"_id": record.id, "revision": record.revision})

    async def find(self, record_id: str) -> RecordT | None:
        return await self._find({"_id": record_id})

    async def unannounced(self, *, due_by: datetime, limit: int) -> list[RecordT]:
        with store_errors():
            due = self._collection.find({"announceFrom": until(due_by)}).sort("announceFrom", 1)
            return [self._from_document(document) async for document in due.limit(limit)]

    async def changed_since(self, instant: datetime) -> AsyncIterator[RecordT]:
        changed = self._collection.find({"changedDate": {"$gte": instant}}, batch_size=_READ_AT_ONCE).sort(
            "changedDate", 1
        )
        documents: list[Document] | None = None
        while documents is None or len(documents) == _READ_AT_ONCE:
            with store_errors():
                documents = await changed.to_list(_READ_AT_ONCE)
            for document in documents:
                yield self._from_document(document)

    async def mark_announced(self, records: Sequence[RecordT]) -> None:
        for revision, ids in _ids_by_revision(records).items():
            with store_errors():
                await self._collection.update_many(
                    {"_id": _among(ids), "revision": revision}, {"$unset": {"announceFrom": ""}}
                )

    async def forget(self, *, before: datetime) -> int:
        forgotten = {"forgetFrom": until(before), "announceFrom": {"$exists": False}}
        with store_errors():
            return (await self._collection.delete_many(forgotten)).deleted_count

    async def _find(self, condition: Document) -> RecordT | None:
        with store_errors():
            document = await self._collection.find_one(condition)
        return None if document is None else self._from_document(document)

    def _document(self, record: RecordT) -> Document:
        return {
            "_id": record.id,
            "revision": record.revision,
            "attempt": record.attempt,
            "changedDate": record.changed_at,
            "announceFrom": record.announce_from,
            **self._to_document(record),
        }


class _MongoCredentials(_MongoRecords[CredentialT]):
    """What both kinds of credential have in common: they are an endpoint's."""

    async def of_endpoint(self, endpoint_id: EndpointId) -> list[CredentialT]:
        return await self._find_all({"endpointId": endpoint_id})

    async def _find_all(self, condition: Document) -> list[CredentialT]:
        with store_errors():
            return [self._from_document(found) async for found in self._collection.find(condition)]


class MongoTokenRepository(_MongoCredentials[EndpointToken]):
    """Endpoint tokens in the collection ``tokens``."""

    def __init__(self, store: Store) -> None:
        self._store = store
        super().__init__(
            store.collection("tokens"), to_document=token_to_document, from_document=token_from_document
        )

    async def prepare(self) -> None:
        """Create the indexes."""
        await self._store.ensure(self._collection, _TOKEN_INDEXES)

    async def find_by_value(self, application: ApplicationName, fingerprint: bytes) -> EndpointToken | None:
        return await self._find({"application": application, "tokenHash": Binary(fingerprint)})

    async def add_many(self, tokens: Sequence[EndpointToken]) -> set[TokenId]:
        ids = [token.id for token in tokens]
        documents = [_without_none(self._document(token)) for token in tokens]
        try:
            with store_errors():
                await self._collection.insert_many(documents, ordered=False)
        except DuplicateError:
            with store_errors():
                found = await self._collection.find({"_id": {"$in": ids}}, {"_id": 1}).to_list()
            return {TokenId(document["_id"]) for document in found}
        return set(ids)

    async def find_by_values(
        self, application: ApplicationName, fingerprints: Sequence[bytes]
    ) -> list[EndpointToken]:
        hashes = [Binary(each) for each in fingerprints]
        return await self._find_all({"application": application, "tokenHash": {"$in": hashes}})

    async def activate(self, tokens: Sequence[EndpointToken], change: Change) -> set[TokenId]:
        active: set[TokenId] = set()
        for revision, ids in _ids_by_revision(tokens).items():
            one = next(token for token in tokens if token.revision == revision)
            active |= await self._activate(ids, one, change)
        return active

    async def _activate(self, ids: Sequence[str], one: EndpointToken, change: Change) -> set[TokenId]:
        """Activate tokens that are at the same revision as this one: what changes is the same for all."""
        before = self._document(one)
        after = self._document(one.moved(TokenStatus.ACTIVE, change) or one)
        update = _update({name: value for name, value in after.items() if value != before[name]})

        async def compare_and_set() -> bool:
            with store_errors():
                condition = {"_id": _among(ids), "revision": one.revision}
                return (await self._collection.update_many(condition, update)).matched_count == len(ids)

        if await _settled(compare_and_set):
            return {TokenId(each) for each in ids}
        with store_errors():
            ours = {"_id": _among(ids), "attempt": change.attempt}
            return {TokenId(found["_id"]) async for found in self._collection.find(ours, {"_id": 1})}


class MongoSenmlRepository(_MongoCredentials[SenmlCredential]):
    """SenML credentials in the collection ``senmlCredentials``."""

    def __init__(self, store: Store) -> None:
        self._store = store
        super().__init__(
            store.collection("senmlCredentials"),
            to_document=senml_to_document,
            from_document=senml_from_document,
        )

    async def prepare(self) -> None:
        """Create the indexes."""
        await self._store.ensure(self._collection, _SENML_INDEXES)

    async def find_by_value(self, dvn_uuid: DvnUuid, fingerprint: bytes) -> SenmlCredential | None:
        return await self._find({"dvnUuid": dvn_uuid, "secretHash": Binary(fingerprint)})

    async def of_device(self, dvn_uuid: DvnUuid) -> list[SenmlCredential]:
        found = await self._find_all({"dvnUuid": dvn_uuid})
        return sorted(found, key=lambda one: (one.created_at, one.id))


class MongoApiKeyRepository(_MongoRecords[ApiKey]):
    """API keys in the collection ``apiKeys``."""

    def __init__(self, store: Store) -> None:
        self._store = store
        super().__init__(
            store.collection("apiKeys"),
            to_document=api_key_to_document,
            from_document=api_key_from_document,
        )

    async def prepare(self) -> None:
        """Create the indexes."""
        await self._store.ensure(self._collection, _API_KEY_INDEXES)

    async def find_by_value(self, fingerprint: bytes) -> ApiKey | None:
        return await self._find({"keyHash": Binary(fingerprint)})

    async def seeded(self) -> list[ApiKey]:
        with store_errors():
            return [api_key_from_document(found) async for found in self._collection.find({"seeded": True})]

    async def page(self, *, offset: int, limit: int) -> tuple[list[ApiKey], int]:
        with store_errors():
            total = await self._collection.count_documents({})
            newest = self._collection.find({}).sort("createdDate", -1).skip(offset).limit(limit)
            return [api_key_from_document(found) async for found in newest], total


def _update(document: Document) -> dict[str, Document]:
    update = {"$set": {name: value for name, value in document.items() if value is not None}}
    if gone := {name: "" for name, value in document.items() if value is None}:
        update["$unset"] = gone
    return update


def _ids_by_revision(records: Sequence[Record]) -> dict[int, list[str]]:
    """Group what one write can change alike: on the embedded store it takes a fourth of the time."""
    ids: dict[int, list[str]] = {}
    for record in records:
        ids.setdefault(record.revision, []).append(record.id)
    return ids


def _among(ids: Sequence[str]) -> object:
    return ids[0] if len(ids) == 1 else {"$in": list(ids)}


def _without_none(document: Document) -> Document:
    return {name: value for name, value in document.items() if value is not None}


async def _settled(write: Callable[[], Awaitable[bool]]) -> bool:
    """Send an idempotent write until its outcome is known.

    Raises:
        UnavailableError: The store stayed away for as long as an operation may take.
    """
    with pymongo.timeout(_WRITE_S):
        for _ in range(_SENDS - 1):
            try:
                return await write()
            except UnavailableError:
                continue
        return await write()
