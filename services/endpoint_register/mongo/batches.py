"""Tasks that create many endpoints: one document each, its items sealed in one piece, for tokens are in it.

Outcomes are a field each, so that noting some of them does not write the items again. ``waiting`` is there
until the task is done; ``dueDate`` says when somebody has to come back to it.
"""

import secrets
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

import msgspec
import structlog
from bson.binary import Binary

from libs.contracts.errors import InternalError
from libs.contracts.ids import ApplicationName, AppVersionName
from libs.store import Document, Index, Store, store_errors, until
from services.endpoint_register.domain.batch import Batch, BatchId, BatchItem, BatchState
from services.endpoint_register.domain.sealing import NONCE_BYTES, SealingBox, UnreadableError

_INDEXES: Final = (
    Index(name="due", keys=[("dueDate", 1)]),
    Index(name="waiting", keys=[("waiting", 1)]),
)
_PACK: Final = msgspec.msgpack.Encoder()
_UNPACK: Final = msgspec.msgpack.Decoder(tuple[BatchItem, ...])

_log = structlog.get_logger()


class MongoBatchRepository:
    """The collection ``batches``."""

    def __init__(self, store: Store, *, box: SealingBox) -> None:
        self._store = store
        self._collection = store.collection("batches")
        self._box = box

    async def prepare(self) -> None:
        """Create the indexes."""
        await self._store.ensure(self._collection, _INDEXES)

    async def add(self, batch: Batch) -> None:
        """Store a new task."""
        document = {
            "_id": batch.id,
            "application": batch.application,
            "version": batch.version,
            "correlationId": batch.correlation_id,
            "createdDate": batch.created_at,
            "waiting": batch.application,
            **_scalars(batch),
            "items": self._sealed(batch),
            "outcomes": {},
        }
        with store_errors():
            await self._collection.insert_one(document)

    async def find(self, batch_id: BatchId) -> Batch | None:
        """The task of this id."""
        with store_errors():
            document = await self._collection.find_one({"_id": batch_id})
        return None if document is None else self._from_document(document)

    async def waiting(self, application: ApplicationName) -> int:
        """How many tasks of an application are not done."""
        with store_errors():
            return await self._collection.count_documents({"waiting": application})

    async def due(self, *, at: datetime, limit: int) -> list[BatchId]:
        """Tasks that somebody has to come back to by then, those that wait longest first."""
        with store_errors():
            documents = await self._collection.find(
                {"dueDate": until(at)}, {"_id": 1}, sort=[("dueDate", 1)], limit=limit
            ).to_list()
        return [BatchId(document["_id"]) for document in documents]

    async def replace(self, before: Batch, after: Batch) -> bool:
        """Store ``after`` if the task still is ``before``."""
        changes = _scalars(after)
        for number in after.outcomes.keys() - before.outcomes.keys():
            changes[f"outcomes.{number}"] = after.outcomes[number]
        if after.items is not before.items:
            changes["items"] = self._sealed(after)
        update: dict[str, Any] = {"$set": changes}
        if after.state is BatchState.DONE:
            update["$unset"] = {"waiting": ""}
        with store_errors():
            result = await self._collection.update_one(
                {"_id": before.id, "revision": before.revision}, update
            )
        return result.matched_count == 1

    async def remove(self, batch: Batch) -> None:
        """Drop the task if it still is this one."""
        with store_errors():
            await self._collection.delete_one({"_id": batch.id, "revision": batch.revision})

    def _sealed(self, batch: Batch) -> Binary:
        nonce = secrets.token_bytes(NONCE_BYTES)
        return Binary(self._box.seal(_PACK.encode(batch.items), record=batch.id, nonce=nonce))

    def _from_document(self, document: Mapping[str, Any]) -> Batch:
        try:
            items = _UNPACK.decode(self._box.open(bytes(document["items"]), record=document["_id"]))
        except UnreadableError as error:
            _log.error("batch.unreadable", batch=document["_id"])
            raise InternalError from error
        return Batch(
            id=BatchId(document["_id"]),
            application=ApplicationName(document["application"]),
            version=AppVersionName(document["version"]),
            correlation_id=document["correlationId"],
            created_at=document["createdDate"],
            due_at=document["dueDate"],
            items=items,
            state=BatchState(document["state"]),
            revision=document["revision"],
            outcomes={int(number): reason for number, reason in document["outcomes"].items()},
            done_at=document["doneDate"],
        )


def _scalars(batch: Batch) -> Document:
    return {
        "state": batch.state.value,
        "revision": batch.revision,
        "dueDate": batch.due_at,
        "doneDate": batch.done_at,
    }
