"""Turn an HTTP request into the request Struct its route names, or say everything that is wrong."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

import msgspec
from msgspec import inspect

from libs.contracts.errors import BadRequestError
from libs.contracts.messages import ManagementRequest, Request
from libs.contracts.payload import decode_json
from services.api_gateway.problems import InvalidRequestError, Problem, unknown
from services.api_gateway.routes import Parameter, Place, Route
from services.api_gateway.usecases import Caller
from services.api_gateway.validation import choices_of, conform, kind_of, one_of

_MAX_QUERY_PARAMETERS = 1000
_WHOLE_NUMBER = re.compile(r"-?[0-9]{1,15}")
_BOOLEANS = {"true": True, "false": False}
_FAULT = re.compile(
    r"(?P<path>\$(?:\.\w+|\.'(?:[^'\\]|\\.)*'|\.\"(?:[^\"\\]|\\.)*\"|\[\d+\])*): (?P<what>.*)"
)


@dataclass(frozen=True, slots=True)
class Incoming:
    """The parts of an HTTP request that a route may read.

    Attributes:
        values: Placeholders of the path, decoded.
        query: The query string as it was sent.
        headers: Header values by their name in the table; absent ones are left out.
        body: All of the body; empty when the route has none.
    """

    values: Mapping[str, str]
    query: str
    headers: Mapping[str, str]
    body: bytes


def bind(route: Route, incoming: Incoming, *, caller: Caller) -> Request:
    """Build the request that the owner is asked.

    Raises:
        InvalidRequestError: Something is wrong; all of it is told.
    """
    problems: list[Problem] = []
    given = _given(route, incoming, problems)
    fields: dict[str, Any] = {}
    for parameter in route.parameters:
        if parameter.name in given[parameter.place]:
            _bind_one(parameter, given[parameter.place][parameter.name], fields, problems)
        elif parameter.required:
            problems.append(Problem(f"{parameter.place.value}.{parameter.name}", "is missing"))
    if route.has_body and route.table is None:
        _bind_body(route, incoming.body, fields, problems)
    if problems:
        raise InvalidRequestError(problems)
    fields |= dict.fromkeys(route.from_caller, caller.secret)
    if issubclass(route.operation.request, ManagementRequest):
        fields["applications"] = caller.api_key.applications
    message: Request = route.operation.request(**fields)
    return message


def ignored_parameters(route: Route, query: str) -> list[str]:
    """Names of the query parameters that were accepted without effect."""
    if not route.ignored or not query:
        return []
    return sorted({name for name, _ in _pairs(query, []) if name in route.ignored})


Given = Mapping[Place, Mapping[str, Sequence[str]]]


def _given(route: Route, incoming: Incoming, problems: list[Problem]) -> Given:
    known = {parameter.name for parameter in route.parameters_in(Place.QUERY)}
    query: dict[str, list[str]] = {}
    for name, value in _pairs(incoming.query, problems):
        if name in known:
            query.setdefault(name, []).append(value)
        elif name not in route.ignored:
            place = f"query.{name}" if name.isascii() and name.isprintable() else f"query[{name!a}]"
            problems.append(Problem(place, unknown(name, [*known, *route.ignored], what="parameter")))
    return {
        Place.PATH: {name: [value] for name, value in incoming.values.items()},
        Place.QUERY: query,
        Place.HEADER: {name: [value] for name, value in incoming.headers.items()},
    }


def _pairs(query: str, problems: list[Problem]) -> list[tuple[str, str]]:
    try:
        pairs = parse_qsl(
            query.encode("ascii").decode(),
            keep_blank_values=True,
            errors="strict",
            max_num_fields=_MAX_QUERY_PARAMETERS,
        )
    except UnicodeError:
        problems.append(Problem("query", "is not percent-encoded UTF-8"))
    except ValueError:
        problems.append(Problem("query", f"has more than {_MAX_QUERY_PARAMETERS} parameters"))
    else:
        return pairs
    return []


def _bind_one(
    parameter: Parameter, texts: Sequence[str], fields: dict[str, Any], problems: list[Problem]
) -> None:
    try:
        fields[parameter.attribute] = _converted(parameter, texts)
    except ValueError as error:
        problems.append(Problem(f"{parameter.place.value}.{parameter.name}", str(error)))


def _converted(parameter: Parameter, texts: Sequence[str]) -> Any:  # noqa: ANN401 - of the parameter's type
    kind = _without_null(inspect.type_info(parameter.type))
    if any(not text.isascii() and _unencodable(text) for text in texts):
        raise ValueError("is not UTF-8")
    if isinstance(kind, inspect.VarTupleType):
        return _converted_list(kind, texts)
    if len(texts) > 1:
        raise ValueError("is given more than once")
    if not texts[0].strip():
        raise ValueError("has no value")
    return _converted_text(texts[0], kind, parameter)


def _converted_list(kind: inspect.VarTupleType, texts: Sequence[str]) -> tuple[Any, ...]:
    """Several values, separated by commas or in parameters of the same name; spaces do not count."""
    parts = dict.fromkeys(part for text in texts for part in map(str.strip, text.split(",")) if part)
    if not parts:
        raise ValueError("has no value")
    choices = choices_of(kind.item_type)
    if choices and not parts.keys() <= set(choices):
        raise ValueError(one_of(choices))
    if isinstance(kind.item_type, inspect.EnumType):
        return tuple(kind.item_type.cls(part) for part in parts)
    return tuple(parts)


def _converted_text(text: str, kind: inspect.Type, parameter: Parameter) -> Any:  # noqa: ANN401 - as above
    choices = choices_of(kind)
    if choices and text not in choices:
        raise ValueError(one_of(choices))
    if isinstance(kind, inspect.BoolType):
        if text.lower() not in _BOOLEANS:
            raise ValueError(one_of(list(_BOOLEANS)))
        return _BOOLEANS[text.lower()]
    if isinstance(kind, inspect.IntType):
        return _converted_number(text, kind)
    return msgspec.convert(text, parameter.type)


def _converted_number(text: str, kind: inspect.IntType) -> int:
    if not _WHOLE_NUMBER.fullmatch(text):
        raise ValueError("must be a whole number")
    number = int(text)
    if kind.ge is not None and number < kind.ge:
        raise ValueError(f"must be at least {kind.ge}")
    if kind.le is not None and number > kind.le:
        raise ValueError(f"must be at most {kind.le}")
    return number


def _bind_body(route: Route, body: bytes, fields: dict[str, Any], problems: list[Problem]) -> None:
    if not body.strip():
        problems.append(Problem("$", "the body is empty, it must be JSON"))
        return
    try:
        value = decode_json(body, max_bytes=route.max_body_bytes)
        if route.document is None:
            fields["body"] = conform(value, route.body_type)
        elif isinstance(value, route.document.kind):
            fields["payload"] = body
        else:
            wanted = kind_of(route.document.kind())
            problems.append(Problem("$", f"must be {wanted}, not {kind_of(value)}"))
    except InvalidRequestError as error:
        problems.extend(error.problems)
    except BadRequestError as error:
        problems.append(next(_faults(error.reason_phrase)))


def _faults(phrase: str) -> Iterator[Problem]:
    match = _FAULT.fullmatch(phrase)
    yield Problem(match["path"], match["what"]) if match else Problem("$", phrase)


def _without_null(kind: inspect.Type) -> inspect.Type:
    if isinstance(kind, inspect.UnionType):
        return next(each for each in kind.types if not isinstance(each, inspect.NoneType))
    return kind


def _unencodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False
