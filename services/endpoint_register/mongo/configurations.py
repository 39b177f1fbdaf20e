"""Configuration of service instances: kept as JSON text, nobody queries into it."""

import json
from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import Any, Final

from libs.contracts.app_configs import Configuration, Placed
from libs.contracts.ids import ApplicationName, AppVersionName, application_of
from libs.contracts.payload import encode_json
from libs.store import Document, DuplicateError, Index, Store, earlier_than, store_errors
from services.endpoint_register.domain.configuration import ConfigurationChange, Standing
from services.endpoint_register.ports import Clock

_INDEXES: Final = (
    Index(name="application", keys=[("application", 1)]),
    Index(name="version", keys=[("version", 1)]),
    Index(name="service", keys=[("service", 1)]),
    Index(name="untold", keys=[("untoldSince", 1)]),
)


class MongoConfigurationRepository:
    """The collection ``configurations``."""

    def __init__(self, store: Store, *, clock: Clock) -> None:
        self._clock = clock
        self._store = store
        self._collection = store.collection("configurations")

    async def prepare(self) -> None:
        """Create the indexes."""
        await self._store.ensure(self._collection, _INDEXES)

    async def put(self, configuration: Configuration, change: ConfigurationChange) -> None:
        """Store a configuration in place of what was there; nobody has been told yet."""
        fields = self._untold(configuration, change)
        with store_errors():
            await self._collection.update_one({"_id": _key_of(change)}, {"$set": fields}, upsert=True)

    async def find(
        self, *, service: str, application: ApplicationName, version: AppVersionName | None
    ) -> Configuration | None:
        """The configuration that stands at exactly this place."""
        with store_errors():
            document = await self._collection.find_one({"_id": _key(service, application, version)})
        return None if document is None else _decoded(document["document"])

    async def standing(
        self, *, service: str, application: ApplicationName, version: AppVersionName | None
    ) -> Standing | None:
        """The same, with the name of the write that put it there."""
        with store_errors():
            document = await self._collection.find_one({"_id": _key(service, application, version)})
        if document is None:
            return None
        return Standing(configuration=_decoded(document["document"]), attempt=document["attempt"])

    async def replace(
        self, before: Standing | None, configuration: Configuration, change: ConfigurationChange
    ) -> bool:
        """Store a configuration if ``before`` (None = nothing) still stands; nobody has been told yet."""
        key, fields = _key_of(change), self._untold(configuration, change)
        if before is not None:
            with store_errors():
                result = await self._collection.update_one(
                    {"_id": key, "attempt": before.attempt}, {"$set": fields}
                )
            return result.matched_count == 1
        try:
            with store_errors():
                await self._collection.insert_one({"_id": key, **fields})
        except DuplicateError:
            # It is ours when the driver repeated an insert whose answer got lost.
            with store_errors():
                return await self._collection.find_one({"_id": key, "attempt": change.attempt}) is not None
        return True

    async def of_service(self, service: str, *, applications: Sequence[str] | None) -> AsyncIterator[Placed]:
        """All configuration of a service, or that for some applications and their versions, in any order."""
        query: dict[str, Any] = {"service": service}
        if applications is not None:
            query["application"] = {"$in": list(applications)}
        with store_errors():
            async for document in self._collection.find(query):
                yield Placed(
                    application=document["application"],
                    version=document["version"],
                    document=_decoded(document["document"]),
                )

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

    async def untold(self, *, before: datetime) -> list[ConfigurationChange]:
        """Changes that were made before then, and of which nobody may have been told."""
        query = {"untoldSince": earlier_than(before)}
        with store_errors():
            documents = await self._collection.find(query, {"document": 0}).to_list()
        return [
            ConfigurationChange(
                service=document["service"],
                application=ApplicationName(document["application"]),
                version=None if document["version"] is None else AppVersionName(document["version"]),
                attempt=document["attempt"],
            )
            for document in documents
        ]

    async def forget_told(self, change: ConfigurationChange) -> None:
        """Note that everybody was told of this change; a later one stays untold."""
        same = {"_id": _key_of(change), "attempt": change.attempt}
        with store_errors():
            await self._collection.update_one(same, {"$unset": {"untoldSince": ""}})

    def _untold(self, configuration: Configuration, change: ConfigurationChange) -> Document:
        """Mark it together with the change, so that no crash comes between the two."""
        return {
            "application": change.application,
            "version": change.version,
            "service": change.service,
            "document": encode_json(configuration).decode(),
            "attempt": change.attempt,
            "untoldSince": self._clock.now(),
        }


def _key(service: str, application: ApplicationName, version: AppVersionName | None) -> str:
    """Name a place; an application may be called as another one's version, so both parts are in it."""
    suffix = "" if version is None else version.rpartition("-")[2]
    return f"{service}/{application}/{suffix}"


def _key_of(change: ConfigurationChange) -> str:
    return _key(change.service, change.application, change.version)


def _decoded(text: str) -> Configuration:
    decoded: dict[str, Any] = json.loads(text)
    return decoded
