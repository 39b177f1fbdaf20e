"""What an endpoint holds, as queries look for it: by paths that lead into objects and arrays.

Where a path leads is MongoDB's rule, with one bound: of the arrays on the way only the first
:data:`MAX_ELEMENTS` elements are looked at. What is found is sorted at once, so an endpoint with long arrays
holds nobody up, however many filters there are.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from libs.contracts.payload import JsonValue

MAX_ELEMENTS: Final = 256
"""Elements of arrays that are looked at for one path, all of them together."""

KINDS: Final[Mapping[type, str]] = {
    type(None): "null",
    bool: "boolean",
    str: "text",
    int: "number",
    float: "number",
}
"""What may be compared with each other."""

_MISSING: Final[Any] = object()


def key_of(value: Any) -> tuple[str, Any]:  # noqa: ANN401 - any JSON but arrays and objects, or what is missing
    """Turn a value into what equals exactly its equals; what is missing is null."""
    return ("null", None) if value is _MISSING else (KINDS[type(value)], value)


class Values:
    """What one endpoint holds, found once for each path however many filters ask for it."""

    __slots__ = ("_found", "_root")

    def __init__(self, document: dict[str, JsonValue]) -> None:
        self._root = _Place([document], [], left=MAX_ELEMENTS)
        self._found: dict[str, Found] = {}

    def at(self, path: str) -> "Found":
        """What there is to compare with at a path."""
        found = self._found.get(path)
        if found is None:
            place = self._root
            for step in path.split("."):
                if place.is_nowhere():
                    break
                place = place.below(step)
            found = self._found[path] = Found(place.ends())
        return found


class _Place:
    """Where a path has come to: at one value, or at several where it leads through arrays.

    Paths that begin alike go that far together. Only so many elements of arrays are looked at on the way, and
    what is missing is there once, so neither long arrays nor many filters cost much. What an index led to is
    kept apart: MongoDB does not look into an array there, nor miss anything below a value that is none.
    """

    __slots__ = ("_below", "_indexed", "_left", "_named")

    def __init__(self, named: Sequence[Any], indexed: Sequence[JsonValue], *, left: int) -> None:
        self._named = named
        self._indexed = indexed
        self._left = left
        self._below: dict[str, _Place] = {}

    def below(self, step: str) -> "_Place":
        """Go on: into an object, into each object of an array, and into an array by index."""
        place = self._below.get(step)
        if place is None:
            place = self._below[step] = self._go(step)
        return place

    def is_nowhere(self) -> bool:
        """Tell whether there is nothing, however far a path goes on."""
        return self._named == [_MISSING] and not self._indexed

    def ends(self) -> Iterator[Any]:
        """Yield what there is for a path that ends here: of an array each element, and the whole."""
        left = self._left
        for value in self._named:
            if isinstance(value, list):
                seen = value[:left]
                left -= len(seen)
                yield from seen
            yield value
        yield from self._indexed

    def _go(self, step: str) -> "_Place":
        named: list[Any] = []
        indexed: list[JsonValue] = []
        left, position = self._left, _position(step)
        for value in (*self._named, *self._indexed):
            if isinstance(value, list):
                if position is not None and position < len(value):
                    indexed.append(value[position])
                seen = value[:left]
                left -= len(seen)
                named += [each.get(step, _MISSING) for each in seen if isinstance(each, dict)]
            elif isinstance(value, dict):
                named.append(value.get(step, _MISSING))
        there = [value for value in named if value is not _MISSING]
        if len(there) < len(named) or not all(isinstance(value, list | dict) for value in self._named):
            there.append(_MISSING)
        return _Place(there, indexed, left=left)


class Found:
    """What is at a path, sorted so that each condition costs the same however much that is.

    Attributes:
        plain: All values but arrays and objects, as :func:`key_of` spells them.
        compound: Arrays and objects.
        extremes: The least and the greatest value of each kind.
        is_there: Whether there is anything.
    """

    __slots__ = ("compound", "extremes", "is_there", "plain")

    def __init__(self, ends: Iterable[Any]) -> None:
        values = list(ends)
        self.is_there = any(value is not _MISSING for value in values)
        self.compound = [value for value in values if isinstance(value, list | dict)]
        self.plain = {key_of(value) for value in values if not isinstance(value, list | dict)}
        self.extremes: dict[str, tuple[Any, Any]] = {}
        for kind, value in self.plain:
            least, greatest = self.extremes.get(kind, (value, value))
            if value is not None:
                self.extremes[kind] = (min(least, value), max(greatest, value))


def _position(step: str) -> int | None:
    """Read an index of an array; MongoDB takes no leading zeros."""
    is_index = step.isascii() and step.isdigit() and (step == "0" or step[0] != "0")
    return int(step) if is_index and len(step) < len(str(MAX_ELEMENTS)) + 3 else None
