"""The order of endpoints by what no index holds: a key of their metadata, or when they were last heard.

An index on either would cost a write with every message of a device, so they are sorted in memory, at most
:data:`MAX_SORTED` of them. Values of all JSON types have one order, that of MongoDB: null, numbers, texts,
objects, arrays, false, true. Texts compare by code point as far as :data:`MAX_TEXT`; objects equal each
other, and so do arrays: nobody could say which one is larger. Endpoints with equal values follow each other
by id. Descending is the same from the end, but for those that have no value: they are always last.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, TypeAlias

from libs.contracts.errors import BadRequestError
from libs.contracts.ids import EndpointId, check_metadata_key
from libs.contracts.payload import JsonValue

MAX_SORTED: Final = 10_000
"""Endpoints of one list that are sorted in memory."""
MAX_TEXT: Final = 256
"""Characters of a text that are compared: this bounds what is in memory, for a value has up to 256 KiB."""

LAST_SEEN: Final = "lastSeen"

_METADATA: Final = "metadata."

Rank: TypeAlias = tuple[int, Any]
"""Stands for a value: the place of its type, and what compares within that."""


@dataclass(frozen=True, slots=True)
class ValueSort:
    """What a list is sorted by.

    Attributes:
        metadata_key: By which key of the metadata; None = by when the endpoints were last heard.
        descending: From the end.
    """

    metadata_key: str | None
    descending: bool

    @property
    def name(self) -> str:
        """As a request spells it, without the direction."""
        return LAST_SEEN if self.metadata_key is None else f"{_METADATA}{self.metadata_key}"


def parse_value_sort(sort: str | None) -> ValueSort | None:
    """Read ``lastSeen`` or ``metadata.<key>``, with ``-`` for descending; None when it is neither.

    Raises:
        BadRequestError: No endpoint can have such a key.
    """
    name = (sort or "").removeprefix("-")
    descending = name != sort
    if name == LAST_SEEN:
        return ValueSort(None, descending)
    if name.startswith(_METADATA):
        return ValueSort(check_metadata_key(name.removeprefix(_METADATA)), descending)
    return None


def check_sortable(by: ValueSort, *, count: int) -> None:
    """Accept so many endpoints.

    Raises:
        BadRequestError: They are too many.
    """
    if count > MAX_SORTED:
        raise BadRequestError(
            f"{count} endpoints are above the limit of {MAX_SORTED} for sort by {by.name}; "
            "name an application, a version or a filter that has fewer"
        )


def rank_of(value: JsonValue) -> Rank:
    """Give what a value is compared by; it is small, however large the value is."""
    if value is None:
        return (0, 0)
    if isinstance(value, bool):
        return (5, value)
    if isinstance(value, int | float):
        return (1, value)
    if isinstance(value, str):
        return (2, value[:MAX_TEXT])
    return (3, 0) if isinstance(value, dict) else (4, 0)


def rank_of_instant(instant: datetime) -> Rank:
    """Give what an instant is compared by, among instants."""
    return (0, instant)


def in_order(
    endpoint_ids: Iterable[EndpointId], ranks: Mapping[EndpointId, Rank], *, descending: bool
) -> list[EndpointId]:
    """Put endpoints in order; those without a rank come last."""
    by_id = sorted(endpoint_ids, reverse=descending)
    ranked = [endpoint_id for endpoint_id in by_id if endpoint_id in ranks]
    # A sort leaves equals as they are, reversed or not.
    ranked.sort(key=lambda endpoint_id: ranks[endpoint_id], reverse=descending)
    return ranked + [endpoint_id for endpoint_id in by_id if endpoint_id not in ranks]
