"""What holds for the packs of a device, beyond the RFC (protocol/senml.md).

The base name is all that says who sends, so every base name of a pack must be the sender's: without
that, one device's secret could write for another device (reference/kpn.md, surprise 5). What follows
the base name is the device's own: ``urn:dev:DVNUUID:<uuid>:engine:`` names a part of it.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from libs.contracts.errors import BadRequestError, PayloadTooLargeError
from libs.contracts.ids import MAX_NAME_LENGTH
from libs.contracts.payload import JsonValue, check_value, encode_json
from libs.contracts.senml.packs import (
    MAX_PACK_BYTES,
    MAX_RECORDS,
    Number,
    Pack,
    Record,
    as_pack,
    canonical_base64,
    check_labels,
    is_base_only,
    refuse,
    resolve,
    value_of,
)
from libs.contracts.senml.proofs import DvnUuid, check_dvn_uuid

_PREFIX: Final = "urn:dev:DVNUUID:"
_SERIES: Final = re.compile(r"[A-Za-z0-9_-]+")
_OWN_NAME: Final = re.compile(r"[A-Za-z0-9\-:./_]+")
_INSTRUCTION: Final = frozenset({"n", "u", "v", "vs", "vb", "vd", "t", "ut", "s"})
_EXPECTED: Final = f"must be exactly {_PREFIX}<uuid>:"


def base_name(dvn_uuid: DvnUuid) -> str:
    """Name a device as SenML does, trailing colon included; it is also its MQTT user name."""
    return f"{_PREFIX}{dvn_uuid}:"


def device_of(pack: Pack) -> DvnUuid:
    """Tell whose pack this claims to be, by the base name of its first record.

    Raises:
        BadRequestError: That is not exactly ``urn:dev:DVNUUID:<uuid>:``.
    """
    return device_named(pack[0].get("bn"))


def device_named(name: object) -> DvnUuid:
    """Read the device out of its base name; the hexadecimal digits may be upper case (RFC 4122).

    Raises:
        BadRequestError: It is not exactly ``urn:dev:DVNUUID:<uuid>:``.
    """
    if not isinstance(name, str) or not name.startswith(_PREFIX) or not name.endswith(":"):
        refuse(1, "bn", _EXPECTED)
    try:
        return check_dvn_uuid(name[len(_PREFIX) : -1])
    except BadRequestError:
        refuse(1, "bn", _EXPECTED)


def resolve_uplink(pack: Pack, *, dvn_uuid: DvnUuid, now: Number) -> tuple[Record, ...]:
    """Resolve the pack of an authenticated device; names are given without the base name.

    Raises:
        BadRequestError: A record breaks a rule of SenML, has no name, or is another device's.
    """
    own = base_name(dvn_uuid)
    if device_of(pack) != dvn_uuid:
        refuse(1, "bn", "is another device's")
    for number, record in enumerate(pack, start=1):
        bn = record.get("bn", own)
        if isinstance(bn, str) and not _is_of(bn, own):
            refuse(number, "bn", "is another device's")
        if record.get("n", "") == "" and not is_base_only(record):
            check_labels(record, number)
            refuse(number, "n", "is missing")
    records = resolve(pack, now=now)
    return tuple(_without(own, record) for record in records)


def series_name(name: str) -> str:
    """Name the time series of a measurement, as it is for telemetry over KP1.

    Raises:
        BadRequestError: The name holds something that no series name may.
    """
    series = name.translate({ord(char): "_" for char in ".:/"})
    if not _SERIES.fullmatch(series):
        raise BadRequestError("a measurement's name must be of A-Z a-z 0-9 - : . / _ to be a time series")
    return f"auto~{series}"


def encode_downlink(dvn_uuid: DvnUuid, records: Sequence[Mapping[str, JsonValue]]) -> bytes:
    """Write instructions as the pack that a device receives: the bare base name, then one record each.

    Times stay as they are: a relative one is in the future of whoever reads it (RFC 8428 section 4.9).

    Raises:
        BadRequestError: An instruction is not a name with one value; the first is record 1.
        PayloadTooLargeError: The pack is above 64 KiB.
    """
    given = list(records)
    check_value(given)
    instructions = as_pack(given, max_records=MAX_RECORDS - 1)
    spelled = [_instruction(record, number) for number, record in enumerate(instructions, start=1)]
    pack = encode_json([{"bn": base_name(dvn_uuid)}, *spelled])
    if len(pack) > MAX_PACK_BYTES:
        raise PayloadTooLargeError(
            f"the pack has {len(pack)} bytes, above the limit of {MAX_PACK_BYTES} bytes"
        )
    return pack


def _is_of(bn: str, own: str) -> bool:
    prefix = bn[: len(own)]
    return prefix.startswith(_PREFIX) and prefix[len(_PREFIX) :].lower() == own[len(_PREFIX) :]


def _without(own: str, record: Record) -> Record:
    name = record.n[len(own) :]
    if len(name) > MAX_NAME_LENGTH:
        raise BadRequestError(f"name {name[:64]!a}... has more than {MAX_NAME_LENGTH} characters")
    return msgspec.structs.replace(record, n=name)


def _instruction(record: Mapping[str, JsonValue], number: int) -> dict[str, JsonValue]:
    check_labels(record, number)
    for label in record:
        if label not in _INSTRUCTION:
            shown = ascii(label if len(label) <= 32 else f"{label[:32]}...")  # noqa: PLR2004 - a glimpse
            raise BadRequestError(f"record {number}: label {shown} means nothing in an instruction")
    name = record.get("n", "")
    if not isinstance(name, str) or len(name) > MAX_NAME_LENGTH or not _OWN_NAME.fullmatch(name):
        refuse(number, "n", f"must be 1 to {MAX_NAME_LENGTH} characters of A-Z a-z 0-9 - : . / _")
    spelled = dict(record)
    if value_of(record, number) == "vd":
        spelled["vd"] = canonical_base64(str(record["vd"]), number)
    return spelled
