"""Configuration of ``epts`` and ``dcx``: kept as JSON text, nobody queries into it."""

import json
from collections.abc import Mapping
from typing import Any, Final

from libs.contracts.payload import encode_json
from libs.store import Index, Store, store_errors
from services.data_collection.domain.configuration import Configuration

_PAGE: Final = 1000
_INDEXES: Final = (Index(name="application", keys=[("application", 1)]),)


class MongoConfigurationRepository:
    """The collection ``configurations``."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._collection = store.collection("configurations")

    async def prepare(self) -> None:
        """Create the index."""
        await self._store.ensure(self._collection, _INDEXES)

    async def put(
        self,
        configuration: Configuration,
        *,
        instance: str,
        application: str,
        version: str | None,
        incarnation: str,
    ) -> None:
        """Store a document in place of what was there."""
        fields = {
            "instance": instance,
            "application": application,
            "version": version,
            "incarnation": incarnation,
            "document": encode_json(configuration).decode(),
        }
        key = {"_id": _key(instance, application, version)}
        with store_errors():
            await self._collection.update_one(key, {"$set": fields}, upsert=True)

    async def find(self, *, instance: str, application: str, version: str | None) -> Configuration | None:
        """The document at exactly this place."""
        with store_errors():
            document = await self._collection.find_one({"_id": _key(instance, application, version)})
        return None if document is None else _decoded(document["document"])

    async def of_application(self, application: str) -> Mapping[tuple[str, str | None], Configuration]:
        """All documents of an application."""
        with store_errors():
            documents = await self._collection.find({"application": application}).to_list()
        return {(each["instance"], each["version"]): _decoded(each["document"]) for each in documents}

    async def of_instance(self, instance: str) -> Mapping[str, Configuration]:
        """Documents of an instance, by application."""
        with store_errors():
            documents = await self._collection.find({"instance": instance, "version": None}).to_list()
        return {each["application"]: _decoded(each["document"]) for each in documents}

    async def applications(self, *, after: str) -> list[str]:
        """Name some applications that have documents."""
        behind = {"application": {"$gt": after}}
        with store_errors():
            documents = await self._collection.find(
                behind, {"application": 1}, sort=[("application", 1)], limit=_PAGE
            ).to_list()
        return list(dict.fromkeys(each["application"] for each in documents))

    async def incarnations(self, application: str) -> Mapping[tuple[str, str | None], str]:
        """For which lives the documents of an application were put."""
        with store_errors():
            documents = await self._collection.find(
                {"application": application}, {"instance": 1, "version": 1, "incarnation": 1}
            ).to_list()
        return {(each["instance"], each["version"]): each.get("incarnation", "") for each in documents}

    async def remove(self, *, instance: str, application: str, version: str | None, incarnation: str) -> bool:
        """Drop a document if it was put for this life."""
        said = {"incarnation": incarnation or {"$exists": False}}
        with store_errors():
            result = await self._collection.delete_one({"_id": _key(instance, application, version)} | said)
        return result.deleted_count == 1


def _key(instance: str, application: str, version: str | None) -> str:
    """Name a place; an application may be called as another one's version, so both parts are in it."""
    suffix = "" if version is None else version.rpartition("-")[2]
    return f"{instance}/{application}/{suffix}"


def _decoded(text: str) -> Configuration:
    decoded: dict[str, Any] = json.loads(text)
    return decoded
