"""What an application, or a version of it, says about its time series.

Two service instances are configured through Kaa's application configuration: ``epts`` holds Kaa's
``time-series`` block, ``dcx`` ours: ``message-id`` and ``retention``. A version's document replaces the
application's, for each instance by itself. Documents are checked when an operator writes them, and compiled
here into what :mod:`.extraction` runs for every sample.
"""

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from libs.contracts import app_config_rules
from libs.contracts.app_config_rules import TimeFormat, ValueType
from libs.contracts.app_configs import Configuration, Placed
from libs.contracts.errors import BadRequestError, PayloadTooLargeError
from libs.contracts.kp1 import MAX_PAYLOAD_BYTES
from libs.contracts.payload import encode_json
from libs.contracts.shapes import Shape
from services.data_collection.domain.durations import DAY_MS, duration_ms

EPTS: Final = "epts"
DCX: Final = "dcx"
INSTANCES: Final = (EPTS, DCX)

Path = tuple[str | int, ...]
"""Steps into a JSON value: names of members, positions in arrays."""

EARLIEST_MS: Final = 0
LATEST_MS: Final = 253_402_300_799_999
"""From 1970 to the end of 9999: what ISO 8601 can spell, and what nobody sends by accident."""
PLAUSIBLE_MS: Final = 946_684_800_000
"""The year 2000: a field that nobody configured is no date before it, but a counter or seconds."""

_RULES: Final[Mapping[str, Shape]] = {EPTS: app_config_rules.EPTS, DCX: app_config_rules.DCX}
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
    format: TimeFormat
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
    block: Any = (time_series or {}).get("time-series", {})
    app_config_rules.TIME_SERIES.check(block, "time-series")
    timestamp = _timestamp(block)
    skipped = timestamp.path[0] if len(timestamp.path) == 1 else None
    skipped = skipped if isinstance(skipped, str) else None
    series = tuple(
        (name, _values(rule["values"], f"time-series.names.{name}.values"))
        for name, rule in block.get("names", {}).items()
    )
    auto: bool = block.get("auto-extract", True)
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
    _RULES[instance].check(configuration, path)
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


def _timestamp(block: Mapping[str, Any]) -> Timestamp:
    members = block.get("timestamp")
    if members is None:
        return Timestamp(
            path=("timestamp",), format="millis-unix-epoch", fails=False, earliest_ms=PLAUSIBLE_MS
        )
    path = path_of(members.get("path", "timestamp"), "time-series.timestamp.path")
    form: TimeFormat = members.get("format", "millis-unix-epoch")
    return Timestamp(path=path, format=form, fails=members.get("fallback-strategy") == "fail")


def _values(values: Sequence[Mapping[str, Any]], where: str) -> tuple[Value, ...]:
    found: dict[str, Value] = {}
    for position, members in enumerate(values):
        here = f"{where}[{position}]"
        name: str = members.get("name", "value")
        if name in found:
            raise BadRequestError(f"{here}.name: {name!a} is there twice")
        found[name] = Value(name, path_of(members["path"], f"{here}.path"), members.get("type", "number"))
    return tuple(found.values())


def _message_id(collection: Configuration) -> Path:
    if "message-id" not in collection:
        return ()
    members: Any = collection["message-id"]
    app_config_rules.MESSAGE_ID.check(members, "message-id")
    return path_of(members["path"], "message-id.path")


def _retention(collection: Configuration) -> int | None:
    value: Any = collection.get("retention")
    app_config_rules.RETENTION.check(value, "retention")
    return None if value is None else duration_ms(value, name="retention", at_least_ms=DAY_MS)


DEFAULT: Final = configuration_of(None)
"""What holds where nothing is configured."""
