"""JSON Pointer (RFC 6901), and what it can name in a document."""

import re
from typing import Final

from libs.contracts.errors import BadRequestError, UnprocessableError
from libs.contracts.payload import JsonValue

Pointer = tuple[str, ...]

END: Final = "-"
"""The place after the last element of an array."""

_BAD_ESCAPE: Final = re.compile(r"~(?![01])")
_INDEX: Final = re.compile(r"0|[1-9][0-9]{0,8}")


def parse_pointer(text: str) -> Pointer:
    """Take a pointer apart; the empty one names the whole document.

    Raises:
        BadRequestError: It is no JSON Pointer.
    """
    if text and not text.startswith("/"):
        raise BadRequestError(f"JSON Pointer {text[:64]!a} must be empty or start with a slash")
    if _BAD_ESCAPE.search(text):
        raise BadRequestError(f"JSON Pointer {text[:64]!a} has a ~ that is not ~0 or ~1")
    return tuple(part.replace("~1", "/").replace("~0", "~") for part in text.split("/")[1:])


def child(container: JsonValue, token: str) -> JsonValue:
    """Step from a container to what ``token`` names in it.

    Raises:
        UnprocessableError: There is nothing of that name.
    """
    if isinstance(container, dict):
        if token not in container:
            raise UnprocessableError(f"there is no member {token[:64]!a}")
        return container[token]
    if isinstance(container, list):
        return container[index_in(container, token)]
    raise UnprocessableError(f"{token[:64]!a} is looked for in what is no object and no array")


def index_in(array: list[JsonValue], token: str, *, insert: bool = False) -> int:
    """Read an array index; with ``insert`` it may also be the place after the last element.

    Raises:
        UnprocessableError: It is no index, or outside the array.
    """
    if insert and token == END:
        return len(array)
    if not _INDEX.fullmatch(token):
        raise UnprocessableError(f"{token[:64]!a} is not an array index")
    index = int(token)
    if index >= len(array) + insert:
        raise UnprocessableError(f"array index {index} is beyond its {len(array)} elements")
    return index
