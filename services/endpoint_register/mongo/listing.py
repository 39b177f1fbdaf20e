"""What lists of endpoints need, small and apart: a change of metadata touches none of its indexes."""

from collections.abc import Sequence
from typing import Any, Final, TypeAlias

from pymongo import UpdateOne

from libs.contracts.ids import EndpointId
from libs.store import Document, DuplicateError, Index, Store, store_errors
from services.endpoint_register.domain.listing import KEYS, Listed, Range

_INDEXES: Final = (
    *(Index(name=key, keys=[(key, 1)]) for key in KEYS),
    Index(name="filters", keys=[("filters", 1), ("created", 1)]),
)

_MATCHED: Final = Index(name="matched", keys=[("matched", 1)])

_COMPLETED_AT_ONCE: Final = 500
_NAMES_AT_ONCE: Final = 1000
"""In one answer of the store, some 80 KB."""

Bounds: TypeAlias = tuple[str, str | None]
"""``low <= key < high``; without ``high`` there is no end."""


class MongoEndpointListing:
    """The collection ``listing``.

    Args:
        store: Where it is.
        by_match: Keep what :meth:`matching` reads: for a store whose index ``filters`` has no ranges to read.
    """

    def __init__(self, store: Store, *, by_match: bool = False) -> None:
        self._store = store
        self._by_match = by_match
        self._collection = store.collection("listing")

    async def prepare(self) -> None:
        """Create the indexes."""
        await self._store.ensure(self._collection, (*_INDEXES, *([_MATCHED] if self._by_match else [])))

    async def put(self, line: Listed) -> str:
        """List an endpoint unless its line is as new, or of another incarnation; tell whose line stands."""
        older = {"_id": line.endpoint_id, "incarnation": line.incarnation, "seq": {"$lt": line.seq}}
        while True:
            try:
                with store_errors():
                    await self._collection.update_one(older, {"$set": self._told(line)}, upsert=True)
            except DuplicateError:
                with store_errors():
                    found = await self._collection.find_one({"_id": line.endpoint_id}, {"incarnation": 1})
                if found is None:
                    continue  # dropped in between
                return str(found["incarnation"])
            return line.incarnation

    async def insert(self, line: Listed) -> bool:
        """List an endpoint that has no line; False = it has one."""
        document = {"_id": line.endpoint_id, "incarnation": line.incarnation, **self._told(line)}
        try:
            with store_errors():
                await self._collection.insert_one(document)
        except DuplicateError:
            return False
        return True

    async def replace(self, before: Listed, line: Listed) -> bool:
        """Put a later line of the same incarnation, if this one stands there still."""
        standing = {"_id": before.endpoint_id, "incarnation": before.incarnation, "seq": before.seq}
        with store_errors():
            result = await self._collection.update_one(standing, {"$set": self._told(line)})
        return result.matched_count == 1

    async def put_new(self, lines: Sequence[Listed]) -> set[EndpointId]:
        """List endpoints that have no line; tell which are listed as these incarnations now."""
        return (await self.write_new(lines))[0]

    async def write_new(self, lines: Sequence[Listed]) -> tuple[set[EndpointId], bool]:
        """Put lines of endpoints that have none; tell which are listed now, and whether all are new."""
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
            ours = {line.endpoint_id for line in lines if stored.get(line.endpoint_id) == line.incarnation}
            return ours, False
        return set(ids), True

    async def drop(self, endpoint_id: EndpointId, *, incarnation: str) -> None:
        """List it no more, if it still is this incarnation."""
        await self.erase(endpoint_id, incarnation=incarnation)

    async def erase(self, endpoint_id: EndpointId, *, incarnation: str, seq: int | None = None) -> bool:
        """Drop the line of this incarnation, and only as of this change if one is named; False = none."""
        named: dict[str, Any] = {"_id": endpoint_id, "incarnation": incarnation}
        if seq is not None:
            named["seq"] = seq
        with store_errors():
            result = await self._collection.delete_one(named)
        return result.deleted_count == 1

    async def find(self, endpoint_id: EndpointId) -> Listed | None:
        """The line of an endpoint."""
        with store_errors():
            document = await self._collection.find_one({"_id": endpoint_id})
        return None if document is None else _from_document(document)

    async def page(self, part: Range, *, offset: int = 0, limit: int, after: str = "") -> list[Listed]:
        """The lines of a page, in order; ``after`` is the key behind which it begins."""
        return await self._read(
            _within(part, after), part.key, descending=part.descending, offset=offset, limit=limit
        )

    async def between(
        self, key: str, bounds: Bounds, *, descending: bool, offset: int, limit: int
    ) -> list[Listed]:
        """The lines of an order between two keys, in order."""
        return await self._read(
            {key: _between(bounds)}, key, descending=descending, offset=offset, limit=limit
        )

    async def keys(self, key: str, bounds: Bounds) -> list[str]:
        """All keys of an order between two, in order."""
        with store_errors():
            documents = await self._collection.find(
                {key: _between(bounds)}, {"_id": 0, key: 1}, sort=[(key, 1)]
            ).to_list()
        return [document[key] for document in documents]

    async def matching(self, filter_id: str, bounds: Bounds) -> list[Listed]:
        """What matches a filter and has its key ``created`` between two, in any order."""
        low, high = bounds
        within = _between(
            (_match(filter_id, low), f"{filter_id}0" if high is None else _match(filter_id, high))
        )
        with store_errors():
            documents = await self._collection.find({"matched": within}).to_list()
        # Two conditions on an array may hold for two of its entries: whether they do, stores disagree.
        lines = map(_from_document, documents)
        return [
            line for line in lines if filter_id in line.filters and _is_within(line.keys["created"], bounds)
        ]

    async def add_matches(self) -> None:
        """Complete lines that were written where :meth:`matching` was not read."""
        unknown = {"filters.0": {"$exists": True}, "matched": {"$exists": False}}
        with store_errors():
            cursor = self._collection.find(unknown, batch_size=_COMPLETED_AT_ONCE)
            while documents := await cursor.to_list(_COMPLETED_AT_ONCE):
                await self._collection.bulk_write(
                    [
                        UpdateOne(
                            {"_id": document["_id"], "seq": document["seq"]},
                            {"$set": {"matched": _matches_of(_from_document(document))}},
                        )
                        for document in documents
                    ],
                    ordered=False,
                )

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

    async def count_between(self, key: str, bounds: Bounds) -> int:
        """How many lines of an order there are between two keys."""
        with store_errors():
            return await self._collection.count_documents({key: _between(bounds)})

    async def _read(
        self, query: dict[str, Any], key: str, *, descending: bool, offset: int, limit: int
    ) -> list[Listed]:
        order = [(key, -1 if descending else 1)]
        with store_errors():
            documents = await self._collection.find(query, sort=order, skip=offset, limit=limit).to_list()
        return [_from_document(document) for document in documents]

    def _told(self, line: Listed) -> dict[str, Any]:
        """What a line says, without whom it is about."""
        matched = {"matched": _matches_of(line)} if self._by_match else {}
        return {"seq": line.seq, **line.keys, "filters": list(line.filters), **matched}


def _matches_of(line: Listed) -> list[str]:
    return [_match(each, line.keys["created"]) for each in line.filters]


def _match(filter_id: str, created: str) -> str:
    return f"{filter_id}/{created}"


def _is_within(key: str, bounds: Bounds) -> bool:
    low, high = bounds
    return low <= key and (high is None or key < high)


def _between(bounds: Bounds) -> dict[str, str]:
    low, high = bounds
    return {"$gte": low} if high is None else {"$gte": low, "$lt": high}


def _within(part: Range, after: str = "") -> dict[str, Any]:
    """Name the range by the one field whose index is in its order."""
    bounds = {part.key: _between(part.bounds(after))}
    if part.filter_id is None:
        return bounds
    # The filter alone where it is enough: with two conditions the embedded store reads the whole collection.
    return {"filters": part.filter_id} | (bounds if part.prefix or after else {})


def _from_document(document: Document) -> Listed:
    return Listed(
        endpoint_id=EndpointId(document["_id"]),
        incarnation=document["incarnation"],
        seq=document["seq"],
        keys={key: document[key] for key in KEYS},
        filters=tuple(document.get("filters", ())),
    )
