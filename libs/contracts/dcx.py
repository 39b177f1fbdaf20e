"""Data collection (Kaa 2/DCP): what a message may hold, checked before it is stored (protocol/kp1.md, dcx).

Both transports call :func:`check_message` before a message enters a batch, and data-collection takes it apart
with :func:`samples_of`: what passed the one can be stored by the other, so one device's document never stops
another's (protocol/delivery.md rule 4).

The check is on the hot path. A document is decoded by msgspec, which is strict about JSON and UTF-8 but
silent about duplicate keys: a document has as many colons as it has members, or more, so one with exactly
as many colons as its objects have keys has no duplicates, and no colon in a text. Most messages are one flat
object, whose members msgspec holds to their types by itself. Every other document takes the slow way through
:mod:`libs.contracts.payload`, which also finds the words for what is wrong.
"""

import re
from typing import Annotated, Any, Final, TypeAlias

import msgspec

from libs.contracts.errors import BadRequestError, NotFoundError
from libs.contracts.payload import MAX_DEPTH, JsonValue, decode_json

MAX_SAMPLES: Final = 8_192
"""Samples that one message may hold (protocol/delivery.md rule 3)."""

_JSON: Final = "/json"
_JSON_BELOW: Final = "/json/"
_PLAIN: Final = "/plain/"
_METRIC: Final = re.compile(r"[A-Za-z0-9_-]{1,128}")
_PLAIN_VALUE: Final = re.compile(
    r"\s*(?!0[xX])(?P<number>-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?)(?P<unit>[^\s\d_+\-.\x00-\x1f][^\s\x00-\x1f]{0,31})?\s*"
)
_NO_UNIT: Final = "number"
_INT64_MIN, _INT64_MAX = -(2**63), 2**63 - 1

_HARMLESS: Final = frozenset({float, str, bool, type(None)})
_STRANGE: Final = -(2**40)
_NUL: Final = b"\\u0000"
# A number is found in bytes several times as quickly as bytes are.
_BRACKET, _BACKSLASH = ord("["), ord("\\")

_Scalar: TypeAlias = Annotated[int, msgspec.Meta(ge=_INT64_MIN, le=_INT64_MAX)] | float | str | bool | None
_UNUSUAL: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)

_decode = msgspec.json.Decoder().decode
_decode_flat = msgspec.json.Decoder(dict[str, _Scalar]).decode


def check_message(resource: str, payload: bytes) -> int:
    """Accept a message for storing; returns how many samples it holds, none in an empty batch.

    Args:
        resource: With a leading slash and without request id: ``/json``, ``/json/<anything>``,
            ``/plain/<metric>``.
        payload: As received, at most 256 KiB.

    Raises:
        NotFoundError: There is no such resource.
        BadRequestError: It may not be stored; the phrase says what is wrong and where.
    """
    if resource == _JSON or resource.startswith(_JSON_BELOW):
        return _count(_checked(payload))
    if resource.startswith(_PLAIN):
        _plain_sample(resource, payload)
        return 1
    raise NotFoundError(f"dcx has no resource {resource[:64]!a}")


def samples_of(resource: str, payload: bytes) -> list[Any]:
    """Take a message apart that :func:`check_message` accepted: an array is a batch, all else one sample.

    Raises:
        NotFoundError: As :func:`check_message`.
        BadRequestError: As :func:`check_message`.
    """
    if resource.startswith(_PLAIN):
        return [_plain_sample(resource, payload)]
    if resource != _JSON and not resource.startswith(_JSON_BELOW):
        raise NotFoundError(f"dcx has no resource {resource[:64]!a}")
    value = _checked(payload)
    _count(value)
    return value if isinstance(value, list) else [value]


def _count(value: JsonValue) -> int:
    if not isinstance(value, list):
        return 1
    if len(value) > MAX_SAMPLES:
        raise BadRequestError(f"a batch of {len(value)} samples is above the limit of {MAX_SAMPLES}")
    return len(value)


def _checked(payload: bytes) -> Any:  # noqa: ANN401 - any JSON value
    value: Any
    if payload.rfind(b"{") == 0 and _BRACKET not in payload:
        try:
            value = _decode_flat(payload)
        except _UNUSUAL:
            return decode_json(payload)
        if payload.count(b":") == len(value) and (_BACKSLASH not in payload or payload.find(_NUL) < 0):
            return value
        return decode_json(payload)
    try:
        value = _decode(payload)
    except _UNUSUAL:
        return decode_json(payload)
    if payload.count(b":") == _members(value, MAX_DEPTH) and payload.find(_NUL) < 0:
        return value
    return decode_json(payload)


def _members(value: Any, depth: int) -> int:  # noqa: ANN401 - any JSON value
    """Count the members of all objects in a value; negative when it is one for the strict check."""
    kind = type(value)
    if kind is dict:
        count, items = len(value), value.values()
    elif kind is list:
        count, items = 0, value
    else:
        return 0 if kind is not int or _INT64_MIN <= value <= _INT64_MAX else _STRANGE
    if not depth:
        return _STRANGE
    for item in items:
        # msgspec gives finite floats and whole texts; most members are one of the two, or a small number.
        if type(item) not in _HARMLESS:
            count += _members(item, depth - 1)
    return count


def _plain_sample(resource: str, payload: bytes) -> dict[str, JsonValue]:
    """Read ``<number>[unit]``, for example ``47`` or ``2061m``."""
    metric = resource[len(_PLAIN) :]
    if not _METRIC.fullmatch(metric):
        raise NotFoundError("dcx takes plain/<metric>, 1 to 128 characters of [A-Za-z0-9_-]")
    try:
        match = _PLAIN_VALUE.fullmatch(payload.decode())
    except UnicodeDecodeError as error:
        raise BadRequestError(f"payload is not UTF-8: byte {error.start}") from None
    if match is None:
        raise BadRequestError(
            "plain data is a number with at most 32 characters of unit behind it: 47 or 47%"
        )
    number = decode_json(match["number"].encode())
    return {f"{metric}-value": number, f"{metric}-unit": match["unit"] or _NO_UNIT}
