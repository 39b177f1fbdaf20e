"""Answers that are one array in REST and several messages on the bus."""

from typing import Any, Final

import msgspec

from libs.contracts.errors import PayloadTooLargeError
from libs.contracts.messages import Reply, Request
from libs.contracts.subjects import Operation
from services.api_gateway.ports import Owners

MAX_MESSAGES: Final = 128
"""Each has at most 768 KiB, so this bounds what one answer takes here."""


async def ask_for_all(
    owners: Owners, operation: Operation[Any, Any], message: Request, *, timeout_s: float | None
) -> Reply:
    """Ask an owner, and again for what follows while its reply names a ``next``.

    Raises:
        PayloadTooLargeError: There is more than one answer can hold.
        GroveError: What the owner answered, or that it could not be asked.
    """
    reply: Reply = await owners.ask(operation, message, timeout_s=timeout_s)
    if not getattr(reply, "next", ""):
        return reply
    first, entries = reply, list(getattr(reply, "body", ()))
    for _ in range(MAX_MESSAGES - 1):
        following = msgspec.structs.replace(message, after=getattr(reply, "next", ""))
        reply = await owners.ask(operation, following, timeout_s=timeout_s)
        entries += getattr(reply, "body", ())
        if not getattr(reply, "next", ""):
            return msgspec.structs.replace(first, body=entries)
    raise PayloadTooLargeError("the list is too long for one answer; read the entries one by one")
