"""Applications: one document each, with its versions, changed by compare-and-set on ``revision``."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from libs.contracts.ids import ApplicationName, AppVersionName
from libs.contracts.instants import iso_ms
from libs.store import Document, DuplicateError, Index, Store, earlier_than, store_errors
from services.endpoint_register.domain.application import (
    Application,
    AppVersion,
    Described,
    Lifecycle,
    Place,
)
from services.endpoint_register.ports import Clock

_INDEXES: Final = (
    Index(name="unfinished", keys=[("unfinishedSince", 1)]),
    Index(name="untold", keys=[("untoldSince", 1)]),
)


class MongoApplicationRepository:
    """The collection ``applications``."""

    def __init__(self, store: Store, *, clock: Clock) -> None:
        self._clock = clock
        self._store = store
        self._collection = store.collection("applications")

    async def prepare(self) -> None:
        """Create the indexes."""
        await self._store.ensure(self._collection, _INDEXES)

    async def add(self, application: Application) -> bool:
        """Store a new application; False when its name is taken by another attempt."""
        try:
            with store_errors():
                await self._collection.insert_one({"_id": application.name, **self._untold(application)})
        except DuplicateError:
            # It is ours when the driver repeated an insert whose answer got lost.
            found = await self.find(application.name)
            return found is not None and found.attempt == application.attempt
        return True

    async def find(self, name: ApplicationName) -> Application | None:
        """The application of this name."""
        with store_errors():
            document = await self._collection.find_one({"_id": name})
        return None if document is None else _from_document(document)

    async def all(self, names: Sequence[str] | None) -> list[Application]:
        """All of them, or those of these names, oldest first."""
        return await self._matching({} if names is None else {"_id": {"$in": list(names)}})

    async def places(self, names: Sequence[str] | None) -> list[Place]:
        """The places of all of them, or of those of these names, in order."""
        query = {} if names is None else {"_id": {"$in": list(names)}}
        with store_errors():
            documents = await self._collection.find(query, {"createdDate": 1}).to_list()
        return sorted(
            Place(iso_ms(document["createdDate"]), ApplicationName(document["_id"])) for document in documents
        )

    async def replace(self, before: Application, after: Application) -> bool:
        """Store ``after`` if the application still is ``before``."""
        with store_errors():
            result = await self._collection.update_one(
                {"_id": before.name, "revision": before.revision, "attempt": before.attempt},
                {"$set": self._untold(after)},
            )
        return result.matched_count == 1

    async def remove(self, application: Application) -> None:
        """Drop the application if it still is this one."""
        with store_errors():
            await self._collection.delete_one({"_id": application.name, "attempt": application.attempt})

    async def unfinished(self, *, before: datetime) -> list[Application]:
        """Applications in which something has been on its way out since then."""
        return await self._matching({"unfinishedSince": earlier_than(before)})

    async def untold(self, *, before: datetime) -> list[Application]:
        """Applications that changed before then, and of which nobody may have been told."""
        return await self._matching({"untoldSince": earlier_than(before)})

    async def forget_told(self, application: Application) -> None:
        """Note that everybody was told of the application as it is here; a later change stays untold."""
        same = {"_id": application.name, "revision": application.revision, "attempt": application.attempt}
        with store_errors():
            await self._collection.update_one(same, {"$unset": {"untoldSince": ""}})

    def _untold(self, application: Application) -> Document:
        """Mark it together with the change, so that no crash comes between the two."""
        return {**_to_document(application), "untoldSince": self._clock.now()}

    async def _matching(self, query: Mapping[str, Any]) -> list[Application]:
        with store_errors():
            documents = await self._collection.find(query).to_list()
        found = [_from_document(document) for document in documents]
        return sorted(found, key=lambda application: (application.shown.created_at, application.name))


def _to_document(application: Application) -> Document:
    return {
        **_shown_to_document(application.shown),
        "attempt": application.attempt,
        "lifecycle": application.lifecycle.value,
        "unfinishedSince": application.unfinished_since,
        "revision": application.revision,
        "versions": [
            {
                "name": version.name,
                **_shown_to_document(version.shown),
                "attempt": version.attempt,
                "lifecycle": version.lifecycle.value,
            }
            for version in application.versions.values()
        ],
    }


def _shown_to_document(shown: Described) -> Document:
    return {
        "displayName": shown.display_name,
        "description": shown.description,
        "createdDate": shown.created_at,
        "updatedDate": shown.updated_at,
    }


def _from_document(document: Mapping[str, Any]) -> Application:
    versions = [_version(entry) for entry in document["versions"]]
    return Application(
        name=ApplicationName(document["_id"]),
        shown=_shown(document),
        attempt=document["attempt"],
        lifecycle=Lifecycle(document["lifecycle"]),
        unfinished_since=document["unfinishedSince"],
        revision=document["revision"],
        versions={version.suffix: version for version in versions},
    )


def _version(entry: Mapping[str, Any]) -> AppVersion:
    return AppVersion(
        name=AppVersionName(entry["name"]),
        shown=_shown(entry),
        attempt=entry["attempt"],
        lifecycle=Lifecycle(entry["lifecycle"]),
    )


def _shown(entry: Mapping[str, Any]) -> Described:
    return Described(
        display_name=entry["displayName"],
        description=entry["description"],
        created_at=entry["createdDate"],
        updated_at=entry["updatedDate"],
    )
