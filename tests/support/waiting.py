"""Wait for a condition with a deadline instead of sleeping for luck."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")

_PAUSE_S = 0.02


async def eventually(look: Callable[[], Awaitable[T]], *, what: str, deadline_s: float = 20.0) -> T:
    """Call ``look`` until it returns something true, and return that.

    Exceptions of ``look`` count as "not yet"; the last one is the cause of the failure.

    Raises:
        TimeoutError: ``what`` did not become true in time.
    """
    until = time.monotonic() + deadline_s
    cause: Exception | None = None
    while time.monotonic() < until:
        try:
            async with asyncio.timeout_at(asyncio.get_running_loop().time() + until - time.monotonic()):
                found = await look()
        except Exception as error:  # noqa: BLE001 - whatever it is, it is told at the deadline
            cause = error
        else:
            cause = None
            if found:
                return found
        await asyncio.sleep(_PAUSE_S)
    message = f"not within {deadline_s:g} s: {what}"
    raise TimeoutError(message) from cause
