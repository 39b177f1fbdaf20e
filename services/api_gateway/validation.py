"""Hold a decoded JSON body against its Struct, and find everything that is wrong with it.

msgspec stops at the first problem and lets unknown fields pass; a person correcting a request
wants to hear all of it, and of the typo as well. What this module does not look at (bounds,
patterns) msgspec's own conversion still refuses afterwards.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

import msgspec
from msgspec import inspect

from services.api_gateway.problems import MAX_TOLD, InvalidRequestError, Problem, glimpse, unknown

_KINDS: Mapping[type[inspect.Type], tuple[type, ...]] = {
    inspect.StrType: (str,),
    inspect.IntType: (int,),
    inspect.FloatType: (int, float),
    inspect.BoolType: (bool,),
    inspect.NoneType: (type(None),),
}
_NAMES: Mapping[type, str] = {
    str: "text",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    type(None): "null",
    dict: "an object",
    list: "an array",
}
_PLAIN_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_AT = re.compile(r" - at `(?P<path>\$[^`]*)`$")


def conform(value: object, wanted: Any) -> Any:  # noqa: ANN401 - any type expression in, its value out
    """Turn decoded JSON into the wanted type.

    Raises:
        InvalidRequestError: With every problem found.
    """
    problems = list(islice(_problems(value, inspect.type_info(wanted), "$"), MAX_TOLD + 1))
    if problems:
        raise InvalidRequestError(problems)
    try:
        return msgspec.convert(value, wanted)
    except msgspec.ValidationError as error:
        raise InvalidRequestError([_told_by_msgspec(str(error))]) from None


def choices_of(kind: inspect.Type) -> list[str]:
    """The texts an enumeration or a Literal allows, in their order; none for other types."""
    if isinstance(kind, inspect.EnumType):
        return [str(member.value) for member in kind.cls]
    if isinstance(kind, inspect.LiteralType):
        return [str(choice) for choice in kind.values]
    return []


def one_of(choices: list[str]) -> str:
    """Say what is allowed."""
    return f"must be one of {', '.join(choices)}"


def _problems(value: object, kind: inspect.Type, path: str) -> Iterator[Problem]:
    for container, problems in _CONTAINERS:
        if isinstance(kind, container):
            yield from problems(value, kind, path)
            return
    if choices_of(kind):
        if value not in choices_of(kind):
            yield Problem(path, one_of(choices_of(kind)))
    elif not isinstance(kind, inspect.AnyType):
        accepted = _KINDS[type(kind)]
        if not isinstance(value, accepted) or (isinstance(value, bool) and bool not in accepted):
            yield _mistyped(value, accepted[-1], path)


def _problems_of_union(value: object, kind: inspect.UnionType, path: str) -> Iterator[Problem]:
    """Only unions with null are declared: null passes, all else is held against the other type."""
    others = [each for each in kind.types if not isinstance(each, inspect.NoneType)]
    if value is None and len(others) < len(kind.types):
        return
    if len(others) == 1:
        yield from _problems(value, others[0], path)


def _problems_of_struct(value: object, kind: inspect.StructType, path: str) -> Iterator[Problem]:
    if not isinstance(value, dict):
        yield _mistyped(value, dict, path)
        return
    fields = {each.encode_name: each for each in kind.fields}
    for name, item in value.items():
        if name in fields:
            yield from _problems(item, fields[name].type, step(path, name))
        else:
            yield Problem(step(path, name), unknown(name, fields, what="field"))
    for name, each in fields.items():
        if each.required and name not in value:
            yield Problem(step(path, name), "is missing")


def _problems_of_items(
    value: object, kind: inspect.ListType | inspect.VarTupleType, path: str
) -> Iterator[Problem]:
    if not isinstance(value, list):
        yield _mistyped(value, list, path)
        return
    for position, item in enumerate(value):
        yield from _problems(item, kind.item_type, f"{path}[{position}]")


def _problems_of_values(value: object, kind: inspect.DictType, path: str) -> Iterator[Problem]:
    if not isinstance(value, dict):
        yield _mistyped(value, dict, path)
        return
    for name, item in value.items():
        yield from _problems(item, kind.value_type, step(path, name))


_CONTAINERS: Sequence[tuple[type[inspect.Type], Callable[[object, Any, str], Iterator[Problem]]]] = (
    (inspect.UnionType, _problems_of_union),
    (inspect.StructType, _problems_of_struct),
    (inspect.ListType, _problems_of_items),
    (inspect.VarTupleType, _problems_of_items),
    (inspect.DictType, _problems_of_values),
)


def step(path: str, name: str) -> str:
    """Extend a path by a field, quoted where its name is odd."""
    return f"{path}.{name}" if _PLAIN_KEY.fullmatch(name) else f"{path}[{glimpse(name)}]"


def kind_of(value: object) -> str:
    """Name the JSON type of a value."""
    return _NAMES[type(value)]


def _mistyped(value: object, wanted: type, path: str) -> Problem:
    return Problem(path, f"must be {_NAMES[wanted]}, not {kind_of(value)}")


def _told_by_msgspec(text: str) -> Problem:
    match = _AT.search(text)
    return Problem(match["path"] if match else "$", _AT.sub("", text).replace("`", ""))
