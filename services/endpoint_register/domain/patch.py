"""JSON Patch (RFC 6902) on metadata: all of it or nothing.

Our own and not a library's because what arrives is hostile: nothing published bounds what a patch
can make of a document. Twenty ``copy`` operations double a document twenty times; here copies may
add up to four times the size of the largest metadata, and no value deeper than what may be stored is
copied. The result is judged by :func:`~services.endpoint_register.domain.metadata.check_metadata`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from libs.contracts.errors import BadRequestError, GroveError, PayloadTooLargeError, UnprocessableError
from libs.contracts.payload import MAX_DEPTH, JsonValue, encode_json
from services.endpoint_register.domain.metadata import MAX_BYTES, Metadata
from services.endpoint_register.domain.pointer import Pointer, child, index_in, parse_pointer

MAX_COPIED_BYTES: Final = 4 * MAX_BYTES

_ROOT: Final = ""


@dataclass(frozen=True, slots=True)
class PatchOperation:
    """One step; ``source`` is None unless it moves or copies."""

    op: str
    path: Pointer
    source: Pointer | None = None
    value: JsonValue = None


def parse_patch(document: JsonValue) -> tuple[PatchOperation, ...]:
    """Read a patch; members that RFC 6902 does not know are ignored, as it demands.

    Raises:
        BadRequestError: It is no JSON Patch; the phrase names the operation by position.
    """
    if not isinstance(document, list):
        raise BadRequestError("a JSON Patch is an array of operations")
    return tuple(_parsed(position, step) for position, step in enumerate(document))


def apply_patch(metadata: Metadata, operations: Sequence[PatchOperation]) -> Metadata:
    """Carry out all operations in order; ``metadata`` itself stays as it is.

    Raises:
        UnprocessableError: One cannot be carried out, a ``test`` does not hold, or the result is
            no object; the phrase names the operation by position.
        PayloadTooLargeError: Copies make far more of the document than could be stored.
    """
    patching = _Patching(metadata)
    for position, operation in enumerate(operations):
        try:
            patching.apply(operation)
        except UnprocessableError as error:
            raise UnprocessableError(
                f"operation {position} ({operation.op}): {error.reason_phrase}"
            ) from None
    return patching.result()


class _Patching:
    """A copy of the document, below a root of its own so that the whole can be named too."""

    def __init__(self, metadata: Metadata) -> None:
        self._root: dict[str, JsonValue] = {_ROOT: _copied(dict(metadata))}
        self._copied_bytes = 0

    def apply(self, operation: PatchOperation) -> None:
        _STEPS[operation.op](self, operation)

    def result(self) -> Metadata:
        document = self._root.get(_ROOT)
        if not isinstance(document, dict):
            raise UnprocessableError("metadata must remain a JSON object")
        return document

    def add(self, operation: PatchOperation) -> None:
        self._add(operation.path, _copied(operation.value))

    def remove(self, operation: PatchOperation) -> None:
        self._remove(operation.path)

    def replace(self, operation: PatchOperation) -> None:
        container, token = self._place(operation.path)
        child(container, token)
        if isinstance(container, list):
            container[index_in(container, token)] = _copied(operation.value)
        elif isinstance(container, dict):
            container[token] = _copied(operation.value)

    def move(self, operation: PatchOperation) -> None:
        source = operation.source or ()
        if operation.path[: len(source)] == source and len(operation.path) > len(source):
            raise UnprocessableError("a value cannot be moved into itself")
        self._add(operation.path, self._remove(source))

    def copy(self, operation: PatchOperation) -> None:
        container, token = self._place(operation.source or ())
        value = _copied(child(container, token))
        self._copied_bytes += len(encode_json(value))
        if self._copied_bytes > MAX_COPIED_BYTES:
            raise PayloadTooLargeError(f"the patch copies more than {MAX_COPIED_BYTES} bytes")
        self._add(operation.path, value)

    def test(self, operation: PatchOperation) -> None:
        container, token = self._place(operation.path)
        if not _equal(child(container, token), operation.value):
            raise UnprocessableError("the value is another one")

    def _add(self, path: Pointer, value: JsonValue) -> None:
        container, token = self._place(path)
        if isinstance(container, dict):
            container[token] = value
        elif isinstance(container, list):
            container.insert(index_in(container, token, insert=True), value)
        else:
            raise UnprocessableError("the parent is no object and no array")

    def _remove(self, path: Pointer) -> JsonValue:
        container, token = self._place(path)
        value = child(container, token)
        if isinstance(container, list):
            del container[index_in(container, token)]
        elif isinstance(container, dict):
            del container[token]
        return value

    def _place(self, path: Pointer) -> tuple[JsonValue, str]:
        """Find the container of what ``path`` names, and its name there."""
        *parents, last = (_ROOT, *path)
        container: JsonValue = self._root
        for token in parents:
            container = child(container, token)
        return container, last


_STEPS: Final[Mapping[str, Callable[[_Patching, PatchOperation], None]]] = {
    "add": _Patching.add,
    "remove": _Patching.remove,
    "replace": _Patching.replace,
    "move": _Patching.move,
    "copy": _Patching.copy,
    "test": _Patching.test,
}
_WITH_VALUE: Final = frozenset({"add", "replace", "test"})
_WITH_SOURCE: Final = frozenset({"move", "copy"})


def _parsed(position: int, step: JsonValue) -> PatchOperation:
    where = f"operation {position}"
    if not isinstance(step, dict):
        raise BadRequestError(f"{where} is not an object")
    op = step.get("op")
    if not isinstance(op, str) or op not in _STEPS:
        raise BadRequestError(f"{where}: op must be one of {', '.join(_STEPS)}")
    if op in _WITH_VALUE and "value" not in step:
        raise BadRequestError(f"{where} ({op}): value is missing")
    source = _pointer(step, "from", where) if op in _WITH_SOURCE else None
    return PatchOperation(op, _pointer(step, "path", where), source, step.get("value"))


def _pointer(step: Mapping[str, JsonValue], member: str, where: str) -> Pointer:
    text = step.get(member)
    if not isinstance(text, str):
        raise BadRequestError(f"{where}: {member} must be a JSON Pointer")
    try:
        return parse_pointer(text)
    except GroveError as error:
        raise BadRequestError(f"{where}: {error.reason_phrase}") from None


def _copied(value: JsonValue, depth: int = MAX_DEPTH + 1) -> JsonValue:
    """Copy a value; many moves can nest deeper than any recursion goes, so this stops in time."""
    if not isinstance(value, dict | list):
        return value
    if depth == 0:
        raise UnprocessableError(f"a value is nested deeper than {MAX_DEPTH} levels")
    if isinstance(value, dict):
        return {key: _copied(item, depth - 1) for key, item in value.items()}
    return [_copied(item, depth - 1) for item in value]


def _equal(one: JsonValue, other: JsonValue) -> bool:
    """Compare as RFC 6902 section 4.6 does: numbers by value, so 1 equals 1.0, but not true."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_equal(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_equal, one, other))
    return isinstance(one, bool) is isinstance(other, bool) and one == other
