"""A store in good health."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from pymongo import AsyncMongoClient, monitoring

from libs.contracts.errors import InternalError, PayloadTooLargeError
from libs.store import (
    DuplicateError,
    Index,
    IndexConflictError,
    Store,
    StoreRefusedError,
    store_errors,
)
from tests.component.store.conftest import Open
from tests.support.servers import StoreServer, fresh_database

BY_TOKEN = Index(name="by_token", keys=[("application", 1), ("token", 1)], unique=True)


class SentCommands(monitoring.CommandListener):
    """What really went to the server."""

    def __init__(self) -> None:
        self.commands: list[dict[str, Any]] = []

    def started(self, event: monitoring.CommandStartedEvent) -> None:
        self.commands.append(dict(event.command))

    def succeeded(self, event: monitoring.CommandSucceededEvent) -> None:
        pass

    def failed(self, event: monitoring.CommandFailedEvent) -> None:
        pass


async def test_documents_come_back_as_they_were_with_aware_instants(
    server: StoreServer, open_store: Open
) -> None:
    store = await open_store(server.url)
    document = {
        "_id": uuid4(),
        "at": datetime(2026, 2, 3, 4, 5, 6, 789000, tzinfo=UTC),
        "nested": {"list": [1, 2.5, None, "ä"]},
    }

    with store_errors():
        await store.collection("things").insert_one(document)
        found = await store.collection("things").find_one({"_id": document["_id"]})

    assert found == document
    assert found["at"].utcoffset() == timedelta(0)


async def test_every_write_asks_for_majority_and_journal_whatever_the_url_says(server: StoreServer) -> None:
    sent = SentCommands()
    client = AsyncMongoClient[dict[str, Any]](server.url + "&w=1&journal=false", event_listeners=[sent])
    store = Store(client, database=fresh_database(), allow_volatile=False)
    things = store.collection("things")

    await things.insert_one({"_id": 1})
    await things.update_one({"_id": 1}, {"$set": {"a": 1}})
    await things.find_one_and_update({"_id": 1}, {"$set": {"a": 2}})
    await things.insert_many([{"_id": 2}, {"_id": 3}], ordered=False)
    await things.delete_one({"_id": 1})
    await store.close()

    writes = [
        command for command in sent.commands if {"insert", "update", "findAndModify", "delete"} & set(command)
    ]
    assert len(writes) == 5
    assert all(command["writeConcern"] == {"w": "majority", "j": True} for command in writes)


async def test_a_duplicate_names_its_index(server: StoreServer, open_store: Open) -> None:
    store = await open_store(server.url)
    things = store.collection("things")
    await store.ensure(things, [BY_TOKEN])
    await things.insert_one({"_id": 1, "application": "a", "token": "t"})

    with pytest.raises(DuplicateError) as on_index, store_errors():
        await things.insert_one({"_id": 2, "application": "a", "token": "t"})
    with pytest.raises(DuplicateError) as on_id, store_errors():
        await things.insert_one({"_id": 1})

    assert on_index.value.key_pattern == ("application", "token")
    assert on_id.value.key_pattern == ("_id",)


async def test_only_matching_documents_are_bound_by_a_partial_index(
    server: StoreServer, open_store: Open
) -> None:
    store = await open_store(server.url)
    things = store.collection("things")
    await store.ensure(
        things,
        [Index(name="by_name", keys=[("name", 1)], unique=True, partial={"name": {"$exists": True}})],
    )

    await things.insert_many([{"_id": 1}, {"_id": 2}, {"_id": 3, "name": "fig"}])

    with pytest.raises(DuplicateError), store_errors():
        await things.insert_one({"name": "fig"})


async def test_indexes_may_be_ensured_again(server: StoreServer, open_store: Open) -> None:
    store = await open_store(server.url)
    things = store.collection("things")

    for _ in range(2):
        await store.ensure(things, [BY_TOKEN])

    assert set(await things.index_information()) == {"_id_", "by_token"}


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(Index(name="by_token", keys=BY_TOKEN.keys), id="not unique"),
        pytest.param(Index(name="by_token", keys=[("token", 1)], unique=True), id="other keys"),
        pytest.param(Index(name="tokens", keys=BY_TOKEN.keys, unique=True), id="other name"),
    ],
)
async def test_an_index_that_is_there_under_other_terms_is_refused(
    server: StoreServer, open_store: Open, other: Index
) -> None:
    store = await open_store(server.url)
    things = store.collection("things")
    await store.ensure(things, [BY_TOKEN])

    with pytest.raises(
        IndexConflictError, match=rf"index '{other.name}' of test_\w+\.things exists with other"
    ):
        await store.ensure(things, [other])


async def test_an_index_that_documents_already_violate_is_refused(
    server: StoreServer, open_store: Open
) -> None:
    store = await open_store(server.url)
    things = store.collection("things")
    await things.insert_many([{"application": "a", "token": "t"}, {"application": "a", "token": "t"}])

    with pytest.raises(IndexConflictError, match="some documents have equal keys"):
        await store.ensure(things, [BY_TOKEN])


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        pytest.param({"blob": b"x" * (17 * 2**20)}, PayloadTooLargeError, id="17 MiB"),
        pytest.param({"number": 2**70}, InternalError, id="integer beyond 64 bits"),
        pytest.param({"a\0b": 1}, InternalError, id="NUL in a key"),
    ],
)
async def test_what_cannot_be_stored_is_an_error_of_ours(
    server: StoreServer, open_store: Open, document: dict[str, Any], expected: type[Exception]
) -> None:
    store = await open_store(server.url)

    with pytest.raises(expected), store_errors():
        await store.collection("things").insert_one(document)


async def test_a_url_that_cannot_be_understood_is_refused_without_showing_it() -> None:
    with pytest.raises(StoreRefusedError) as raised:
        Store.open("mongodb://user:hidden@host:port:port/", database="d", app_name="test")

    assert "hidden" not in str(raised.value)


async def test_wrong_credentials_are_refused_instead_of_waited_for(
    server: StoreServer, open_store: Open
) -> None:
    store = await open_store(server.url.replace("//", "//user:hidden@"))

    with pytest.raises(StoreRefusedError, match=r"authentication failed \(code 18\)"):
        await store.wait_until_available()


async def test_retried_writes_are_refused_where_they_would_happen_twice(
    server: StoreServer, open_store: Open
) -> None:
    store = await open_store(f"mongodb://127.0.0.1:{server.port}/?directConnection=true")

    with pytest.raises(StoreRefusedError, match="retryWrites=false"):
        await store.wait_until_available()
