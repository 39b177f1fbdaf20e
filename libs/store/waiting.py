"""A correction of the driver for Python 3.11: a cancelled wait must not keep the driver's lock.

PyMongo waits for a server with ``wait_for(condition.wait(), ...)``. Until Python 3.12 ``wait_for`` ran that
wait in a task of its own and left it behind when it was cancelled a second time (cpython#86296, not
backported): whoever was told "cancelled" then released a lock that was somebody else's, and the task left
behind took it for ever. Every operation of the client hung from then on, also when the store was long back;
seen when one of several writes failed during an outage and a task group cancelled the others.
"""

import asyncio
import sys
from collections.abc import Awaitable
from typing import TypeVar

import pymongo.lock

T = TypeVar("T")


def correct_waiting() -> None:
    """Make the driver wait as it does on Python 3.12; to be called before a client is opened."""
    if sys.version_info < (3, 12):
        pymongo.lock.wait_for = _wait_for  # type: ignore[attr-defined, assignment]  # not ours to set; narrower, and all it is called with


async def _wait_for(waiting: Awaitable[T], timeout: float | None) -> T:  # noqa: ASYNC109 - the signature of asyncio
    async with asyncio.timeout(timeout):
        return await waiting
