"""What repositories of connectivity and of transports promise, held against the fakes and the real store."""

import random
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import permutations

import pytest

from libs.contracts.ids import EndpointId
from libs.store import Store
from services.endpoint_register.domain.connectivity import (
    Connectivity,
    Known,
    Run,
    RunState,
    Sighting,
    Statement,
)
from services.endpoint_register.mongo import MongoConnectivityRepository, MongoRunRepository
from services.endpoint_register.ports import ConnectivityRepository, RunRepository
from tests.support.rest import Json
from tests.support.servers import StoreServer, fresh_database
from tests.unit.endpoint_register.presence_fakes import InMemoryConnectivityRepository, InMemoryRunRepository
from tests.unit.endpoint_register.test_connectivity import TREE, connected, disconnected, known, place, state
from tests.unit.endpoint_register.time_and_chance import START


@dataclass
class Kept:
    """Both repositories."""

    connectivity: ConnectivityRepository
    runs: RunRepository

    async def apply(self, *statements: Statement) -> None:
        for each in statements:
            await self.connectivity.apply([known(each)])

    async def of(self, endpoint_id: str = TREE) -> Connectivity | None:
        return (await self.connectivity.find_many([EndpointId(endpoint_id)])).get(EndpointId(endpoint_id))

    async def held(self, run_id: str) -> list[Connectivity]:
        return [each async for part in self.connectivity.held(run_id) for each in part]


@pytest.fixture(params=["memory", "store"])
async def kept(request: pytest.FixtureRequest, server: StoreServer) -> AsyncIterator[Kept]:
    if request.param == "memory":
        yield Kept(InMemoryConnectivityRepository(), InMemoryRunRepository())
        return
    store = Store.open(server.url, database=fresh_database(), app_name="test")
    connectivity = MongoConnectivityRepository(store)
    await connectivity.prepare()
    yield Kept(connectivity, MongoRunRepository(store))
    await store.close()


def sighting(endpoint_id: str = TREE, **fields: Json) -> Sighting:
    values: Json = {
        "endpoint_id": EndpointId(endpoint_id),
        "incarnation": "first",
        "transport": "HTTP",
        "at": START,
    }
    return Sighting(**{**values, **fields})


async def test_a_statement_is_found_as_it_was_taken_in(kept: Kept) -> None:
    await kept.apply(connected(1))

    assert await kept.of() == Connectivity(
        endpoint_id=TREE,
        incarnation="first",
        key=f"{place(1)}/{place(1)}",
        connected=True,
        run_id="one",
        transport="MQTT",
        version=connected(1).version,
        since=START + timedelta(seconds=1),
        last_seen=START + timedelta(seconds=1),
    )
    assert await kept.of("other") is None


async def test_all_orders_of_two_connections_end_the_same(kept: Kept) -> None:
    history = [connected(1), connected(2, run="two"), connected(3, of=1), disconnected(4, of=1)]
    outcomes = []

    for number, order in enumerate(permutations(history)):
        endpoint_id = EndpointId(f"tree{number:02}")
        await kept.apply(*(replace(each, endpoint_id=endpoint_id) for each in (*order, order[0])))
        record = await kept.of(endpoint_id)
        assert record is not None
        outcomes.append(state(replace(record, endpoint_id=TREE)))

    (outcome,) = set(outcomes)
    assert isinstance(outcome, Connectivity)
    assert (outcome.run_id, outcome.key) == ("two", f"{place(2)}/{place(2)}")


async def test_a_batch_is_taken_in_whatever_is_stale_in_it(kept: Kept) -> None:
    trees = [EndpointId(f"tree{number}") for number in range(6)]
    fresh = [replace(connected(5), endpoint_id=each) for each in trees]
    await kept.connectivity.apply([known(each) for each in fresh[:2]])
    stale = [replace(connected(1, run="two"), endpoint_id=each) for each in trees[:2]]
    repeated = [replace(connected(9, of=5), endpoint_id=each) for each in trees[2:4]]

    await kept.connectivity.apply([known(each) for each in (*stale, *repeated, *fresh[4:])])

    records = await kept.connectivity.find_many(trees)
    assert {each: records[each].run_id for each in trees} == dict.fromkeys(trees, "one")
    assert [records[each].key[-1] for each in trees] == ["5", "5", "9", "9", "5", "5"]


async def test_a_repeated_binding_keeps_its_beginning_also_beside_one_that_has_moved(kept: Kept) -> None:
    other = EndpointId("other")
    await kept.apply(connected(1), replace(connected(1), endpoint_id=other))
    await kept.apply(replace(connected(2, run="two"), endpoint_id=other))

    again = [known(connected(5, of=1)), known(replace(connected(5, of=1), endpoint_id=other))]
    await kept.connectivity.apply(again)

    stays, moved = await kept.of(), await kept.of(other)
    assert stays is not None
    assert moved is not None
    assert (stays.since, stays.key) == (START + timedelta(seconds=1), f"{place(1)}/{place(5)}")
    assert (moved.run_id, moved.since) == ("two", START + timedelta(seconds=2))


async def test_only_the_record_that_was_settled_is(kept: Kept) -> None:
    open_one = Known(statement=connected(1), incarnation="first", is_settled=False)
    await kept.connectivity.apply([open_one])
    before = await kept.of()
    assert before is not None

    await kept.connectivity.apply([replace(open_one, statement=connected(2))])
    await kept.connectivity.settle(before)
    unsettled = await kept.of()
    assert unsettled is not None
    await kept.connectivity.settle(unsettled)

    assert not before.is_settled
    assert not unsettled.is_settled
    assert await kept.of() == replace(unsettled, is_settled=True)


async def test_being_heard_makes_a_record_and_never_goes_back(kept: Kept) -> None:
    await kept.connectivity.see([(None, sighting())])
    first = await kept.of()
    await kept.connectivity.see([(first, sighting(at=START - timedelta(hours=1), transport="MQTT"))])

    record = await kept.of()
    assert record == Connectivity(endpoint_id=TREE, incarnation="first", transport="MQTT", last_seen=START)


async def test_being_heard_leaves_a_binding_alone(kept: Kept) -> None:
    await kept.apply(connected(1))
    before = await kept.of()
    assert before is not None
    later = START + timedelta(minutes=5)

    await kept.connectivity.see([(before, sighting(at=later))])
    await kept.connectivity.see([(None, sighting(at=later + timedelta(hours=1)))])

    assert await kept.of() == replace(before, transport="HTTP", last_seen=later)


async def test_a_new_life_takes_over_the_record_of_the_old_one(kept: Kept) -> None:
    await kept.apply(connected(1))
    old = await kept.of()

    await kept.connectivity.see([(old, sighting(incarnation="second"))])

    record = await kept.of()
    assert record is not None
    assert (record.incarnation, record.connected, record.last_seen) == ("second", False, START)
    assert not await kept.connectivity.holds_any("one")


async def test_a_record_is_forgotten_with_its_own_incarnation(kept: Kept) -> None:
    await kept.apply(connected(1))

    await kept.connectivity.forget(TREE, incarnation="second")
    assert await kept.of() is not None
    await kept.connectivity.forget(TREE, incarnation="first")

    assert await kept.of() is None


async def test_a_statement_about_nobody_takes_only_older_records_away(kept: Kept) -> None:
    await kept.apply(connected(5), replace(connected(5), endpoint_id=EndpointId("other")))

    await kept.connectivity.forget_older(
        [connected(3), replace(disconnected(6, of=5), endpoint_id=EndpointId("other"))]
    )

    assert await kept.of() is not None
    assert await kept.of("other") is None


async def test_everything_a_process_holds_is_ended_and_nothing_else(kept: Kept) -> None:
    trees = [EndpointId(f"tree{'x' * (number % 7)}{number}") for number in range(200)]
    chance = random.Random(7)
    moved, over = chance.sample(trees, 40), chance.sample(trees, 40)
    await kept.connectivity.apply([known(replace(connected(1), endpoint_id=each)) for each in trees])
    await kept.connectivity.apply(
        [known(replace(connected(2, run="one1"), endpoint_id=each)) for each in moved]
    )
    await kept.connectivity.apply([known(replace(disconnected(3, of=1), endpoint_id=each)) for each in over])
    left = set(trees) - set(moved) - set(over)

    held = await kept.held("one")
    await kept.connectivity.end(held)

    assert {each.endpoint_id: each.generation for each in held} == dict.fromkeys(left, place(1))
    assert await kept.held("one") == []
    assert not await kept.connectivity.holds_any("one")
    assert await kept.connectivity.holds_any("one1")
    records = await kept.connectivity.find_many(trees)
    assert {each for each in trees if records[each].connected} == set(moved)
    assert all(records[each].last_seen is not None for each in trees)


async def test_what_is_bound_anew_is_not_ended(kept: Kept) -> None:
    await kept.apply(connected(1))
    held = await kept.held("one")

    await kept.apply(connected(9, of=1))
    await kept.connectivity.end(held)

    record = await kept.of()
    assert record is not None
    assert record.connected


async def test_ending_is_no_statement(kept: Kept) -> None:
    await kept.apply(connected(1))
    before = await kept.of()
    assert before is not None

    await kept.connectivity.end([before])
    await kept.apply(connected(1))

    assert await kept.of() == before.ended()


async def test_a_process_is_known_once_and_changed_by_its_stamp(kept: Kept) -> None:
    first = Run(run_id="one", state=RunState.OWING, stamp="a", asked_at=START)
    await kept.runs.add(first)
    await kept.runs.add(replace(first, stamp="b"))
    assert await kept.runs.find("one") == first

    second = replace(first, state=RunState.ENDING, stamp="c")
    assert await kept.runs.replace(first, second)
    assert not await kept.runs.replace(first, replace(first, stamp="d"))
    await kept.runs.remove(first)

    assert await kept.runs.all() == [second]
    assert await kept.runs.ending() == {"one"}
    await kept.runs.remove(second)
    assert await kept.runs.find("one") is None
    assert await kept.runs.all() == []
