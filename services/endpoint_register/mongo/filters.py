"""Filters: one document for each application, so that all of them change together or not at all.

``due`` is there while endpoints have to be judged: from then on anybody may go on with it.
"""

import functools
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

import structlog

from libs.contracts.errors import BadRequestError
from libs.contracts.ids import ApplicationName
from libs.store import Document, DuplicateError, Index, Store, earlier_than, store_errors
from services.endpoint_register.domain.filters import Filter, FilterSet, Progress
from services.endpoint_register.domain.queries import Query, parse_query

_INDEXES: Final = (
    Index(name="ids", keys=[("ids", 1)]),
    Index(name="due", keys=[("due", 1)]),
)
_READ: Final = 1024
"""Queries that are kept as they were read: each replica reads the same few again and again."""

_log = structlog.get_logger()


class MongoFilterRepository:
    """The collection ``filters``."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._collection = store.collection("filters")

    async def prepare(self) -> None:
        """Create the indexes."""
        await self._store.ensure(self._collection, _INDEXES)

    async def find(self, application: ApplicationName) -> FilterSet:
        """The filters of an application; an empty set of revision 0 when it has never had any."""
        with store_errors():
            document = await self._collection.find_one({"_id": application})
        return FilterSet(application=application) if document is None else _from_document(document)

    async def stamp(self, application: ApplicationName) -> tuple[int, int]:
        """The stamp of that set, which costs less than the set."""
        with store_errors():
            document = await self._collection.find_one({"_id": application}, {"edition": 1, "generation": 1})
        return (0, 0) if document is None else (int(document.get("edition", 0)), int(document["generation"]))

    async def holding(self, filter_id: str) -> FilterSet | None:
        """The filters among which this one is."""
        with store_errors():
            document = await self._collection.find_one({"ids": filter_id})
        return None if document is None else _from_document(document)

    async def replace(self, before: FilterSet, after: FilterSet) -> bool:
        """Store ``after`` if the set still is ``before``."""
        if before.revision == 0:
            try:
                with store_errors():
                    await self._collection.insert_one({"_id": after.application, **_to_document(after)})
            except DuplicateError:
                return False
            return True
        old = _to_document(before)
        changes = {name: value for name, value in _to_document(after).items() if value != old[name]}
        same = {"_id": before.application, "revision": before.revision, "generation": before.generation}
        with store_errors():
            result = await self._collection.update_one(same, {"$set": changes})
        return result.matched_count == 1

    async def remove(self, application: ApplicationName) -> None:
        """Drop all filters of an application."""
        with store_errors():
            await self._collection.delete_one({"_id": application})

    async def due(self, *, at: datetime, limit: int) -> list[ApplicationName]:
        """Whose endpoints are to be judged, and are nobody's work at that moment; the longest due first."""
        with store_errors():
            documents = await self._collection.find(
                {"due": earlier_than(at)}, {"_id": 1}, sort=[("due", 1)], limit=limit
            ).to_list()
        return [ApplicationName(document["_id"]) for document in documents]


def _to_document(filters: FilterSet) -> Document:
    progress = filters.progress
    return {
        "revision": filters.revision,
        "edition": filters.edition,
        "generation": filters.generation,
        "ids": [each.id for each in filters.filters],
        "filters": [
            {
                "id": each.id,
                "name": each.name,
                "description": each.description,
                "query": each.query.text,
                "createdDate": each.created_at,
                "updatedDate": each.updated_at,
                "active": each.is_active,
                "revision": each.revision,
            }
            for each in filters.filters
        ],
        "cursor": None if progress is None else progress.cursor,
        "due": None if progress is None else progress.due_at,
    }


def _from_document(document: Mapping[str, Any]) -> FilterSet:
    due = document["due"]
    return FilterSet(
        application=ApplicationName(document["_id"]),
        revision=int(document["revision"]),
        edition=int(document.get("edition", 0)),
        generation=int(document["generation"]),
        filters=tuple(
            Filter(
                id=entry["id"],
                name=entry["name"],
                description=entry["description"],
                query=_read(entry["query"]),
                created_at=entry["createdDate"],
                updated_at=entry["updatedDate"],
                is_active=entry["active"],
                revision=int(entry["revision"]),
            )
            for entry in document["filters"]
        ),
        progress=None if due is None else Progress(cursor=document["cursor"], due_at=due),
    )


@functools.lru_cache(maxsize=_READ)
def _read(text: str) -> Query:
    """Read a stored query; what only a newer release can read matches nobody here."""
    try:
        return parse_query(text)
    except BadRequestError as error:
        _log.warning("filter.query_unknown", reason=error.reason_phrase)
        return Query(text, lambda _values: False, 0)
