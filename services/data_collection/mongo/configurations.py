"""Configuration of ``epts`` and ``dcx``: kept as JSON text, nobody queries into it."""

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, Final

from libs.contracts.app_configs import Configuration, Placed
from libs.contracts.payload import encode_json
from libs.store import Document, DuplicateError, Index, Store, store_errors
from services.data_collection.domain.configuration import Standing

_PAGE: Final = 1000
_INDEXES: Final = (
    Index(name="application", keys=[("application", 1)]),
    Index(name="instance", keys=[("instance", 1)]),
)


class MongoConfigurationRepository:
    """The collection ``configurations``."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._collection = store.collection("configurations")

    async def prepare(self) -> None:
        """Create the indexes."""
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
        fields = _fields(configuration, instance, application, version, incarnation)
        key = {"_id": _key(instance, application, version)}
        with store_errors():
            await self._collection.update_one(key, {"$set": fields}, upsert=True)

    async def find(self, *, instance: str, application: str, version: str | None) -> Configuration | None:
        """The document at exactly this place."""
        with store_errors():
            document = await self._collection.find_one({"_id": _key(instance, application, version)})
        return None if document is None else _decoded(document["document"])

    async def standing(self, *, instance: str, application: str, version: str | None) -> Standing | None:
        """The same, and which life it was put for."""
        with store_errors():
            document = await self._collection.find_one({"_id": _key(instance, application, version)})
        if document is None:
            return None
        return Standing(configuration=_decoded(document["document"]), incarnation=document.get("incarnation"))

    async def replace(
        self,
        before: Standing | None,
        configuration: Configuration,
        *,
        instance: str,
        application: str,
        version: str | None,
        incarnation: str,
    ) -> bool:
        """Store a document, as :meth:`put`, if ``before`` (None = nothing) still stands there.

        The text is compared: one that went and came back is the same to whoever changes a part of it.
        """
        key = _key(instance, application, version)
        fields = _fields(configuration, instance, application, version, incarnation)
        if before is not None:
            text = _encoded(before.configuration)
            same = {"_id": key, "document": text, "incarnation": before.incarnation}
            with store_errors():
                result = await self._collection.update_one(same, {"$set": fields})
            return result.matched_count == 1
        try:
            with store_errors():
                await self._collection.insert_one({"_id": key, **fields})
        except DuplicateError:
            return False
        return True

    async def all_of(self, instance: str, *, applications: Sequence[str] | None) -> AsyncIterator[Placed]:
        """Documents of an instance, or those for some applications and their versions, in any order."""
        query: dict[str, Any] = {"instance": instance}
        if applications is not None:
            query["application"] = {"$in": list(applications)}
        with store_errors():
            async for document in self._collection.find(query):
                yield Placed(
                    application=document["application"],
                    version=document["version"],
                    document=_decoded(document["document"]),
                )

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


def _fields(
    configuration: Configuration, instance: str, application: str, version: str | None, incarnation: str
) -> Document:
    return {
        "instance": instance,
        "application": application,
        "version": version,
        "incarnation": incarnation,
        "document": _encoded(configuration),
    }


def _encoded(configuration: Configuration) -> str:
    return encode_json(configuration).decode()


def _decoded(text: str) -> Configuration:
    decoded: dict[str, Any] = json.loads(text)
    return decoded
