"""Relations: one document each, whose id says all of it, so that the same one is never there twice."""

from collections.abc import Mapping
from typing import Any, Final

from libs.contracts.ids import ApplicationName, EndpointId
from libs.store import DuplicateError, Index, Store, store_errors
from services.endpoint_register.domain.relation import End, Relation

_SIDES: Final = ("source", "target")
_INDEXES: Final = tuple(Index(name=side, keys=[(side, 1)]) for side in _SIDES)


class MongoRelationRepository:
    """The collection ``relations``."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._collection = store.collection("relations")

    async def prepare(self) -> None:
        """Create the indexes."""
        await self._store.ensure(self._collection, _INDEXES)

    async def add(self, relation: Relation) -> bool:
        """Store a relation; False when it is there."""
        source, target = relation.source, relation.target
        document = {
            "_id": _id(relation),
            "kind": relation.kind,
            "source": source.endpoint_id,
            "sourceIncarnation": source.incarnation,
            "sourceApplication": source.application,
            "target": target.endpoint_id,
            "targetIncarnation": target.incarnation,
            "targetApplication": target.application,
        }
        try:
            with store_errors():
                await self._collection.insert_one(document)
        except DuplicateError:
            return False
        return True

    async def of(self, end: End) -> list[Relation]:
        """Relations at either end of which this life of an endpoint is."""
        found: list[Relation] = []
        for side in _SIDES:
            with store_errors():
                documents = await self._collection.find({side: end.endpoint_id}).to_list()
            found += [
                _from_document(each) for each in documents if each[f"{side}Incarnation"] == end.incarnation
            ]
        return found

    async def count(self, end: End) -> int:
        """How many there are at most, those of earlier lives that nobody has dropped included."""
        with store_errors():
            return sum([await self._collection.count_documents({side: end.endpoint_id}) for side in _SIDES])

    async def remove(self, relation: Relation) -> None:
        """Drop a relation, if it is there."""
        with store_errors():
            await self._collection.delete_one({"_id": _id(relation)})

    async def forget(self, end: End) -> None:
        """Drop all relations of this life of an endpoint."""
        for side in _SIDES:
            with store_errors():
                await self._collection.delete_many(
                    {side: end.endpoint_id, f"{side}Incarnation": end.incarnation}
                )


def _id(relation: Relation) -> str:
    source, target = relation.source, relation.target
    ids = f"{source.endpoint_id}/{target.endpoint_id}"
    return f"{relation.kind}/{ids}/{source.incarnation}/{target.incarnation}"


def _from_document(document: Mapping[str, Any]) -> Relation:
    source, target = (
        End(
            endpoint_id=EndpointId(document[side]),
            incarnation=document[f"{side}Incarnation"],
            application=ApplicationName(document[f"{side}Application"]),
        )
        for side in _SIDES
    )
    return Relation(kind=document["kind"], source=source, target=target)
