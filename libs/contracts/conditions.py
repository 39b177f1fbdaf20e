"""Conditions on entity tags: ``If-Match`` and ``If-None-Match`` (RFC 9110 sections 8.8.3 and 13.1)."""

import re
from typing import Final

from libs.contracts.errors import BadRequestError, PreconditionFailedError

_ANY: Final = "*"
_TAG: Final = r'(?:W/)?"[\x21\x23-\x7e\x80-\xff]*"'
# Only one way to match each comma: with two, eight thousand of them take a quarter of a second.
_LIST: Final = re.compile(rf"[ \t,]*{_TAG}(?:[ \t]*,[ \t,]*{_TAG})*[ \t,]*")
_ONE: Final = re.compile(_TAG)
_MAX_LENGTH: Final = 8192


def check_if_match(condition: str | None, current: str) -> None:
    """Hold an ``If-Match``; ``*`` asks only that there is something.

    Raises:
        BadRequestError: It is neither ``*`` nor a list of entity tags.
        PreconditionFailedError: The current tag is not listed; a weak one never matches.
    """
    if condition is not None and condition.strip() != _ANY and current not in _tags(condition, "If-Match"):
        raise PreconditionFailedError(f"If-Match does not hold: the entity tag is {current}")


def is_current(condition: str | None, current: str) -> bool:
    """Whether an ``If-None-Match`` names what the caller would get (304); a weak tag does.

    Raises:
        BadRequestError: It is neither ``*`` nor a list of entity tags.
    """
    if condition is None:
        return False
    if condition.strip() == _ANY:
        return True
    return current in {tag.removeprefix("W/") for tag in _tags(condition, "If-None-Match")}


def _tags(condition: str, header: str) -> list[str]:
    if len(condition) > _MAX_LENGTH or not _LIST.fullmatch(condition):
        raise BadRequestError(f'{header} must be * or a list of entity tags such as "a1b2-7"')
    return _ONE.findall(condition)
