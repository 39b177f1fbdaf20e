"""How values are spelled in the environment, both ways.

===============  ==========================================================
``bool``         true, yes, on, 1; false, no, off, 0; in any case
``int``          decimal; a field named ``…_bytes`` also takes 64KiB, 1.5MiB, 4GiB
``float``        decimal, finite; durations are seconds without a unit
``str``          as it stands
``tuple[str]``   separated by commas, spaces around them ignored
===============  ==========================================================
"""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

_TRUE = frozenset({"true", "yes", "on", "1"})
_FALSE = frozenset({"false", "no", "off", "0"})
_SIZE = re.compile(r"(?P<number>[0-9]+(?:\.[0-9]+)?)\s*(?P<unit>B|KiB|MiB|GiB|TiB)?")
_UNITS = {"B": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40}


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What a value must keep to beyond having the right type."""

    minimum: float | None = None
    maximum: float | None = None
    choices: tuple[str, ...] = ()


def parse(text: str, kind: Any, *, attribute: str, limits: Limits) -> Any:  # noqa: ANN401 - the type is a value here
    """Turn a text of the environment into the declared type.

    Raises:
        ValueError: In words that follow "must be"; they never contain the text itself.
        TypeError: No spelling exists for the declared type: a mistake in our code.
    """
    parser: Callable[[str], Any] | None = _parse_size if attribute.endswith("_bytes") else _PARSERS.get(kind)
    if parser is None:
        message = f"no spelling for a setting of type {kind}"
        raise TypeError(message)
    value = parser(text)
    _keep_to(limits, value)
    return value


def spell(value: object, attribute: str) -> str:
    """Write a value as one would in the environment; "" stands for none."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, tuple):
        return ",".join(value)
    if isinstance(value, int) and attribute.endswith("_bytes"):
        return _spell_size(value)
    if isinstance(value, float):
        return f"{value:g}"
    return str(value)


def _parse_bool(text: str) -> bool:
    word = text.lower()
    if word not in _TRUE | _FALSE:
        message = "true or false"
        raise ValueError(message)
    return word in _TRUE


def _parse_int(text: str) -> int:
    if not re.fullmatch(r"[+-]?[0-9]{1,18}", text):
        message = "a whole number"
        raise ValueError(message)
    return int(text)


def _parse_float(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        message = "a number"
        raise ValueError(message)
    return value


def _parse_size(text: str) -> int:
    match = _SIZE.fullmatch(text)
    if match is None:
        message = "a size such as 4096, 64KiB or 4GiB"
        raise ValueError(message)
    return int(float(match["number"]) * _UNITS[match["unit"] or "B"])


def _parse_texts(text: str) -> tuple[str, ...]:
    return tuple(part for part in (part.strip() for part in text.split(",")) if part)


_PARSERS: dict[Any, Callable[[str], Any]] = {
    bool: _parse_bool,
    int: _parse_int,
    float: _parse_float,
    str: str,
    tuple[str, ...]: _parse_texts,
}


def _keep_to(limits: Limits, value: Any) -> None:  # noqa: ANN401 - the type is a value here
    if limits.choices and value not in limits.choices:
        message = f"one of {', '.join(limits.choices)}"
        raise ValueError(message)
    if limits.minimum is not None and value < limits.minimum:
        message = f"at least {limits.minimum:g}"
        raise ValueError(message)
    if limits.maximum is not None and value > limits.maximum:
        message = f"at most {limits.maximum:g}"
        raise ValueError(message)


def _spell_size(value: int) -> str:
    for unit, factor in reversed(_UNITS.items()):
        if value and value % factor == 0:
            return f"{value // factor}{unit if factor > 1 else ''}"
    return str(value)
