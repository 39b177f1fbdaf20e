"""What lists of endpoints need, small and apart: a change of metadata touches none of its indexes."""

from collections.abc import Sequence
from typing import Any, Final

from libs.contracts.ids import EndpointId
from libs.store import DuplicateError, Index, Store, store_errors
from services.endpoint_register.domain.listing import KEYS, Listed, Range

_INDEXES: Final = (
    *(Index(name=key, keys=[(key, 1)]) for key in KEYS),
    Index(name="filters", keys=[("filters", 1), ("created", 1)]),
)

_NAMES_AT_ONCE: Final = 1000
"""In one answer of the store, some 80 KB."""


class MongoEndpointListing:
    """The collection ``listing``."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._collection = store.collection("listing")

    async def prepare(self) -> None:
        """Create the indexes."""
        await self._store.ensure(self._collection, _INDEXES)

    async def put(self, line: Listed) -> str:
        """List an endpoint unless its line is as new, or of another incarnation; tell whose line stands."""
        older = {"_id": line.endpoint_id, "incarnation": line.incarnation, "seq": {"$lt": line.seq}}
        change = {"$set": {"seq": line.seq, **line.keys, "filters": list(line.filters)}}
        while True:
            try:
                with store_errors():
                    await self._collection.update_one(older, change, upsert=True)
            except DuplicateError:
                with store_errors():
                    found = await self._collection.find_one({"_id": line.endpoint_id}, {"incarnation": 1})
                if found is None:
                    continue  # dropped in between
                return str(found["incarnation"])
            return line.incarnation

    async def put_new(self, lines: Sequence[Listed]) -> set[EndpointId]:
        """List endpoints that have no line; tell which are listed now: the others have one already."""
        ids = [line.endpoint_id for line in lines]
        documents = [
            {"_id": line.endpoint_id, "incarnation": line.incarnation, "seq": line.seq, **line.keys}
            for line in lines
        ]
        try:
            with store_errors():
                await self._collection.insert_many(documents, ordered=False)
        except DuplicateError:
            with store_errors():
                found = await self._collection.find({"_id": {"$in": ids}}, {"incarnation": 1}).to_list()
            stored = {document["_id"]: document["incarnation"] for document in found}
            return {line.endpoint_id for line in lines if stored.get(line.endpoint_id) == line.incarnation}
        return set(ids)

    async def drop(self, endpoint_id: EndpointId, *, incarnation: str) -> None:
        """List it no more, if it still is this incarnation."""
        with store_errors():
            await self._collection.delete_one({"_id": endpoint_id, "incarnation": incarnation})

    async def page(self, part: Range, *, offset: int = 0, limit: int, after: str = "") -> list[Listed]:
        """The lines of a page, in order; ``after`` is the key behind which it begins."""
        direction = -1 if part.descending else 1
        with store_errors():
            documents = await self._collection.find(
                _within(part, after), sort=[(part.key, direction)], skip=offset, limit=limit
            ).to_list()
        return [
            Listed(
                endpoint_id=EndpointId(document["_id"]),
                incarnation=document["incarnation"],
                seq=document["seq"],
                keys={key: document[key] for key in KEYS},
                filters=tuple(document.get("filters", ())),
            )
            for document in documents
        ]

    async def names(self, part: Range, *, limit: int) -> dict[EndpointId, str]:
        """Who is in a range, in any order, each with the incarnation that its line means."""
        with store_errors():
            documents = await self._collection.find(
                _within(part), {"incarnation": 1}, limit=limit, batch_size=_NAMES_AT_ONCE
            ).to_list()
        return {EndpointId(document["_id"]): document["incarnation"] for document in documents}

    async def count(self, part: Range) -> int:
        """How many there are."""
        with store_errors():
            return await self._collection.count_documents(_within(part))


def _within(part: Range, after: str = "") -> dict[str, Any]:
    """Name the range by the one field whose index is in its order."""
    bounds = {"$gte": part.prefix, "$lt": part.end} if part.prefix else {"$gte": ""}
    if after and part.descending:
        bounds["$lt"] = after
    elif after:
        del bounds["$gte"]
        bounds["$gt"] = after
    if part.filter_id is None:
        return {part.key: bounds}
    # The filter alone where it is enough: with two conditions the embedded store reads the whole collection.
    return {"filters": part.filter_id} | ({part.key: bounds} if part.prefix or after else {})
