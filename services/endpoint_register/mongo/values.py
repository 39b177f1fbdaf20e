"""JSON values as the store keeps them: natively, so that people can read them there.

Keys that MongoDB gives a meaning (``$`` in front, ``.`` inside) are escaped, below the top level,
where metadata keys are plain words anyway: ``%24ref``, ``a%2Eb``. Otherwise ``{"$ref":..,"$id":..}``
would come back as a reference, and a dotted key could not be reached. Nobody above this sees it: filters
are judged in memory.
"""

from collections.abc import Mapping
from typing import Any, Final

_ESCAPES: Final = (("%", "%25"), (".", "%2E"))
_DOLLAR: Final = ("$", "%24")


def to_stored(value: Any) -> Any:  # noqa: ANN401 - any JSON
    """Escape the keys of objects, all the way down."""
    if isinstance(value, dict):
        return {escaped(key): to_stored(item) for key, item in value.items()}
    if isinstance(value, list):
        return [to_stored(item) for item in value]
    return value


def from_stored(value: Any) -> Any:  # noqa: ANN401 - any BSON that was JSON
    """Undo :func:`to_stored`; the driver's own integers become plain ones."""
    if isinstance(value, dict):
        return {unescaped(key): from_stored(item) for key, item in value.items()}
    if isinstance(value, list):
        return [from_stored(item) for item in value]
    if isinstance(value, int) and not isinstance(value, bool):
        return int(value)
    return value


def metadata_to_stored(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Turn metadata into a document."""
    return {key: to_stored(value) for key, value in metadata.items()}


def metadata_from_stored(document: Mapping[str, Any]) -> dict[str, Any]:
    """Turn a document into metadata."""
    return {key: from_stored(value) for key, value in document.items()}


def escaped(key: str) -> str:
    """Spell a key so that it means nothing to MongoDB."""
    for plain, spelled in _ESCAPES:
        if plain in key:
            key = key.replace(plain, spelled)
    return _DOLLAR[1] + key[1:] if key.startswith(_DOLLAR[0]) else key


def unescaped(key: str) -> str:
    """Undo :func:`escaped`; the percent sign comes last, it is in all of them."""
    if "%" not in key:
        return key
    key = key.replace(_DOLLAR[1], _DOLLAR[0])
    for plain, spelled in reversed(_ESCAPES):
        key = key.replace(spelled, plain)
    return key
