"""Indexes as code: declared beside the queries that need them, created when a service starts.

Creating is idempotent and safe from many replicas at once. An index that exists under other terms
stops the start: silently living with it would turn a unique index into a hope.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from pymongo import IndexModel, errors
from pymongo.asynchronous.collection import AsyncCollection

from libs.contracts.errors import StartRefusedError
from libs.store.failures import store_errors

_CONFLICT_CODES: Final = frozenset({85, 86})
_DUPLICATE_CODE: Final = 11000


class IndexConflictError(StartRefusedError):
    """What the collection holds contradicts a declared index; a person has to decide which is right."""


@dataclass(frozen=True, kw_only=True)
class Index:
    """One index.

    Attributes:
        name: Ours, never generated: it identifies the index when its definition changes.
        keys: Field and direction (1 or -1), in order.
        unique: No two documents with the same values; absent fields count as null.
        partial: Filter; only documents that match are in the index (and bound by `unique`).
    """

    name: str
    keys: Sequence[tuple[str, int]]
    unique: bool = False
    partial: Mapping[str, Any] = field(default_factory=dict)

    def model(self) -> IndexModel:
        """The same, in the driver's form."""
        options: dict[str, Any] = {"name": self.name, "unique": self.unique}
        if self.partial:
            options["partialFilterExpression"] = dict(self.partial)
        return IndexModel(list(self.keys), **options)


async def ensure_indexes(collection: AsyncCollection[dict[str, Any]], indexes: Sequence[Index]) -> None:
    """Create the indexes that do not exist yet.

    Raises:
        IndexConflictError: One exists under the same name or with the same keys, but differs; or
            documents that are there already violate a unique one.
        UnavailableError: The store cannot be reached.
    """
    for index in indexes:
        await _ensure(collection, index)


async def _ensure(collection: AsyncCollection[dict[str, Any]], index: Index) -> None:
    with store_errors():
        try:
            await collection.create_indexes([index.model()])
        except errors.OperationFailure as error:
            where = f"index {index.name!r} of {collection.full_name}"
            if error.code in _CONFLICT_CODES:
                raise IndexConflictError(
                    f"{where} exists with other keys or options; drop it or rename ours"
                ) from error
            if error.code == _DUPLICATE_CODE:
                raise IndexConflictError(
                    f"{where} cannot be unique: some documents have equal keys"
                ) from error
            raise
