"""Decide on what is stored, write it if it still is what was decided on, else decide again.

Nothing is locked: a decision that was overtaken is simply made anew (delivery rule 12).
"""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Final, TypeVar

from libs.contracts.errors import ConflictError
from services.credential_manager.domain import Change, Record
from services.credential_manager.ports import Parts

T = TypeVar("T", bound=Record)

MAX_TRIES: Final = 16
"""Every lost race is somebody else's success, so more than a few in a row mean a mistake."""


def new_change(parts: Parts, *, told_by_us: bool = True) -> Change:
    """Draw a change that is made now.

    Args:
        parts: Where time and chance come from.
        told_by_us: The caller tells it and waits; otherwise it is due in the background at once.
    """
    now = parts.clock.now()
    delay_s = parts.tell_within_s if told_by_us else 0.0
    return Change(attempt=parts.entropy.attempt(), at=now, announce_from=now + timedelta(seconds=delay_s))


async def change(
    find: Callable[[], Awaitable[T]],
    decide: Callable[[T], Awaitable[T | None]],
    replace: Callable[[T, T], Awaitable[bool]],
) -> T:
    """Apply ``decide`` to what ``find`` gives, and return the record as it is afterwards.

    Args:
        find: Reads the record anew each time, or raises.
        decide: The record as it shall be; None to leave it as it is; or raises.
        replace: Compare-and-set; False when the first is not current any more.

    Raises:
        ConflictError: It was overtaken again and again.
    """
    for _ in range(MAX_TRIES):
        before = await find()
        after = await decide(before)
        if after is None:
            return before
        if await replace(before, after):
            return after
    raise ConflictError("too many concurrent changes; try again")
