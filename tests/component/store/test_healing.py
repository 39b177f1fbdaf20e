"""What callers see while the store is killed, frozen or not there yet, and that it heals by itself."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable

import pytest
from bson import ObjectId
from pymongo import UpdateOne

from libs.contracts.errors import UnavailableError
from libs.store import Store, store_errors
from libs.store.client import MAX_CONNECTIONS, OPERATION_S
from tests.component.store.conftest import Open
from tests.support.servers import StoreServer
from tests.support.waiting import eventually

SLACK_S = 1.5  # two shared cores: a deadline is kept when it is kept within this


class Callers:
    """Many callers at once who write and read until told to stop, and remember what they saw."""

    def __init__(self, store: Store) -> None:
        self.outcomes: Counter[str] = Counter()
        self.slowest_s = 0.0
        self.acknowledged: list[ObjectId] = []
        self._things = store.collection("things")
        self._done = False

    async def run(self, callers: int) -> None:
        async with asyncio.TaskGroup() as group:
            for number in range(callers):
                group.create_task(self._call(self._insert if number % 2 else self._read))

    def stop(self) -> None:
        self._done = True

    def forget(self) -> None:
        self.outcomes.clear()

    async def missing(self) -> int:
        found = {each["_id"] async for each in self._things.find({}, {"_id": 1})}
        return len(set(self.acknowledged) - found)

    async def _call(self, operation: Callable[[], Awaitable[None]]) -> None:
        while not self._done:
            began = time.monotonic()
            try:
                with store_errors():
                    await operation()
            except UnavailableError:
                self.outcomes["unavailable"] += 1
                await asyncio.sleep(0.02)
            else:
                self.outcomes["ok"] += 1
            self.slowest_s = max(self.slowest_s, time.monotonic() - began)

    async def _insert(self) -> None:
        identifier = ObjectId()
        await self._things.insert_one({"_id": identifier})
        self.acknowledged.append(identifier)

    async def _read(self) -> None:
        await self._things.find_one({"_id": "none"})


async def until(callers: Callers, outcome: str, number: int) -> None:
    async def reached() -> bool:
        return callers.outcomes[outcome] >= number

    await eventually(reached, what=f"{number} times {outcome}", deadline_s=20)


async def test_killing_the_store_loses_nothing_and_heals_without_a_burst_of_errors(
    fragile: StoreServer, open_store: Open
) -> None:
    callers = Callers(await open_store(fragile.url))
    async with asyncio.TaskGroup() as group:
        group.create_task(callers.run(30))
        for _ in range(2):
            await until(callers, "ok", 200)

            await fragile.kill()
            await until(callers, "unavailable", 1)
            await fragile.start()
            await until(callers, "ok", callers.outcomes["ok"] + 30)
            callers.forget()
            await until(callers, "ok", 200)

            assert callers.outcomes["unavailable"] == 0
        callers.stop()

    assert callers.slowest_s < OPERATION_S + SLACK_S
    assert await callers.missing() == 0


async def test_a_frozen_store_costs_each_call_its_deadline_and_is_used_again_at_once(
    fragile: StoreServer, open_store: Open
) -> None:
    callers = Callers(await open_store(fragile.url))
    async with asyncio.TaskGroup() as group:
        group.create_task(callers.run(60))
        await until(callers, "ok", 200)

        await fragile.pause()
        await until(callers, "unavailable", 60)
        await fragile.resume()
        resumed_at = time.monotonic()
        await until(callers, "ok", callers.outcomes["ok"] + 1)
        healed_s = time.monotonic() - resumed_at
        await until(callers, "ok", callers.outcomes["ok"] + 200)
        callers.stop()

    assert callers.slowest_s < OPERATION_S + SLACK_S
    assert healed_s < OPERATION_S
    assert await callers.missing() == 0


async def test_a_restart_that_nobody_noticed_costs_no_idle_connection_an_error(
    fragile: StoreServer, open_store: Open
) -> None:
    store = await open_store(fragile.url)
    things = store.collection("things")
    await asyncio.gather(*(things.find_one({}) for _ in range(32)))

    await fragile.kill()
    await fragile.start()
    with store_errors():
        await asyncio.gather(*(things.insert_one({"_id": number}) for number in range(32)))

    assert await things.count_documents({}) == 32


async def test_a_ping_fails_while_the_store_is_away_and_works_again_afterwards(
    fragile: StoreServer, open_store: Open
) -> None:
    store = await open_store(fragile.url)
    await store.ping()

    await fragile.kill()
    with pytest.raises(UnavailableError):
        await store.ping()
    await fragile.start()

    await store.ping()


async def test_an_abandoned_call_takes_no_connection_with_it(fragile: StoreServer, open_store: Open) -> None:
    store = await open_store(fragile.url)
    await asyncio.gather(*(store.ping() for _ in range(MAX_CONNECTIONS)))
    await fragile.pause()

    # Half of the open connections: pymongo leaves one given up while it connects to the collector.
    async def abandon() -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await store.ping()

    await asyncio.gather(*(abandon() for _ in range(MAX_CONNECTIONS // 2)))
    await fragile.resume()

    async with asyncio.timeout(2):
        await asyncio.gather(*(store.ping() for _ in range(MAX_CONNECTIONS)))


async def test_a_service_started_before_its_store_waits_for_it(
    fragile: StoreServer, open_store: Open
) -> None:
    await fragile.kill()
    store = await open_store(fragile.url)

    async with asyncio.TaskGroup() as group:
        waiting = group.create_task(store.wait_until_available())
        finished, _ = await asyncio.wait({waiting}, timeout=1.0)
        await fragile.start()

    assert not finished
    await store.ping()


@pytest.mark.parametrize("operation", ["read", "write", "bulk"])
async def test_no_cancellation_is_lost_in_the_driver(
    server: StoreServer, open_store: Open, operation: str
) -> None:
    things = (await open_store(server.url)).collection("things")
    await things.insert_one({"_id": 1})
    chance = random.Random(7)

    async def read() -> None:
        await things.find({"_id": 1}).to_list()

    async def write() -> None:
        await things.update_one({"_id": 1}, {"$set": {"n": 1}})

    async def bulk() -> None:
        await things.bulk_write([UpdateOne({"_id": 1}, {"$set": {"n": 1}})])

    async def work() -> None:
        while True:
            with store_errors():
                await {"read": read, "write": write, "bulk": bulk}[operation]()

    for _ in range(100):
        async with asyncio.TaskGroup() as group:
            worker = group.create_task(work(), name="work")
            await asyncio.sleep(chance.uniform(0, 0.02))
            worker.cancel()
            await asyncio.wait([worker], timeout=5)
            assert worker.cancelled()


async def test_a_task_that_was_cancelled_may_use_the_store_to_clean_up(
    server: StoreServer, open_store: Open
) -> None:
    things = (await open_store(server.url)).collection("things")

    async def work() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            with store_errors():
                await things.insert_one({"_id": "cleaned"})

    async with asyncio.TaskGroup() as group:
        worker = group.create_task(work(), name="work")
        await asyncio.sleep(0)
        worker.cancel()

    assert await things.find_one({"_id": "cleaned"}) is not None


async def test_closing_does_not_wait_for_a_store_that_is_away(fragile: StoreServer) -> None:
    store = Store.open(fragile.url, database="away", app_name="test")
    await store.collection("things").insert_one({"_id": 1})
    await fragile.kill()
    began = time.monotonic()

    await store.close()

    assert time.monotonic() - began < 1 + SLACK_S
