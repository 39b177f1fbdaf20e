"""Durations as operators write them: a whole number and a unit, ``30s``, ``15m``, ``1h``, ``7d``."""

import re
from typing import Final

from libs.contracts.errors import BadRequestError

MAX_DAYS: Final = 3_660
_FORM: Final = re.compile(r"(?P<count>[1-9][0-9]{0,9})(?P<unit>ms|s|m|h|d)")
_UNIT_MS: Final = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}

MINUTE_MS: Final = _UNIT_MS["m"]
HOUR_MS: Final = _UNIT_MS["h"]
DAY_MS: Final = _UNIT_MS["d"]


def duration_ms(text: str, *, name: str, at_least_ms: int) -> int:
    """Read a duration.

    Args:
        text: As it was given.
        name: Of the parameter or field, for the error.
        at_least_ms: The shortest that is taken.

    Raises:
        BadRequestError: It is no duration, too short, or longer than ten years.
    """
    match = _FORM.fullmatch(text)
    if match is None:
        raise BadRequestError(f"{name}: must be a whole number and one of ms, s, m, h, d, for example 15m")
    found = int(match["count"]) * _UNIT_MS[match["unit"]]
    if found < at_least_ms:
        raise BadRequestError(f"{name}: must be at least {at_least_ms} ms")
    if found > MAX_DAYS * DAY_MS:
        raise BadRequestError(f"{name}: must be at most {MAX_DAYS}d")
    return found


def start_of(time_ms: int, every_ms: int) -> int:
    """The start of the bucket an instant is in; buckets are counted from the Unix epoch, in UTC."""
    return time_ms - time_ms % every_ms
