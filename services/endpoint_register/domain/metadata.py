"""Metadata of an endpoint: what it may hold, how it changes, and what a change was.

Pure functions from one document to the next; nothing is changed in place. A change is judged by what
JSON can tell apart: ``1`` and ``1.0`` and ``true`` are three values, the order of an object's members
is not.
"""

from collections.abc import Callable, Collection, Mapping
from typing import TypeAlias

from libs.contracts.errors import PayloadTooLargeError
from libs.contracts.ids import check_metadata_key
from libs.contracts.kp1 import MAX_PAYLOAD_BYTES
from libs.contracts.lifecycle import MetadataKeyUpdated
from libs.contracts.payload import JsonValue, check_value, encode_json

Metadata: TypeAlias = Mapping[str, JsonValue]

MAX_BYTES = MAX_PAYLOAD_BYTES
"""Largest metadata of an endpoint, as compact JSON."""
MAX_KEYS = 1000

_KEYS_SHOWN = 5


class Difference:
    """What became of the keys; values as JSON text, JSON null as None (Kaa 15/EME)."""

    __slots__ = ("added", "removed", "updated")

    def __init__(self, old: Metadata, new: Metadata) -> None:
        self.removed = {key: json_text(value) for key, value in old.items() if key not in new}
        self.added = {key: json_text(value) for key, value in new.items() if key not in old}
        self.updated = {
            key: MetadataKeyUpdated(new_value=json_text(value), old_value=json_text(old[key]))
            for key, value in new.items()
            # Most values are the very same object: a merge of one key must not cost a thousand comparisons.
            if key in old and old[key] is not value and not same_value(old[key], value)
        }

    def __bool__(self) -> bool:
        """Whether anything changed."""
        return bool(self.removed or self.added or self.updated)


def check_metadata(new: Metadata, *, old: Metadata | None = None) -> None:
    """Accept metadata that replaces ``old``; what was there already is not judged again.

    Raises:
        BadRequestError: A key is not ``^[a-zA-Z0-9_]+$``, or a value may not be stored.
        PayloadTooLargeError: More than 1,000 keys or 256 KiB.
    """
    if len(new) > MAX_KEYS:
        raise PayloadTooLargeError(f"metadata would have {len(new)} keys, the limit is {MAX_KEYS}")
    known = old or {}
    for key, value in new.items():
        if key not in known:
            check_metadata_key(key)
        if key not in known or known[key] is not value:
            check_value({key: value})
    size = len(encode_json(new))
    if size > MAX_BYTES:
        raise PayloadTooLargeError(f"metadata would have {size} bytes, the limit is {MAX_BYTES} bytes")


def replaced(old: Metadata, new: Metadata, *, is_writable: Callable[[str], bool]) -> Metadata:
    """Give ``new`` and whatever of ``old`` the writer may not touch."""
    kept = {key: value for key, value in old.items() if not is_writable(key)}
    return {**kept, **new}


def merged(old: Metadata, changes: Metadata) -> Metadata:
    """Set the keys of ``changes``, each with its whole value."""
    return {**old, **changes}


def without(old: Metadata, keys: Collection[str]) -> Metadata:
    """Leave keys out; those that are not there do not matter."""
    return {key: value for key, value in old.items() if key not in keys}


def selected(metadata: Metadata, keys: Collection[str]) -> Metadata:
    """Keep only these keys; those that are not there are left out."""
    return {key: metadata[key] for key in dict.fromkeys(keys) if key in metadata}


def same_value(one: JsonValue, other: JsonValue) -> bool:
    """Whether two values are the same in everything JSON can express."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same_value(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same_value, one, other))
    return type(one) is type(other) and one == other


def json_text(value: JsonValue) -> str | None:
    """Spell a value as events do."""
    return None if value is None else encode_json(value).decode()


def named(keys: Collection[str]) -> str:
    """Name some keys in a sentence, however many there are."""
    shown = ", ".join(sorted(keys)[:_KEYS_SHOWN])
    return shown if len(keys) <= _KEYS_SHOWN else f"{shown} and {len(keys) - _KEYS_SHOWN} more"
