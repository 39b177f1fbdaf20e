"""Computed hours and marks of hours to be computed: ``rollups`` and ``marks``.

``e`` is the endpoint, ``h`` the start of the hour. A rollup has ``c``, how its points were extracted, ``w``
the whole hour and ``m`` its minutes as JSON text; a mark has ``s``, its stamp, and ``d``, when it is due.
Marks are only ever inserted: the embedded store takes six times as long for an upsert (*m* 1.6 ms). Claiming
a mark puts its due time off: whoever claims must be done by then. The driver gives out a kind of int of its
own, which nobody else encodes, so none of them leaves this file.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec
from pymongo import DeleteOne

from libs.contracts.ids import application_of
from libs.store import Document, Index, Store, store_errors
from services.data_collection.domain.rollups import Columns, Mark, Rollup, Tally

_ROLLUP_INDEXES: Final = (Index(name="endpoint-hour", keys=[("e", 1), ("h", 1)]),)
_MARK_INDEXES: Final = (
    Index(name="endpoint-hour", keys=[("e", 1), ("h", 1)]),
    Index(name="due", keys=[("d", 1)]),
)

_whole = msgspec.json.Decoder(dict[str, dict[str, list[Any]]])
_minutes = msgspec.json.Decoder(dict[int, dict[str, dict[str, list[Any]]]])


class MongoRollupRepository:
    """The collections ``rollups`` and ``marks``."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._rollups = store.collection("rollups")
        self._marks = store.collection("marks")

    async def prepare(self) -> None:
        """Create the indexes."""
        await self._store.ensure(self._rollups, _ROLLUP_INDEXES)
        await self._store.ensure(self._marks, _MARK_INDEXES)

    async def mark(self, marks: Sequence[Mark]) -> None:
        """Mark hours."""
        documents = [
            {
                "_id": f"{_key(each.endpoint_id, each.hour_ms)}/{each.stamp}",
                "e": each.endpoint_id,
                "h": each.hour_ms,
                "s": each.stamp,
                "d": each.due_ms,
            }
            for each in marks
        ]
        if documents:
            with store_errors():
                await self._marks.insert_many(documents, ordered=False)

    async def due(self, from_ms: int, to_ms: int, *, limit: int) -> list[Mark]:
        """Some marks whose time comes in ``from_ms <= time < to_ms``."""
        with store_errors():
            documents = await self._marks.find({"d": {"$gte": from_ms, "$lt": to_ms}}, limit=limit).to_list()
        return [Mark(each["e"], int(each["h"]), each["s"], int(each["d"])) for each in documents]

    async def claim(self, mark: Mark, *, until_ms: int) -> bool:
        """Put its due time off, if it still is this one."""
        same = {"_id": f"{_key(mark.endpoint_id, mark.hour_ms)}/{mark.stamp}", "d": mark.due_ms}
        with store_errors():
            result = await self._marks.update_one(same, {"$set": {"d": until_ms}})
        return result.matched_count == 1

    async def settle(self, mark: Mark, *, now_ms: int) -> None:
        """Remove this mark, and those of its hour that were due."""
        own = f"{_key(mark.endpoint_id, mark.hour_ms)}/{mark.stamp}"
        # By two conditions: with a third the embedded store reads all marks of the endpoint.
        of_hour = {"e": mark.endpoint_id, "h": mark.hour_ms}
        with store_errors():
            found = await self._marks.find(of_hour, {"d": 1}).to_list()
            others = [
                DeleteOne({"_id": each["_id"], "d": each["d"]}) for each in found if each["d"] <= now_ms
            ]
            await self._marks.bulk_write([*others, DeleteOne({"_id": own})], ordered=False)

    async def marked(self, endpoint_id: str, from_ms: int, to_ms: int, *, limit: int) -> set[int] | None:
        """Starts of marked hours, if there are not too many."""
        query = {"e": endpoint_id, "h": {"$gte": from_ms, "$lt": to_ms}}
        with store_errors():
            documents = await self._marks.find(query, {"h": 1}, limit=limit + 1).to_list()
        return None if len(documents) > limit else {int(each["h"]) for each in documents}

    async def put(self, rollup: Rollup) -> None:
        """Store a computed hour in place of what was there."""
        fields = {
            "e": rollup.endpoint_id,
            "h": rollup.hour_ms,
            "c": msgspec.json.encode(rollup.configured).decode(),
            "w": msgspec.json.encode(_rows(rollup.whole)).decode(),
            "m": msgspec.json.encode({at: _rows(each) for at, each in rollup.minutes.items()}).decode(),
        }
        key = {"_id": _key(rollup.endpoint_id, rollup.hour_ms)}
        with store_errors():
            await self._rollups.update_one(key, {"$set": fields}, upsert=True)

    async def drop(self, endpoint_id: str, hour_ms: int) -> None:
        """Remove a computed hour."""
        with store_errors():
            await self._rollups.delete_one({"_id": _key(endpoint_id, hour_ms)})

    async def drop_older(self, endpoint_id: str, before_ms: int, *, application: str, limit: int) -> int:
        """Remove the oldest computed hours."""
        from_ms, gone = 0, 0
        while (size := limit - gone) > 0:
            query = {"e": endpoint_id, "h": {"$gte": from_ms, "$lt": before_ms}}
            with store_errors():
                page = await self._rollups.find(
                    query, {"h": 1, "c": 1}, sort=[("h", 1)], limit=size
                ).to_list()
                # Its id may have been given again, in an application that keeps samples for longer.
                those = [each for each in page if _is_of(each, application)]
                if those:
                    await self._rollups.bulk_write(
                        [DeleteOne({"_id": each["_id"], "c": each["c"]}) for each in those], ordered=False
                    )
            gone += len(those)  # others may have deleted some of them meanwhile
            if len(page) < size:
                break
            from_ms = page[-1]["h"] + 1
        return gone

    async def hours(
        self, endpoint_id: str, from_ms: int, to_ms: int, *, minutes: bool, limit: int, newest_first: bool
    ) -> list[Rollup]:
        """Computed hours, in order."""
        query = {"e": endpoint_id, "h": {"$gte": from_ms, "$lt": to_ms}}
        fields = {"e": 1, "h": 1, "c": 1, ("m" if minutes else "w"): 1}
        way = -1 if newest_first else 1
        with store_errors():
            documents = await self._rollups.find(query, fields, sort=[("h", way)], limit=limit).to_list()
        return [_rollup(each) for each in documents]

    async def forget(self, endpoint_id: str, *, limit: int) -> int:
        """Drop hours and marks of an endpoint."""
        gone = 0
        for collection in (self._marks, self._rollups):
            with store_errors():
                found = await collection.find({"e": endpoint_id}, {"h": 1}, limit=limit).to_list()
                if found:
                    hours = {
                        "$gte": min(each["h"] for each in found),
                        "$lte": max(each["h"] for each in found),
                    }
                    result = await collection.delete_many({"e": endpoint_id, "h": hours})
                    gone += result.deleted_count
        return gone


def _is_of(document: Document, application: str) -> bool:
    versions = msgspec.json.decode(document["c"], type=dict[str, str])
    return any(application_of(version) == application for version in versions)


def _key(endpoint_id: str, hour_ms: int) -> str:
    return f"{endpoint_id}/{hour_ms}"


def _rows(columns: Columns) -> dict[str, dict[str, list[Any]]]:
    return {series: {name: tally.row() for name, tally in each.items()} for series, each in columns.items()}


def _columns(rows: Mapping[str, Mapping[str, list[Any]]]) -> Columns:
    return {series: {name: Tally(*row) for name, row in each.items()} for series, each in rows.items()}


def _rollup(document: Document) -> Rollup:
    minutes = _minutes.decode(document["m"]) if "m" in document else {}
    return Rollup(
        endpoint_id=document["e"],
        hour_ms=int(document["h"]),
        configured=msgspec.json.decode(document["c"], type=dict[str, str]),
        whole=_columns(_whole.decode(document["w"])) if "w" in document else {},
        minutes={at: _columns(each) for at, each in minutes.items()},
    )
