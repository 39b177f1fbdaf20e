"""Packs of SenML records: strict JSON in, resolved records out (RFC 8428).

What this accepts can be stored: numbers are finite and integers fit int64, text is UTF-8, times lie
between the smallest absolute time of SenML and the end of year 9999, so that a resolved pack resolves
to itself. Errors name the record (the first is 1, as in the RFC's fragment identifiers) and the label.
"""

import base64
import binascii
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, NoReturn, TypeAlias

from msgspec import Struct

from libs.contracts.errors import BadRequestError
from libs.contracts.payload import JsonValue, decode_json

Number: TypeAlias = int | float
Pack: TypeAlias = tuple[Mapping[str, JsonValue], ...]
"""Records as they were sent; of each only that it is an object is known."""

MAX_PACK_BYTES: Final = 64 * 1024
MAX_RECORDS: Final = 512
MAX_PACK_DEPTH: Final = 4

FIRST_ABSOLUTE: Final = 2**28
"""Times below are relative to now (RFC 8428 section 4.5.3); equality is absolute."""
LAST_ABSOLUTE: Final = 253_402_300_799
"""9999-12-31T23:59:59Z, the last second a store can hold."""

MAX_BASE_TEXT: Final = 512
"""Characters of a base name or unit: each record that follows has it, 512 times what was sent."""

_VERSION: Final = 10
_INT64_MIN, _INT64_MAX = -(2**63), 2**63 - 1
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9\-:./_]*")
_BASE64: Final = re.compile(r"[A-Za-z0-9+/_-]*={0,2}")

_BASE: Final = frozenset({"bn", "bt", "bu", "bv", "bs", "bver"})
_VALUES: Final = ("v", "vs", "vb", "vd")


class Record(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One resolved record: complete in itself, time absolute.

    Attributes:
        n: Name; whether with or without the base name, whoever made it says.
        t: Seconds since the Unix epoch.
        u: Unit.
        v: Number; of ``v``, ``vs``, ``vb`` and ``vd`` there is one, or none beside a sum.
        vs: Text.
        vb: Truth value.
        vd: Bytes, in base64url without padding.
        s: Sum.
        ut: Seconds within which an update is to be expected.
        bver: Version, when it is not 10.
    """

    n: str
    t: Number
    u: str | None = None
    v: Number | None = None
    vs: str | None = None
    vb: bool | None = None
    vd: str | None = None
    s: Number | None = None
    ut: Number | None = None
    bver: int | None = None


def decode_pack(body: bytes) -> Pack:
    """Decode a pack as far as it must be before its sender is known.

    Raises:
        PayloadTooLargeError: It has more than 64 KiB.
        BadRequestError: It is no strict JSON, nested too deeply, or no array of 1 to 512 objects.
    """
    return as_pack(decode_json(body, max_bytes=MAX_PACK_BYTES, max_depth=MAX_PACK_DEPTH, wide_integers=True))


def as_pack(value: object, *, max_records: int = MAX_RECORDS) -> Pack:
    """Take decoded JSON as a pack.

    Raises:
        BadRequestError: It is no array of objects, or of too many.
    """
    if not isinstance(value, list) or not value:
        raise BadRequestError("a SenML pack must be an array with at least one record")
    if len(value) > max_records:
        raise BadRequestError(f"a SenML pack of {len(value)} records is above the limit of {max_records}")
    for number, record in enumerate(value, start=1):
        if not isinstance(record, dict):
            raise BadRequestError(f"record {number}: must be an object")
    return tuple(value)


def resolve(pack: Pack, *, now: Number) -> tuple[Record, ...]:
    """Resolve a pack received at ``now`` (RFC 8428 section 4.6), in chronological order.

    Raises:
        BadRequestError: A record breaks a rule; the phrase says which, where and why.
    """
    base = _Base()
    found: list[Record] = []
    for number, record in enumerate(pack, start=1):
        check_labels(record, number)
        base.take(record, number)
        if not is_base_only(record):
            found.append(_resolved(record, base, number, now))
    return tuple(sorted(found, key=lambda record: record.t))


def is_base_only(record: Mapping[str, JsonValue]) -> bool:
    """Whether a record only says what holds for those that follow."""
    known = record.keys() & _KINDS.keys()
    return bool(known) and known <= _BASE


def check_labels(record: Mapping[str, JsonValue], number: int) -> None:
    """Hold a record to the types of its labels and to the ones that must be understood.

    Raises:
        BadRequestError: As :func:`resolve`.
    """
    for label, value in record.items():
        if label.endswith("_"):
            shown = ascii(label if len(label) <= 32 else f"...{label[-32:]}")  # noqa: PLR2004 - a glimpse
            raise BadRequestError(f"record {number}: label {shown} must be understood and is not")
        if label in _KINDS:
            fits, kind = _KINDS[label]
            if not fits(value):
                refuse(number, label, f"must be {kind}")


def refuse(number: int, label: str, problem: str) -> NoReturn:
    """Say what is wrong with a label of a record.

    Raises:
        BadRequestError: Always.
    """
    raise BadRequestError(f"record {number}, {label}: {problem}")


def value_of(record: Mapping[str, JsonValue], number: int) -> str | None:
    """Tell which label holds the value of a checked record; None when a sum is all it has.

    Raises:
        BadRequestError: It has several values, or none and no sum.
    """
    labels = [label for label in _VALUES if label in record]
    if len(labels) > 1:
        refuse(number, labels[1], f"there is a value already, in {labels[0]}")
    if not labels and "s" not in record:
        refuse(number, "v", "is missing, and so are vs, vb, vd and s")
    return labels[0] if labels else None


def canonical_base64(text: str, number: int) -> str:
    """Spell ``vd`` as the RFC does; the standard alphabet and padding are taken as well.

    Raises:
        BadRequestError: It is no base64.
    """
    bare = text.rstrip("=")
    if not _BASE64.fullmatch(text) or (bare != text and len(text) % 4):
        refuse(number, "vd", "must be base64url")
    try:
        raw = base64.urlsafe_b64decode(bare.translate({43: 45, 47: 95}) + "=" * (-len(bare) % 4))
    except binascii.Error:
        refuse(number, "vd", "must be base64url")
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


@dataclass(slots=True)
class _Base:
    """The base fields that hold at one record: each until the next one of its kind."""

    bn: str = ""
    bt: Number = 0
    bu: str | None = None
    bv: Number | None = None
    bs: Number | None = None
    version: int | None = None

    def take(self, record: Mapping[str, JsonValue], number: int) -> None:
        for label in ("bn", "bt", "bu", "bv", "bs"):
            if label in record:
                value = record[label]
                if isinstance(value, str) and len(value) > MAX_BASE_TEXT:
                    refuse(number, label, f"has more than {MAX_BASE_TEXT} characters")
                setattr(self, label, value)
        version = record.get("bver", self.version or _VERSION)
        assert isinstance(version, int)  # noqa: S101 - check_labels has seen to it
        if version > _VERSION:
            refuse(number, "bver", f"version {version} is above {_VERSION}")
        if self.version not in {None, version}:
            refuse(number, "bver", f"version {version} differs from {self.version} before")
        self.version = version


def _resolved(record: Mapping[str, JsonValue], base: _Base, number: int, now: Number) -> Record:
    name = f"{base.bn}{record.get('n', '')}"
    if not _NAME.fullmatch(name):
        refuse(number, "n", _name_problem(name))
    label = value_of(record, number)
    fields = {key: record[key] for key in ("ut", *_VALUES) if key in record}
    if label == "v":
        fields["v"] = _sum(record["v"], base.bv, number, "v")
    elif label == "vd":
        fields["vd"] = canonical_base64(str(record["vd"]), number)
    if "s" in record or base.bs is not None:
        fields["s"] = _sum(record.get("s"), base.bs, number, "s")
    unit = record.get("u", base.bu)
    version = None if base.version == _VERSION else base.version
    time = _time(record, base, number, now)
    return Record(n=name, t=time, u=unit, bver=version, **fields)  # type: ignore[arg-type]  # check_labels has seen to all types


def _name_problem(name: str) -> str:
    if not name:
        return "there is no name: neither bn nor n"
    shown = ascii(name if len(name) <= 64 else f"...{name[-64:]}")  # noqa: PLR2004 - a glimpse
    return f"name {shown} must begin with a letter or digit and hold only A-Z a-z 0-9 - : . / _"


def _time(record: Mapping[str, JsonValue], base: _Base, number: int, now: Number) -> Number:
    time = _sum(record.get("t"), base.bt, number, "t")
    if time < FIRST_ABSOLUTE:
        time = _sum(now, time, number, "t")
    if not FIRST_ABSOLUTE <= time <= LAST_ABSOLUTE:
        refuse(number, "t", "the time is not between 1978-07-04T21:24:16Z and the end of year 9999")
    return time


def _sum(own: JsonValue, base: Number | None, number: int, label: str) -> Number:
    given = own if isinstance(own, int | float) else 0
    total = given if base is None else given + base
    if isinstance(total, int):
        return total if _INT64_MIN <= total <= _INT64_MAX else float(total)
    if not math.isfinite(total):
        refuse(number, label, "is not finite once its base is added")
    return total


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_version(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


_NUMBER: Final = (_is_number, "a number")
_TEXT: Final = (lambda value: isinstance(value, str), "text")
_KINDS: Final[Mapping[str, tuple[Callable[[object], bool], str]]] = {
    **dict.fromkeys(("bt", "bv", "bs", "v", "s", "t", "ut"), _NUMBER),
    **dict.fromkeys(("bn", "bu", "n", "u", "vs", "vd"), _TEXT),
    "vb": (lambda value: isinstance(value, bool), "true or false"),
    "bver": (_is_version, "a positive whole number"),
}
