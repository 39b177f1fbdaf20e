"""Queries of endpoint filters: a safe subset of MongoDB's query syntax, read once and judged in memory.

Fields are those of an endpoint as REST shows it: :data:`FIELDS`, and ``metadata`` with any dotted path below
it. What MongoDB does where it is not obvious holds here too: a missing field equals null; an array matches if
one of its elements does, or the whole of it; paths look into arrays of objects; ``$gt`` and its kin compare
within one type only; ``1`` equals ``1.0`` and neither equals ``true``. Two things differ: the order of an
object's members does not matter, and of the arrays on a path only some elements are looked at: see
:mod:`.holdings`.

Patterns (``$regex``) are left out: none of Python's can be kept from taking hours.
"""

import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from libs.contracts.errors import BadRequestError
from libs.contracts.payload import JsonValue, decode_json
from services.endpoint_register.domain.holdings import KINDS, Values, key_of

MAX_QUERY_BYTES: Final = 8 * 1024
MAX_QUERY_DEPTH: Final = 8
"""Deepest nesting of ``$and``, ``$or``, ``$nor`` and ``$not``."""
MAX_CONDITIONS: Final = 64
"""Comparisons with an array or an object count as many as that has parts."""
MAX_LIST: Final = 256
"""Most values of one ``$in`` or ``$nin``."""

FIELDS: Final = (
    "endpointId",
    "createdDate",
    "appVersion.name",
    "appVersion.registeredDate",
    "metadataUpdatedDate",
)

_METADATA: Final = "metadata"
_SHOWN: Final = 64

Judge: TypeAlias = Callable[[Values], bool]
"""Whether what an endpoint holds fits."""

_ORDERED: Final[Mapping[str, Callable[[Any, Any], bool]]] = {
    "$gt": operator.gt,
    "$gte": operator.ge,
    "$lt": operator.lt,
    "$lte": operator.le,
}
_OF_FIELDS: Final = (*_ORDERED, "$eq", "$ne", "$in", "$nin", "$exists", "$not")
_OF_QUERIES: Final = ("$and", "$or", "$nor")


@dataclass(frozen=True, slots=True)
class Query:
    """A query that was read.

    Attributes:
        text: As it was given.
        judge: What it asks.
        conditions: How many conditions it has.
    """

    text: str
    judge: Judge
    conditions: int

    def matches(self, values: Values) -> bool:
        """Tell whether an endpoint fits; never fails."""
        return self.judge(values)


def parse_query(text: str) -> Query:
    """Read a query.

    Raises:
        BadRequestError: It is no JSON object, it is too large, or it holds what is not known here; the phrase
            says what and where (``mongoQuery: $.$or[1].metadata.model: unknown operator $regex``).
    """
    try:
        payload = text.encode()
    except UnicodeEncodeError:
        raise BadRequestError("mongoQuery: a lone surrogate is no text") from None
    if len(payload) > MAX_QUERY_BYTES:
        raise BadRequestError(f"mongoQuery: {len(payload)} bytes are above the limit of {MAX_QUERY_BYTES}")
    try:
        document = decode_json(payload)
    except BadRequestError as error:
        raise BadRequestError(f"mongoQuery: {error.reason_phrase}") from None
    reader = _Reader()
    judge = reader.query(document, "$", 0)
    return Query(text, judge, reader.conditions)


class _Reader:
    """Reads one query, and counts what it asks."""

    def __init__(self) -> None:
        self.conditions = 0

    def query(self, document: JsonValue, where: str, depth: int) -> Judge:
        if depth > MAX_QUERY_DEPTH:
            raise _refusal(where, f"nested deeper than {MAX_QUERY_DEPTH} levels")
        if not isinstance(document, dict):
            raise _refusal(where, "a query must be an object")
        parts = [
            self._member(name, value, f"{where}.{_glimpse(name)}", depth) for name, value in document.items()
        ]
        return _all_of(parts)

    def _member(self, name: str, value: JsonValue, where: str, depth: int) -> Judge:
        if not name.startswith("$"):
            _check_path(name, where)
            return self._field(name, value, where, depth)
        if name not in _OF_QUERIES:
            raise _refusal(
                where, f"unknown operator {_glimpse(name)}; here are known {', '.join(_OF_QUERIES)}"
            )
        if not isinstance(value, list) or not value:
            raise _refusal(where, f"{name} takes a list of queries that is not empty")
        parts = [self.query(each, f"{where}[{place}]", depth + 1) for place, each in enumerate(value)]
        if name == "$and":
            return _all_of(parts)
        either = _any_of(parts)
        return either if name == "$or" else _not(either)

    def _field(self, path: str, value: JsonValue, where: str, depth: int) -> Judge:
        if isinstance(value, dict) and any(name.startswith("$") for name in value):
            return self._operators(path, value, where, depth)
        self._count(where, value)
        return _one_of(path, [_literal(value, where)])

    def _operators(self, path: str, operators: Mapping[str, JsonValue], where: str, depth: int) -> Judge:
        parts = [
            self._operator(path, name, operand, f"{where}.{_glimpse(name)}", depth)
            for name, operand in operators.items()
        ]
        return _all_of(parts)

    def _operator(self, path: str, name: str, operand: JsonValue, where: str, depth: int) -> Judge:
        if name not in _OF_FIELDS:
            raise _refusal(
                where, f"unknown operator {_glimpse(name)}; here are known {', '.join(_OF_FIELDS)}"
            )
        if name == "$not":
            return self._negation(path, operand, where, depth + 1)
        self._count(where, operand)
        if name in _ORDERED:
            return _compared(path, name, _orderable(name, operand, where))
        if name == "$exists":
            if not isinstance(operand, bool):
                raise _refusal(where, "$exists takes true or false")
            return _exists(path, wanted=operand)
        if name in {"$in", "$nin"}:
            among = _one_of(path, _literals(name, operand, where))
            return among if name == "$in" else _not(among)
        equal = _one_of(path, [_literal(operand, where)])
        return equal if name == "$eq" else _not(equal)

    def _negation(self, path: str, operand: JsonValue, where: str, depth: int) -> Judge:
        if depth > MAX_QUERY_DEPTH:
            raise _refusal(where, f"nested deeper than {MAX_QUERY_DEPTH} levels")
        if not isinstance(operand, dict) or not operand:
            raise _refusal(where, "$not takes an object of operators that is not empty")
        return _not(self._operators(path, operand, where, depth))

    def _count(self, where: str, operand: JsonValue) -> None:
        values = operand if isinstance(operand, list) else [operand]
        self.conditions += max(1, sum(_parts(value) for value in values if isinstance(value, list | dict)))
        if self.conditions > MAX_CONDITIONS:
            raise _refusal(where, f"more than {MAX_CONDITIONS} conditions")


def _all_of(parts: Sequence[Judge]) -> Judge:
    if len(parts) == 1:
        return parts[0]
    return lambda values: all(part(values) for part in parts)


def _any_of(parts: Sequence[Judge]) -> Judge:
    return lambda values: any(part(values) for part in parts)


def _not(part: Judge) -> Judge:
    return lambda values: not part(values)


def _one_of(path: str, wanted: Sequence[JsonValue]) -> Judge:
    plain = frozenset(key_of(value) for value in wanted if not isinstance(value, list | dict))
    compound = [value for value in wanted if isinstance(value, list | dict)]

    def judge(values: Values) -> bool:
        found = values.at(path)
        if not plain.isdisjoint(found.plain):
            return True
        return any(value == each and _equal(value, each) for each in compound for value in found.compound)

    return judge


def _exists(path: str, *, wanted: bool) -> Judge:
    return lambda values: values.at(path).is_there is wanted


def _compared(path: str, name: str, limit: JsonValue) -> Judge:
    kind, holds = KINDS[type(limit)], _ORDERED[name]
    which = 1 if name in {"$gt", "$gte"} else 0  # of the least and the greatest

    def judge(values: Values) -> bool:
        extremes = values.at(path).extremes.get(kind)
        return extremes is not None and holds(extremes[which], limit)

    return judge


def _equal(one: JsonValue, other: JsonValue) -> bool:
    """Compare two values that Python takes for equal: to it ``1`` is ``True``."""
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_equal, one, other))
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_equal(one[name], other[name]) for name in one)
    return KINDS.get(type(one)) == KINDS.get(type(other)) is not None and one == other


def _literals(name: str, operand: JsonValue, where: str) -> list[JsonValue]:
    if not isinstance(operand, list):
        raise _refusal(where, f"{name} takes a list")
    if len(operand) > MAX_LIST:
        raise _refusal(where, f"{len(operand)} values are above the limit of {MAX_LIST}")
    return [_literal(value, f"{where}[{place}]") for place, value in enumerate(operand)]


def _parts(value: JsonValue) -> int:
    """Count an array or an object with all that is in it."""
    inside = value if isinstance(value, list) else value.values() if isinstance(value, dict) else ()
    return 1 + sum(map(_parts, inside))


def _literal(value: JsonValue, where: str) -> JsonValue:
    _check_plain(value, where)
    return value


def _check_plain(value: JsonValue, where: str) -> None:
    """Refuse operators inside a value: MongoDB would take them for names, which nobody means."""
    if isinstance(value, list):
        for place, item in enumerate(value):
            _check_plain(item, f"{where}[{place}]")
    elif isinstance(value, dict):
        for name, item in value.items():
            if name.startswith("$"):
                raise _refusal(f"{where}.{_glimpse(name)}", f"operator {_glimpse(name)} inside a value")
            _check_plain(item, f"{where}.{_glimpse(name)}")


def _orderable(name: str, operand: JsonValue, where: str) -> JsonValue:
    if operand is None or isinstance(operand, dict | list):
        raise _refusal(where, f"{name} takes a number, a text, true or false")
    return operand


def _check_path(path: str, where: str) -> None:
    if path in FIELDS or path == _METADATA:
        return
    root, *steps = path.split(".")
    if root != _METADATA:
        known = ", ".join((*FIELDS, "metadata.<path>"))
        raise _refusal(where, f"unknown field; known are {known}")
    if not all(steps):
        raise _refusal(where, "a part of the path is empty")
    wrong = next((step for step in steps if step.startswith("$")), None)
    if wrong is not None:
        raise _refusal(where, f"operator {_glimpse(wrong)} inside a path")


def _refusal(where: str, problem: str) -> BadRequestError:
    return BadRequestError(f"mongoQuery: {where}: {problem}")


def _glimpse(text: str) -> str:
    short = text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
    return short if short.isascii() and short.isprintable() else ascii(short)
