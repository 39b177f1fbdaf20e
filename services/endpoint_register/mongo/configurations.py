"""Configuration of service instances: kept as JSON text, nobody queries into it."""

import json
from typing import Any, Final

from libs.contracts.ids import ApplicationName, AppVersionName, application_of
from libs.contracts.payload import encode_json
from libs.store import Index, Store, store_errors
from services.endpoint_register.domain.configuration import Configuration

_INDEXES: Final = (
    Index(name="application", keys=[("application", 1)]),
    Index(name="version", keys=[("version", 1)]),
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
        service: str,
        application: ApplicationName,
        version: AppVersionName | None,
    ) -> None:
        """Store a configuration in place of what was there."""
        fields = {
            "application": application,
            "version": version,
            "service": service,
            "document": encode_json(configuration).decode(),
        }
        with store_errors():
            await self._collection.update_one(
                {"_id": _key(service, application, version)}, {"$set": fields}, upsert=True
            )

    async def find(
        self, *, service: str, application: ApplicationName, version: AppVersionName | None
    ) -> Configuration | None:
        """The configuration that stands at exactly this place."""
        with store_errors():
            document = await self._collection.find_one({"_id": _key(service, application, version)})
        return None if document is None else _decoded(document["document"])

    async def effective(self, version: AppVersionName, *, service: str) -> Configuration | None:
        """The version's configuration, or else its application's."""
        application = application_of(version)
        if application is None:
            return None
        own, inherited = _key(service, application, version), _key(service, application, None)
        with store_errors():
            documents = await self._collection.find({"_id": {"$in": [own, inherited]}}).to_list()
        by_key = {document["_id"]: document["document"] for document in documents}
        text = by_key.get(own, by_key.get(inherited))
        return None if text is None else _decoded(text)

    async def remove(self, *, application: ApplicationName, version: AppVersionName | None) -> None:
        """Drop all configuration of a version, or of an application and its versions."""
        query = {"application": application} if version is None else {"version": version}
        with store_errors():
            await self._collection.delete_many(query)


def _key(service: str, application: ApplicationName, version: AppVersionName | None) -> str:
    """Name a place; an application may be called as another one's version, so both parts are in it."""
    suffix = "" if version is None else version.rpartition("-")[2]
    return f"{service}/{application}/{suffix}"


def _decoded(text: str) -> Configuration:
    decoded: dict[str, Any] = json.loads(text)
    return decoded
