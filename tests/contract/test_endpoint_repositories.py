"""What every repository of endpoints promises, held against the fake and against the real store."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import timedelta

import pytest
import structlog

from libs.contracts.errors import PayloadTooLargeError
from libs.contracts.ids import ApplicationName, AppVersionName, EndpointId
from libs.contracts.payload import JsonValue
from libs.store import Store
from services.endpoint_register.domain.endpoint import Endpoint, EndpointState
from services.endpoint_register.domain.metadata import Difference
from services.endpoint_register.mongo import MongoEndpointListing, MongoEndpointRepository
from services.endpoint_register.ports import EndpointListing, EndpointRepository
from tests.support.rest import Json
from tests.support.servers import StoreServer, fresh_database
from tests.unit.endpoint_register.endpoint_fakes import InMemoryEndpointListing, InMemoryEndpointRepository
from tests.unit.endpoint_register.time_and_chance import START, ManualClock

V1 = AppVersionName("olives-v1")


@dataclass
class Kept:
    """A repository with its listing, and the clock of both."""

    endpoints: EndpointRepository
    listing: EndpointListing
    clock: ManualClock
    store: Store | None = None


@pytest.fixture(params=["memory", "store"])
async def kept(request: pytest.FixtureRequest, server: StoreServer) -> AsyncIterator[Kept]:
    clock = ManualClock()
    if request.param == "memory":
        yield Kept(InMemoryEndpointRepository(clock=clock), InMemoryEndpointListing(), clock)
        return
    store = Store.open(server.url, database=fresh_database(), app_name="test")
    endpoints, listing = MongoEndpointRepository(store, clock=clock), MongoEndpointListing(store)
    await endpoints.prepare()
    await listing.prepare()
    yield Kept(endpoints, listing, clock, store)
    await store.close()


def endpoint(name: str = "tree", **fields: Json) -> Endpoint:
    defaults = {
        "id": EndpointId(name),
        "application": ApplicationName("olives"),
        "version": V1,
        "version_since": START,
        "created_at": START,
        "incarnation": f"of-{name}",
    }
    return Endpoint(**{**defaults, **fields})


def changed(before: Endpoint, **metadata: Json) -> Endpoint:
    difference = Difference(before.metadata, metadata)
    return before.with_metadata(metadata, difference, at=START, correlation_id="c")


async def ready(kept: Kept, name: str = "tree", **fields: Json) -> Endpoint:
    hidden = endpoint(name, **fields)
    assert await kept.endpoints.add(hidden)
    there = hidden.registered(correlation_id="c")
    assert await kept.endpoints.replace(hidden, there)
    return there


async def test_an_endpoint_is_found_as_it_was_stored(kept: Kept) -> None:
    stored = await ready(kept, metadata={"a": {"b": [1, 1.0, None, True, -(2**63)]}})

    assert await kept.endpoints.find(stored.id, outbox=True) == stored
    assert await kept.endpoints.find(EndpointId("other")) is None


async def test_only_what_is_asked_for_is_read(kept: Kept) -> None:
    stored = await ready(kept, metadata={"a": 1})

    bare = await kept.endpoints.find(stored.id, metadata=False)

    assert bare == replace(stored, metadata={}, outbox=())


@pytest.mark.parametrize(
    "value",
    [
        pytest.param({"$set": 1}, id="operator"),
        pytest.param({"a.b": 1}, id="dot"),
        pytest.param({".": {"$": {"": 0}}}, id="nothing but"),
        pytest.param({"$ref": "x", "$id": 1, "$db": "y"}, id="reference"),
        pytest.param({"$oid": "5" * 24}, id="object id"),
        pytest.param({"_id": 1, "__proto__": 2}, id="other people's names"),
        pytest.param({"%24set": 1, "%": 2, "a%2Eb": 3}, id="already escaped"),
        pytest.param({"größe\U0001f333": "\x00\u2028"}, id="unicode"),
        pytest.param([[], {}, [[{"$x": [{}]}]]], id="nesting"),
        pytest.param([1, 1.0, 0.1, 1e308, 5e-324, 2**53 + 1, 2**63 - 1, -(2**63)], id="numbers"),
    ],
)
async def test_any_json_value_survives(kept: Kept, value: Json) -> None:
    stored = await ready(kept)
    assert await kept.endpoints.replace(stored, changed(stored, key=value))

    found = await kept.endpoints.find(stored.id)

    assert found is not None
    assert repr(found.metadata) == repr({"key": value})


async def test_an_id_is_taken_once(kept: Kept) -> None:
    first = endpoint()

    assert await kept.endpoints.add(first)
    assert await kept.endpoints.add(first), "the same insert again is our own"
    assert not await kept.endpoints.add(replace(first, incarnation="another"))
    assert await kept.endpoints.find(first.id) == first


async def test_the_second_of_two_changes_loses(kept: Kept) -> None:
    stored = await ready(kept)
    one, other = changed(stored, n=1), changed(stored, n=2)

    assert await kept.endpoints.replace(stored, one)
    assert not await kept.endpoints.replace(stored, other)
    assert not await kept.endpoints.replace(replace(one, incarnation="another"), changed(one, n=3))

    found = await kept.endpoints.find(stored.id, outbox=True)
    assert found is not None
    assert found.metadata == {"n": 1}
    assert [entry.seq for entry in found.outbox] == [1, 2]


async def test_a_change_leaves_alone_what_was_not_read(kept: Kept) -> None:
    stored = await ready(kept, metadata={"a": 1})
    bare = await kept.endpoints.find(stored.id, metadata=False)
    assert bare is not None

    assert await kept.endpoints.replace(
        bare, bare.moved(AppVersionName("olives-v2"), at=START, correlation_id="")
    )

    found = await kept.endpoints.find(stored.id, outbox=True)
    assert found is not None
    assert (found.version, found.metadata) == ("olives-v2", {"a": 1})
    assert [entry.kind.name for entry in found.outbox] == ["registered", "appversion-updated"]


async def due(kept: Kept) -> list[Endpoint]:
    before = kept.clock.now() + timedelta(seconds=1)
    return [each async for each in kept.endpoints.unfinished(before=before)]


async def test_an_outbox_is_emptied_and_the_endpoint_is_finished(kept: Kept) -> None:
    stored = await ready(kept)

    await kept.endpoints.forget_told([stored])

    found = await kept.endpoints.find(stored.id, outbox=True)
    assert found is not None
    assert found.outbox == ()
    assert await due(kept) == []


async def test_what_was_written_after_the_telling_stays(kept: Kept) -> None:
    stored, other = await ready(kept), await ready(kept, "other")
    later = changed(stored, n=1)
    assert await kept.endpoints.replace(stored, later)

    await kept.endpoints.forget_told([stored])
    await kept.endpoints.forget_told([other])

    (left,) = await due(kept)
    assert (left.id, [entry.seq for entry in left.outbox]) == (stored.id, [2])


async def test_a_change_between_reading_and_forgetting_is_not_lost(kept: Kept) -> None:
    """The outbox is emptied after it was read for a change and before the change is written."""
    stored = await ready(kept)
    read = await kept.endpoints.find(stored.id, outbox=True)
    assert read is not None
    await kept.endpoints.forget_told([stored])

    assert await kept.endpoints.replace(read, changed(read, n=1))

    (left,) = await due(kept)
    assert [entry.seq for entry in left.outbox] == [2]


async def test_unfinished_ones_come_oldest_first_without_metadata(kept: Kept) -> None:
    await kept.endpoints.add(endpoint("first", metadata={"a": 1}))
    kept.clock.pass_s(10)
    await ready(kept, "second")
    soon = kept.clock.now()

    found = [each async for each in kept.endpoints.unfinished(before=soon)]

    assert [(each.id, each.metadata, each.state) for each in found] == [("first", {}, EndpointState.CREATING)]
    assert [each.id for each in await due(kept)] == ["first", "second"]


async def test_only_the_same_state_of_the_same_incarnation_is_removed(kept: Kept) -> None:
    stored = await ready(kept)

    await kept.endpoints.remove(replace(stored, incarnation="another"))
    await kept.endpoints.remove(replace(stored, state=EndpointState.DELETING))
    still_there = await kept.endpoints.find(stored.id)
    await kept.endpoints.remove(stored)

    assert still_there is not None
    assert await kept.endpoints.find(stored.id) is None


async def test_endpoints_at_a_version_are_found_whatever_their_state(kept: Kept) -> None:
    await kept.endpoints.add(endpoint("hidden"))
    await ready(kept, "seen")
    await ready(kept, "elsewhere", version=AppVersionName("olives-v2"))

    assert set(await kept.endpoints.at_version(V1, limit=10)) == {"hidden", "seen"}
    assert len(await kept.endpoints.at_version(V1, limit=1)) == 1


async def test_keys_in_use_are_those_of_ready_endpoints(kept: Kept) -> None:
    await kept.endpoints.add(endpoint("hidden", metadata={"z": 1}))
    await ready(kept, "a", metadata={"x": 1, "y": {"inner": 1}})
    await ready(kept, "b", metadata={"x": 1})

    assert await kept.endpoints.metadata_keys(V1) == ["x", "y"]


async def test_many_are_found_at_once(kept: Kept) -> None:
    for number in range(70):
        await ready(kept, f"e{number}", metadata={"n": number})
    ids = [EndpointId(f"e{number}") for number in range(100)]

    with_metadata = await kept.endpoints.find_many(ids, metadata=True)
    bare = await kept.endpoints.find_many(ids, metadata=False)

    assert {each.id: each.metadata["n"] for each in with_metadata} == {f"e{n}": n for n in range(70)}
    assert {len(each.metadata) for each in bare} == {0}


async def values(kept: Kept, ids: list[EndpointId], key: str) -> dict[EndpointId, JsonValue]:
    return {
        name: value async for some in kept.endpoints.metadata_values(ids, key) for name, value in some.items()
    }


async def test_values_of_one_key_are_read_without_the_rest(kept: Kept) -> None:
    held: list[Json] = [None, False, -1.5, 2**63 - 1, "größe", [{"a.b": [None]}], {"$ref": 1, "%24ref": {}}]
    for number, value in enumerate(held):
        await ready(kept, f"e{number}", metadata={"row": value, "rows": "another", "ro": 1})
    await ready(kept, "without", metadata={"rows": {"row": 1}})
    await kept.endpoints.add(endpoint("hidden", metadata={"row": 0}))
    ids = [EndpointId(f"e{number}") for number in range(80)]

    found = await values(kept, [*ids, EndpointId("without"), EndpointId("hidden")], "row")

    expected = {f"e{number}": value for number, value in enumerate(held)} | {"hidden": 0}
    assert {name: repr(value) for name, value in found.items()} == {
        name: repr(value) for name, value in expected.items()
    }
    assert await values(kept, ids, "nobody_has_it") == {}
    assert await values(kept, [], "row") == {}


@pytest.mark.parametrize("key", ["0", "_id", "_", "k" * 256, "__proto__"])
async def test_values_of_any_key_are_read(kept: Kept, key: str) -> None:
    stored = await ready(kept, metadata={key: {"0": 1}, "other": 2})

    assert await values(kept, [stored.id], key) == {stored.id: {"0": 1}}


async def test_a_page_that_no_message_can_hold_is_refused(kept: Kept) -> None:
    if kept.store is None:
        pytest.skip("memory has no limit worth keeping")
    for number in range(5):
        await ready(kept, f"e{number}", metadata={"n": "x" * 250_000})

    with pytest.raises(PayloadTooLargeError):
        await kept.endpoints.find_many([EndpointId(f"e{n}") for n in range(5)], metadata=True)


async def test_an_event_of_a_newer_release_is_logged_once_and_kept(kept: Kept) -> None:
    if kept.store is None:
        pytest.skip("memory knows every kind of event")
    stored = await ready(kept)
    await kept.store.collection("endpoints").update_one(
        {"_id": stored.id},
        {
            "$set": {"seq": stored.seq + 1},
            "$push": {"outbox": {"seq": stored.seq + 1, "kind": "invented-later", "body": b""}},
        },
    )

    with structlog.testing.capture_logs() as logs:
        found = [await kept.endpoints.find(stored.id, outbox=True) for _ in range(3)][-1]
    assert found is not None
    await kept.endpoints.forget_told([replace(found, outbox=found.tellable)])
    left = await kept.endpoints.find(stored.id, outbox=True)

    assert [line["kind"] for line in logs if line["event"] == "outbox.kind_unknown"] == ["invented-later"]
    assert found.tellable == stored.outbox
    assert left is not None
    assert left.outbox == found.outbox[1:]
    later = kept.clock.now() + timedelta(seconds=1)
    assert [each.id async for each in kept.endpoints.unfinished(before=later)] == [stored.id]


async def test_no_sweep_scans_a_collection(kept: Kept) -> None:
    if kept.store is None:
        pytest.skip("memory has no plans")
    collection = kept.store.collection("endpoints")
    sweep = collection.find({"dueSince": {"$lt": START}}, sort=[("dueSince", 1)])
    for query in (sweep, collection.find({"version": "olives-v1"}), collection.find({"_id": "tree"})):
        stages = str((await query.explain())["queryPlanner"]["winningPlan"])

        assert "COLLSCAN" not in stages
        assert "'SORT'" not in stages


async def test_many_are_added_together_and_those_whose_id_is_taken_are_not(kept: Kept) -> None:
    await kept.endpoints.add(endpoint("a"))
    fresh = [endpoint(name, metadata={"name": name}) for name in "bc"]

    stored = await kept.endpoints.add_many([endpoint("a", incarnation="another"), *fresh])
    again = await kept.endpoints.add_many([endpoint("a", incarnation="another")])

    assert (stored, again) == ({"b", "c"}, set())
    found = await kept.endpoints.find_many([EndpointId(name) for name in "abc"], metadata=True)
    assert {each.id: each.incarnation for each in found} == {"a": "of-a", "b": "of-b", "c": "of-c"}
    assert {each.id: dict(each.metadata) for each in found}[EndpointId("c")] == {"name": "c"}
    due = [each.id async for each in kept.endpoints.unfinished(before=START + timedelta(seconds=1))]
    assert set(due) == {"a", "b", "c"}


async def test_many_are_revealed_together_but_for_those_that_are_taken_back(kept: Kept) -> None:
    hidden = [endpoint(name, metadata={"name": name}).announced(correlation_id="c") for name in "abcd"]
    await kept.endpoints.add_many(hidden)
    assert await kept.endpoints.replace(hidden[0], hidden[0].discarded())
    await kept.endpoints.remove(hidden[1])
    assert await kept.endpoints.add(endpoint("b", incarnation="another"))

    await kept.endpoints.reveal(hidden)
    await kept.endpoints.reveal(hidden)

    found = [await kept.endpoints.find(each.id, outbox=True) for each in hidden]
    assert found == [
        replace(hidden[0].discarded(), outbox=hidden[0].outbox),
        endpoint("b", incarnation="another"),
        *(each.revealed() for each in hidden[2:]),
    ]


async def test_many_outboxes_are_emptied_together_and_none_of_what_came_meanwhile(kept: Kept) -> None:
    alike = [await ready(kept, name) for name in "abcd"]
    further = await ready(kept, "e")
    assert await kept.endpoints.replace(further, changed(further, n=1))
    moved = changed(alike[0], n=1)
    assert await kept.endpoints.replace(alike[0], moved)
    hidden = alike[1].deleted(correlation_id="c")
    assert await kept.endpoints.replace(alike[1], hidden)

    await kept.endpoints.forget_told([*alike, changed(further, n=1)])

    left = {each.id: [entry.seq for entry in each.outbox] for each in await due(kept)}
    assert left == {"a": [2], "b": [1, 2]}
