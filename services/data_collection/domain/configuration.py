"""What an application, or a version of it, says about its time series.

Two service instances are configured through Kaa's application configuration: ``epts`` holds Kaa's
``time-series`` block, ``dcx`` ours: ``message-id`` and ``retention``. A version's document replaces the
application's, for each instance by itself. Documents are checked when an operator writes them, and compiled
here into what :mod:`.extraction` runs for every sample.
"""

import hashlib
import re
from dataclasses import dataclass, field
from typing import Any, Final, Literal, get_args

from libs.contracts.app_configs import Configuration, Placed
from libs.contracts.errors import BadRequestError, PayloadTooLargeError
from libs.contracts.kp1 import MAX_PAYLOAD_BYTES
from libs.contracts.payload import JsonValue, encode_json
from services.data_collection.domain.durations import DAY_MS, duration_ms

EPTS: Final = "epts"
DCX: Final = "dcx"
INSTANCES: Final = (EPTS, DCX)

Format = Literal["iso8601", "millis-unix-epoch", "unix-epoch"]
ValueType = Literal["number", "string", "boolean"]
Path = tuple[str | int, ...]
"""Steps into a JSON value: names of members, positions in arrays."""

EARLIEST_MS: Final = 0
LATEST_MS: Final = 253_402_300_799_999
"""From 1970 to the end of 9999: what ISO 8601 can spell, and what nobody sends by accident."""
PLAUSIBLE_MS: Final = 946_684_800_000
"""The year 2000: a field that nobody configured is no date before it, but a counter or seconds."""

MAX_SERIES: Final = 256
MAX_VALUES: Final = 64

_SERIES: Final = re.compile(r"[A-Za-z0-9_-]{1,128}")
_VALUE: Final = re.compile(r"[^\\^$'\"=,\x00-\x1f]{1,128}")
_RESERVED: Final = frozenset({"time", "kaaEndpointID", "kaaEmpty", "_field", "_measurement"})
_STEP: Final = re.compile(
    r"(?P<name>[^$.\[\]\x00-\x1f]+)|\[(?P<index>0|[1-9][0-9]{0,4})\]|\['(?P<quoted>[^'\x00-\x1f]+)'\]"
)
_MAX_STEPS: Final = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Timestamp:
    """How the time of a sample is found.

    Attributes:
        path: Where it stands; empty = the receipt time always.
        format: How it is written.
        fails: Whether a sample without a usable one is refused; else the receipt time is taken.
        earliest_ms: The earliest that counts.
    """

    path: Path
    format: Format
    fails: bool
    earliest_ms: int = EARLIEST_MS


@dataclass(frozen=True, slots=True)
class Value:
    """One value of a configured series: its name, where it stands, which type it has."""

    name: str
    path: Path
    type: ValueType


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeSeriesConfiguration:
    """All that is configured for a version.

    Attributes:
        auto_extract: Whether top-level numbers become series.
        timestamp: How the time is found.
        skipped: The member auto-extraction leaves out; None = none.
        series: Configured series and their values.
        message_id: Where a message's own id stands; empty = it has none.
        retention_ms: How long samples are kept; None = for ever.
        fingerprint: The same for configurations that extract the same points.
    """

    auto_extract: bool
    timestamp: Timestamp
    skipped: str | None
    series: tuple[tuple[str, tuple[Value, ...]], ...] = ()
    message_id: Path = ()
    retention_ms: int | None = None
    fingerprint: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """A document as it stands at its place.

    Attributes:
        configuration: The document.
        incarnation: Which life of the application or version it was put for; None = an older release, which
            did not say, put it there.
    """

    configuration: Configuration
    incarnation: str | None


def configuration_of(
    time_series: Configuration | None, collection: Configuration | None = None
) -> TimeSeriesConfiguration:
    """Compile what ``epts`` and ``dcx`` hold for a version; None = nothing was configured.

    Raises:
        BadRequestError: One of them is wrong; the phrase names the path.
    """
    block = _object((time_series or {}).get("time-series", {}), "time-series")
    _no_others(block, {"auto-extract", "timestamp", "names"}, "time-series")
    timestamp = _timestamp(block, "time-series.timestamp")
    skipped = timestamp.path[0] if len(timestamp.path) == 1 else None
    series = _series(block.get("names", {}), "time-series.names")
    auto = _flag(block.get("auto-extract", True), "time-series.auto-extract")
    skipped = skipped if isinstance(skipped, str) else None
    digest = hashlib.blake2b(repr((auto, skipped, series)).encode(), digest_size=8)
    return TimeSeriesConfiguration(
        auto_extract=auto,
        timestamp=timestamp,
        skipped=skipped,
        series=series,
        message_id=_message_id(collection or {}),
        retention_ms=_retention(collection or {}),
        fingerprint=digest.hexdigest(),
    )


def check_configuration(placed: Placed, *, instance: str) -> None:
    """Accept the document of one instance.

    Raises:
        BadRequestError: It is wrong; the phrase names the path.
        PayloadTooLargeError: It has more than 256 KiB.
    """
    configuration, path = placed.document, placed.path
    known = {"time-series"} if instance == EPTS else {"message-id", "retention"}
    _no_others(configuration, known, path)
    try:
        configuration_of(
            configuration if instance == EPTS else None, configuration if instance == DCX else None
        )
    except BadRequestError as error:
        raise BadRequestError(f"{path}.{error.reason_phrase}") from None
    if len(encode_json(configuration)) > MAX_PAYLOAD_BYTES:
        raise PayloadTooLargeError(f"{path}: a configuration has at most {MAX_PAYLOAD_BYTES} bytes")


def path_of(text: object, where: str) -> Path:
    """Read a JSON path: ``$.`` is implied, ``a.b``, ``a[0]`` and ``['odd name']`` are steps.

    Raises:
        BadRequestError: It is none.
    """
    if not isinstance(text, str):
        raise BadRequestError(f"{where}: must be a text")
    rest = text.removeprefix("$")
    steps: list[str | int] = []
    while rest:
        rest = rest.removeprefix(".") if steps or text.startswith("$") else rest
        match = _STEP.match(rest)
        if match is None or len(steps) == _MAX_STEPS:
            raise BadRequestError(f"{where}: is not a JSON path such as location.latitude or list[0]")
        index = match["index"]
        steps.append(int(index) if index is not None else match["name"] or match["quoted"])
        rest = rest[match.end() :]
        if rest and rest[0] not in ".[":
            raise BadRequestError(f"{where}: is not a JSON path such as location.latitude or list[0]")
    return tuple(steps)


def _timestamp(block: Configuration, where: str) -> Timestamp:
    if "timestamp" not in block:
        return Timestamp(
            path=("timestamp",), format="millis-unix-epoch", fails=False, earliest_ms=PLAUSIBLE_MS
        )
    members = _object(block["timestamp"], where)
    _no_others(members, {"path", "format", "fallback-strategy"}, where)
    form = _one_of(members.get("format", "millis-unix-epoch"), get_args(Format), f"{where}.format")
    fallback = _one_of(
        members.get("fallback-strategy", "server-timestamp"),
        ("server-timestamp", "fail"),
        f"{where}.fallback-strategy",
    )
    path = path_of(members.get("path", "timestamp"), f"{where}.path")
    return Timestamp(path=path, format=form, fails=fallback == "fail")


def _series(value: object, where: str) -> tuple[tuple[str, tuple[Value, ...]], ...]:
    names = _object(value, where)
    if len(names) > MAX_SERIES:
        raise BadRequestError(f"{where}: has more than {MAX_SERIES} series")
    found = []
    for name, rule in names.items():
        if not _SERIES.fullmatch(name):
            raise BadRequestError(
                f"{where}: series {name[:64]!a} must be 1 to 128 characters of [A-Za-z0-9_-]"
            )
        here = f"{where}.{name}"
        members = _object(rule, here)
        _no_others(members, {"values"}, here)
        found.append((name, _values(members.get("values"), f"{here}.values")))
    return tuple(found)


def _values(value: object, where: str) -> tuple[Value, ...]:
    if not isinstance(value, list) or not 1 <= len(value) <= MAX_VALUES:
        raise BadRequestError(f"{where}: must be an array of 1 to {MAX_VALUES} values")
    found: dict[str, Value] = {}
    for position, each in enumerate(value):
        here = f"{where}[{position}]"
        members = _object(each, here)
        _no_others(members, {"name", "path", "type"}, here)
        name = members.get("name", "value")
        if not isinstance(name, str) or not _VALUE.fullmatch(name) or name in _RESERVED:
            raise BadRequestError(
                f"{here}.name: may not be one of {', '.join(sorted(_RESERVED))}, nor hold \\ ^ $ ' \" = ,"
            )
        if name in found:
            raise BadRequestError(f"{here}.name: {name!a} is there twice")
        path = path_of(members.get("path"), f"{here}.path")
        kind = _one_of(members.get("type", "number"), get_args(ValueType), f"{here}.type")
        found[name] = Value(name, path, kind)
    return tuple(found.values())


def _message_id(collection: Configuration) -> Path:
    if "message-id" not in collection:
        return ()
    members = _object(collection["message-id"], "message-id")
    _no_others(members, {"path"}, "message-id")
    return path_of(members.get("path"), "message-id.path")


def _retention(collection: Configuration) -> int | None:
    value = collection.get("retention")
    if value is None:
        return None
    if not isinstance(value, str):
        raise BadRequestError("retention: must be a duration such as 90d")
    return duration_ms(value, name="retention", at_least_ms=DAY_MS)


def _one_of(value: object, choices: tuple[str, ...], where: str) -> Any:  # noqa: ANN401 - one of the choices, a Literal
    if value not in choices:
        raise BadRequestError(f"{where}: must be one of {', '.join(choices)}")
    return value


def _flag(value: object, where: str) -> bool:
    if not isinstance(value, bool):
        raise BadRequestError(f"{where}: must be true or false")
    return value


def _object(value: object, where: str) -> dict[str, JsonValue]:
    if not isinstance(value, dict):
        raise BadRequestError(f"{where}: must be an object")
    return value


def _no_others(members: Configuration, known: set[str], where: str) -> None:
    others = sorted(set(members) - known)
    if others:
        raise BadRequestError(f"{where}: unknown field {others[0][:64]!a}")


DEFAULT: Final = configuration_of(None)
"""What holds where nothing is configured."""
