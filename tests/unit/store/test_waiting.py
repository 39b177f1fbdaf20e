"""The driver's lock belongs to nobody after a wait for a server was cancelled, whenever that was."""

import asyncio

import pytest
from pymongo.lock import _async_cond_wait, _async_create_condition, _async_create_lock

from libs.store.waiting import correct_waiting
from tests.support.waiting import eventually


async def test_a_wait_cancelled_while_it_takes_the_lock_back_gives_it_up_again() -> None:
    correct_waiting()
    lock = _async_create_lock()
    condition = _async_create_condition(lock)
    holds = asyncio.Event()

    async def wait_for_a_server() -> None:
        async with lock:
            holds.set()
            await _async_cond_wait(condition, 0.01)

    async def wants_the_lock() -> bool:
        return "waiters:1" in repr(lock)

    waiting = asyncio.get_running_loop().create_task(wait_for_a_server(), name="waiting")
    await holds.wait()
    async with lock:
        await eventually(wants_the_lock, what="the wait is over and wants the lock back", deadline_s=5)
        waiting.cancel()
        await asyncio.sleep(0)
    with pytest.raises(asyncio.CancelledError):
        await waiting

    assert not lock.locked()
