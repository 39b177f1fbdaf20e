"""Endpoints that are gone, until nothing of theirs can come any more: the collection ``removals``."""

from collections.abc import Mapping
from typing import Final

from libs.store import Store, store_errors

_MAX: Final = 5000


class MongoRemovalRepository:
    """The collection ``removals``: endpoint and instant."""

    def __init__(self, store: Store) -> None:
        self._collection = store.collection("removals")

    async def add(self, endpoint_id: str, until_ms: int) -> None:
        """Remember that samples have to go."""
        with store_errors():
            await self._collection.update_one(
                {"_id": endpoint_id}, {"$max": {"until": until_ms}}, upsert=True
            )

    async def all(self) -> Mapping[str, int]:
        """Those there are."""
        with store_errors():
            found = await self._collection.find({}, limit=_MAX).to_list()
        return {each["_id"]: each["until"] for each in found}

    async def drop(self, endpoint_id: str, until_ms: int) -> None:
        """Forget it, if this is the latest."""
        with store_errors():
            await self._collection.delete_one({"_id": endpoint_id, "until": until_ms})
