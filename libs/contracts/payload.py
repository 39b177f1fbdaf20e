"""JSON from devices and operators: the one check of what may be stored.

Strict RFC 8259 in UTF-8, and then what JSON allows but a store or another reader would not
survive: duplicate keys, integers beyond int64, non-finite numbers, deep nesting, NUL in keys,
lone surrogates (protocol/kp1.md, "Checked before it is stored"). What passes can be stored,
so one device's document never stops another's.
"""

import json
from typing import NoReturn, TypeAlias

from libs.contracts.errors import BadRequestError, PayloadTooLargeError
from libs.contracts.kp1 import MAX_PAYLOAD_BYTES

JsonValue: TypeAlias = "dict[str, JsonValue] | list[JsonValue] | str | int | float | bool | None"

MAX_DEPTH = 32
"""Deepest nesting of arrays and objects."""

_INT64_MIN, _INT64_MAX = -(2**63), 2**63 - 1


class _Fault(Exception):  # noqa: N818 - a signal inside this module, turned into a BadRequestError
    """Something that may not be stored, with the path to it gathered on the way out."""

    def __init__(self, problem: str) -> None:
        super().__init__(problem)
        self.problem = problem
        self.path: list[str] = []


def decode_json(
    payload: bytes,
    *,
    max_bytes: int = MAX_PAYLOAD_BYTES,
    max_depth: int = MAX_DEPTH,
    wide_integers: bool = False,
) -> JsonValue:
    """Decode a JSON document that may be stored.

    Args:
        payload: Its bytes.
        max_bytes: Largest payload.
        max_depth: Deepest nesting of arrays and objects.
        wide_integers: Where all numbers mean doubles (SenML): an integer outside int64 becomes one.

    Raises:
        PayloadTooLargeError: It has more than ``max_bytes`` bytes.
        BadRequestError: It is no JSON, or holds something that may not be stored; the phrase says
            what and where (``$.a[3]: integer outside int64``).
    """
    if len(payload) > max_bytes:
        message = f"payload of {len(payload)} bytes is above the limit of {max_bytes} bytes"
        raise PayloadTooLargeError(message)
    value = _parse(payload, _WIDE_DECODER if wide_integers else _DECODER, max_depth)
    _check_all(value, max_depth)
    return value


def decode_object(payload: bytes, *, max_bytes: int = MAX_PAYLOAD_BYTES) -> dict[str, JsonValue]:
    """Decode a JSON object; an empty payload is an empty object.

    Raises:
        PayloadTooLargeError: As :func:`decode_json`.
        BadRequestError: As :func:`decode_json`, or it is no object.
    """
    value = decode_json(payload, max_bytes=max_bytes) if payload.strip() else {}
    if not isinstance(value, dict):
        message = "payload must be a JSON object"
        raise BadRequestError(message)
    return value


def check_value(value: object) -> None:
    """Check a value that was decoded elsewhere (MessagePack) by the same rules.

    Raises:
        BadRequestError: It holds something that may not be stored.
    """
    _check_all(value, MAX_DEPTH)


def encode_json(value: object) -> bytes:
    """Encode a stored value as compact UTF-8 JSON."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()


def _parse(payload: bytes, decoder: json.JSONDecoder, max_depth: int) -> JsonValue:
    try:
        return decoder.decode(payload.decode())  # type: ignore[no-any-return] # json is untyped
    except UnicodeDecodeError as error:
        message = f"payload is not UTF-8: byte {error.start}"
        raise BadRequestError(message) from None
    except json.JSONDecodeError as error:
        message = f"payload is not JSON: {error.msg} at line {error.lineno} column {error.colno}"
        raise BadRequestError(message) from None
    except RecursionError:
        message = f"payload is nested deeper than {max_depth} levels"
        raise BadRequestError(message) from None
    except _Fault as fault:
        message = f"payload: {fault.problem}"
        raise BadRequestError(message) from None


def _unique_pairs(pairs: list[tuple[str, JsonValue]]) -> dict[str, JsonValue]:
    found = dict(pairs)
    if len(found) != len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                problem = f"duplicate key {_glimpse(key)}"
                raise _Fault(problem)
            seen.add(key)
    return found


def _bounded_int(digits: str) -> int:
    # Twenty characters hold every int64 with its sign; longer ones are not even converted.
    if len(digits) > len(str(_INT64_MIN)):
        problem = f"integer {digits[:20]}... outside int64"
        raise _Fault(problem)
    return int(digits)


def _no_constant(name: str) -> NoReturn:
    problem = f"{name} is not JSON"
    raise _Fault(problem)


def _wide_int(digits: str) -> int | float:
    value = float(digits) if len(digits) > len(str(_INT64_MIN)) else int(digits)
    return value if _INT64_MIN <= value <= _INT64_MAX else float(value)


_DECODER = json.JSONDecoder(
    object_pairs_hook=_unique_pairs, parse_int=_bounded_int, parse_constant=_no_constant
)
_WIDE_DECODER = json.JSONDecoder(
    object_pairs_hook=_unique_pairs, parse_int=_wide_int, parse_constant=_no_constant
)


def _check_all(value: object, max_depth: int) -> None:
    try:
        _check(value, max_depth, max_depth)
    except _Fault as fault:
        message = f"${''.join(reversed(fault.path))}: {fault.problem}"
        raise BadRequestError(message) from None


def _check(value: object, depth: int, max_depth: int) -> None:
    if isinstance(value, str):
        _check_text(value)
    elif isinstance(value, bool) or value is None:
        return
    elif isinstance(value, int):
        if not _INT64_MIN <= value <= _INT64_MAX:
            problem = f"integer {value} outside int64"
            raise _Fault(problem)
    elif isinstance(value, float):
        if value - value != 0.0:
            problem = "number is not finite"
            raise _Fault(problem)
    else:
        _check_container(value, depth, max_depth)


def _check_container(value: object, depth: int, max_depth: int) -> None:
    if depth == 0:
        problem = f"nested deeper than {max_depth} levels"
        raise _Fault(problem)
    if isinstance(value, dict):
        for key, item in value.items():
            _check_key(key)
            _check_at(item, f".{_plain(key)}", depth - 1, max_depth)
    elif isinstance(value, list):
        for position, item in enumerate(value):
            _check_at(item, f"[{position}]", depth - 1, max_depth)
    else:
        problem = f"a {type(value).__name__} is not JSON"
        raise _Fault(problem)


def _check_at(item: object, step: str, depth: int, max_depth: int) -> None:
    try:
        _check(item, depth, max_depth)
    except _Fault as fault:
        fault.path.append(step)
        raise


def _check_key(key: object) -> None:
    if not isinstance(key, str):
        problem = "a key is not text"
        raise _Fault(problem)
    if "\x00" in key:
        problem = f"NUL in key {_glimpse(key)}"
        raise _Fault(problem)
    _check_text(key)


def _check_text(text: str) -> None:
    if text.isascii():
        return
    try:
        text.encode()
    except UnicodeEncodeError as error:
        problem = f"lone surrogate at character {error.start}"
        raise _Fault(problem) from None


def _plain(key: str) -> str:
    return key if key.isascii() and key.isalnum() else _glimpse(key)


def _glimpse(text: str) -> str:
    return ascii(text if len(text) <= 32 else f"{text[:32]}...")  # noqa: PLR2004 - a glimpse
