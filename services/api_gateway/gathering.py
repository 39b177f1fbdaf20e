"""Answers that are one array or object in REST and several messages on the bus."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from libs.contracts.errors import DeadlineError, PayloadTooLargeError
from libs.contracts.messages import Reply, Request
from libs.contracts.subjects import Operation
from services.api_gateway.ports import Owners

MAX_MESSAGES: Final = 128
"""Each has at most 768 KiB, so this bounds what one answer takes here."""

REST_WITHIN_S: Final = 15.0
"""For all messages after the first: each alone may take as long as any answer, and 128 of them minutes."""


async def ask_for_all(
    owners: Owners,
    operation: Operation[Any, Any],
    message: Request,
    *,
    timeout_s: float | None,
    rest_within_s: float = REST_WITHIN_S,
) -> Reply:
    """Ask an owner, and again for what follows while its reply names a ``next``.

    Raises:
        PayloadTooLargeError: There is more than one answer can hold.
        DeadlineError: What follows did not come in time.
        GroveError: What the owner answered, or that it could not be asked.
    """
    first: Reply = await owners.ask(operation, message, timeout_s=timeout_s)
    if not getattr(first, "next", ""):
        return first
    entries = _Entries(getattr(first, "body", ()))
    reply = first
    try:
        async with asyncio.timeout(rest_within_s):
            for _ in range(MAX_MESSAGES - 1):
                following = msgspec.structs.replace(message, after=getattr(reply, "next", ""))
                reply = await owners.ask(operation, following, timeout_s=timeout_s)
                entries.add(getattr(reply, "body", ()))
                if not getattr(reply, "next", ""):
                    return msgspec.structs.replace(first, body=entries.all)
    except TimeoutError as error:
        raise DeadlineError("the list did not come in time; read the entries one by one") from error
    raise PayloadTooLargeError("the list is too long for one answer; read the entries one by one")


class _Entries:
    """Entries of an array, or members of an object."""

    def __init__(self, first: Sequence[Any] | Mapping[str, Any]) -> None:
        self.all: Any = dict(first) if isinstance(first, Mapping) else list(first)

    def add(self, more: Sequence[Any] | Mapping[str, Any]) -> None:
        """Take in what another message holds."""
        if isinstance(self.all, dict):
            self.all.update(more)
        else:
            self.all.extend(more)
