"""What every repository of batch tasks promises, held against the fake and against the real store."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta

import pytest

from libs.contracts.errors import InternalError
from libs.contracts.ids import ApplicationName, AppVersionName, EndpointId
from libs.store import Store
from services.endpoint_register.domain.batch import Batch, BatchId, BatchItem, BatchState
from services.endpoint_register.domain.sealing import SealingBox, SealingKeyError
from services.endpoint_register.mongo import MongoBatchRepository
from services.endpoint_register.ports import BatchRepository
from tests.support.rest import Json
from tests.support.servers import StoreServer, fresh_database
from tests.unit.endpoint_register.record_fakes import InMemoryBatchRepository
from tests.unit.endpoint_register.time_and_chance import START

KEY = "a key of the tests, long enough for all"
OLIVES = ApplicationName("olives")
SOON = START + timedelta(seconds=30)


@dataclass
class Kept:
    """A repository, and what is behind it where there is something."""

    batches: BatchRepository
    store: Store | None = None


@pytest.fixture(params=["memory", "store"])
async def kept(request: pytest.FixtureRequest, server: StoreServer) -> AsyncIterator[Kept]:
    if request.param == "memory":
        yield Kept(InMemoryBatchRepository())
        return
    store = Store.open(server.url, database=fresh_database(), app_name="test")
    batches = MongoBatchRepository(store, box=SealingBox(KEY))
    await batches.prepare()
    yield Kept(batches, store)
    await store.close()


def item(name: str, **fields: Json) -> BatchItem:
    metadata = {"a.b": {"$set": [1, 1.0, None, True, -(2**63), 2**63 - 1, "größe"]}}
    defaults = {
        "endpoint_id": EndpointId(name),
        "token": f"token of {name}",
        "metadata": metadata,
        "given_id": True,
        "given_token": False,
    }
    return BatchItem(**{**defaults, **fields})


def offered(name: str = "task", **fields: Json) -> Batch:
    defaults = {
        "id": BatchId(name),
        "application": OLIVES,
        "version": AppVersionName("olives-v1"),
        "correlation_id": "c",
        "created_at": START,
        "due_at": START,
        "items": tuple(item(f"{name}-{number}") for number in range(12)),
    }
    return Batch(**{**defaults, **fields})


async def test_a_task_is_found_as_it_was_stored_and_changed(kept: Kept) -> None:
    first = offered()
    await kept.batches.add(first)
    stored = await kept.batches.find(first.id)
    claimed = first.admitted(at=START).claimed(until=SOON)
    assert await kept.batches.replace(first, first.admitted(at=START))
    assert await kept.batches.replace(first.admitted(at=START), claimed)
    noted = claimed.noted({0: None, 11: "the token is taken"}, at=START, until=SOON)
    assert await kept.batches.replace(claimed, noted)
    again = noted.noted({5: None}, at=START, until=SOON)
    assert await kept.batches.replace(noted, again)

    assert repr(stored) == repr(first)
    assert await kept.batches.find(first.id) == again
    assert await kept.batches.find(BatchId("other")) is None


async def test_the_second_of_two_changes_loses(kept: Kept) -> None:
    task = offered().admitted(at=START)
    await kept.batches.add(task)
    claimed = task.claimed(until=SOON)

    assert await kept.batches.replace(task, claimed)
    assert not await kept.batches.replace(task, task.claimed(until=SOON + timedelta(seconds=1)))
    assert await kept.batches.find(task.id) == claimed


async def test_what_is_done_is_not_waiting_and_forgets_tokens_then_itself(kept: Kept) -> None:
    task = offered().admitted(at=START)
    await kept.batches.add(task)
    await kept.batches.add(offered("another"))
    before = await kept.batches.waiting(OLIVES)
    done = task.noted(dict.fromkeys(range(12)), at=START, until=SOON)
    assert await kept.batches.replace(task, done)
    silent = done.without_tokens(done_at=START)
    assert await kept.batches.replace(done, silent)
    found = await kept.batches.find(task.id)

    await kept.batches.remove(done)
    stays = await kept.batches.find(task.id)
    await kept.batches.remove(silent)

    assert (before, await kept.batches.waiting(OLIVES)) == (2, 1)
    assert await kept.batches.waiting(ApplicationName("figs")) == 0
    assert done.holds_tokens
    assert found == silent
    assert found is not None
    assert (found.state, found.holds_tokens) == (BatchState.DONE, False)
    assert stays == silent
    assert await kept.batches.find(task.id) is None


async def test_what_is_due_comes_in_the_order_of_its_waiting(kept: Kept) -> None:
    for name, after_s in (("late", 10), ("first", 1), ("second", 2), ("now", 3)):
        await kept.batches.add(offered(name, due_at=START + timedelta(seconds=after_s)))
    now = START + timedelta(seconds=3)

    assert await kept.batches.due(at=now, limit=10) == ["first", "second", "now"]
    assert await kept.batches.due(at=now, limit=2) == ["first", "second"]


async def test_nothing_that_was_asked_for_lies_in_the_store_readable(kept: Kept) -> None:
    if kept.store is None:
        pytest.skip("only the store could be stolen")
    await kept.batches.add(offered())
    (document,) = await kept.store.collection("batches").find({}).to_list()

    assert b"token of" not in repr(document).encode()
    assert b"token of" not in bytes(document["items"])


async def test_under_another_key_or_name_a_task_cannot_be_read(kept: Kept) -> None:
    if kept.store is None:
        pytest.skip("the fake seals nothing")
    await kept.batches.add(offered())
    await kept.batches.add(offered("another"))
    collection = kept.store.collection("batches")
    (other,) = await collection.find({"_id": "another"}).to_list()
    await collection.update_one({"_id": "task"}, {"$set": {"items": other["items"]}})
    elsewhere = MongoBatchRepository(kept.store, box=SealingBox(KEY + "!"))

    with pytest.raises(InternalError):
        await kept.batches.find(BatchId("task"))
    with pytest.raises(InternalError):
        await elsewhere.find(BatchId("another"))


def test_a_short_key_protects_nothing() -> None:
    with pytest.raises(SealingKeyError, match="32"):
        SealingBox("short")
