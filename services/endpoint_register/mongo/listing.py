"""What lists of endpoints need, small and apart: a change of metadata touches none of its indexes."""

from typing import Any, Final

from libs.contracts.ids import EndpointId
from libs.store import Index, Store, store_errors
from services.endpoint_register.domain.listing import KEYS, Listed, Range

_INDEXES: Final = tuple(Index(name=key, keys=[(key, 1)]) for key in KEYS)


class MongoEndpointListing:
    """The collection ``listing``."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._collection = store.collection("listing")

    async def prepare(self) -> None:
        """Create the indexes."""
        await self._store.ensure(self._collection, _INDEXES)

    async def put(self, line: Listed) -> None:
        """List an endpoint, under these keys and no others."""
        document = {"_id": line.endpoint_id, "incarnation": line.incarnation, **line.keys}
        with store_errors():
            await self._collection.replace_one({"_id": line.endpoint_id}, document, upsert=True)

    async def drop(self, endpoint_id: EndpointId, *, incarnation: str) -> None:
        """List it no more, if it still is this incarnation."""
        with store_errors():
            await self._collection.delete_one({"_id": endpoint_id, "incarnation": incarnation})

    async def page(self, part: Range, *, offset: int, limit: int) -> list[Listed]:
        """The lines of a page, in order."""
        direction = -1 if part.descending else 1
        with store_errors():
            documents = await self._collection.find(
                _within(part), sort=[(part.key, direction)], skip=offset, limit=limit
            ).to_list()
        return [
            Listed(EndpointId(document["_id"]), document["incarnation"], {key: document[key] for key in KEYS})
            for document in documents
        ]

    async def count(self, part: Range) -> int:
        """How many there are."""
        with store_errors():
            return await self._collection.count_documents(_within(part))


def _within(part: Range) -> dict[str, Any]:
    """Name the range by the one field whose index is in its order."""
    return {part.key: {"$gte": part.prefix, "$lt": part.end} if part.prefix else {"$gte": ""}}
