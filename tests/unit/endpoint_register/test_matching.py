"""What an endpoint matches follows the endpoint and the filters, whoever changes which of them first."""

import asyncio
import json
from collections.abc import AsyncIterator
from copy import copy
from dataclasses import replace
from typing import Any

import pytest

from libs.contracts.endpoints import PutMetadata, PutMetadataKey
from libs.contracts.errors import UnavailableError
from libs.contracts.filters import CreateFilter, DeleteFilter, NewFilter
from libs.contracts.ids import ApplicationName
from services.endpoint_register.domain.endpoint import Endpoint
from services.endpoint_register.usecases.announcing import Announcer
from services.endpoint_register.usecases.evaluating import LEASE, FilterWork
from services.endpoint_register.usecases.filters import create_filter, delete_filter
from services.endpoint_register.usecases.metadata import put_metadata, put_metadata_key
from tests.support.waiting import eventually
from tests.unit.endpoint_register.conftest import NewTwin
from tests.unit.endpoint_register.fakes import World

OLIVES = ApplicationName("olives")


@pytest.fixture
async def announcer(world: World) -> AsyncIterator[Announcer]:
    announcer = Announcer(
        endpoints=world.endpoints, listing=world.listing, events=world.events, judging=world.judging
    )
    async with asyncio.TaskGroup() as group:
        task = group.create_task(announcer.run(), name="announcing")
        yield announcer
        task.cancel()


async def new_filter(world: World, query: dict[str, Any], name: str = "some") -> str:
    body = NewFilter(name=name, mongo_query=json.dumps(query))
    made, _ = await create_filter(CreateFilter(application_name="olives", body=body), parts=world.parts)
    return made.id


async def active_filter(world: World, query: dict[str, Any]) -> str:
    made = await new_filter(world, query)
    await FilterWork(world.parts).look()
    return made


async def put(world: World, twin: Endpoint, value: int) -> None:
    cmd = PutMetadataKey(endpoint_id=twin.id, key="n", payload=b"%d" % value, correlation_id=f"c{value}")
    await put_metadata_key(cmd, parts=world.parts)


def beside(world: World) -> World:
    """Another replica of the same world."""
    other = copy(world)
    other.parts = world.replica()
    return other


def kept(world: World, twin: Endpoint) -> Endpoint:
    return world.endpoints.kept[twin.id]


def told(endpoint: Endpoint) -> list[str]:
    return [entry.kind.name for entry in endpoint.outbox]


async def tell(world: World, announcer: Announcer) -> None:
    """Publish what waits, as a sweeper would find it."""
    for endpoint in list(world.endpoints.kept.values()):
        announcer.offer(endpoint)

    async def is_idle() -> bool:
        return len(announcer) == 0 and not world.endpoints.due

    await eventually(is_idle, what="everything is told")


async def test_a_change_and_what_it_makes_match_are_one_write(world: World, new_twin: NewTwin) -> None:
    twin = await new_twin({"n": 0})
    made = await active_filter(world, {"metadata.n": {"$gte": 5}})
    before = world.endpoints.writes

    for value in (4, 5, 6, 6, 3):
        await put(world, twin, value)

    assert world.endpoints.writes == before + 4
    assert told(kept(world, twin))[1:] == [
        *("updated", "updated", "ep-matched", "updated", "updated", "ep-unmatched")
    ]
    matched, unmatched = (entry.event() for entry in kept(world, twin).outbox if "matched" in entry.kind.name)
    assert (matched.filter_id, matched.filter_name, matched.endpoint_id) == (made, "some", twin.id)  # type: ignore[attr-defined]  # an event of a filter
    assert (matched.correlation_id, unmatched.correlation_id) == ("c5", "c3")


async def test_several_changes_at_once_are_judged_once_by_what_they_come_to(
    world: World, new_twin: NewTwin
) -> None:
    twin = await new_twin({"n": 0})
    await active_filter(world, {"metadata.n": 5})

    await asyncio.gather(*(put(world, twin, value) for value in (1, 5, 2)))

    assert "ep-matched" not in told(kept(world, twin))
    assert kept(world, twin).filters == ()


async def test_a_tag_of_metadata_does_not_depend_on_filters(world: World, new_twin: NewTwin) -> None:
    twin = await new_twin({"n": 5})
    tag = kept(world, twin).e_tag

    await active_filter(world, {"metadata.n": 5})

    assert kept(world, twin).filters != ()
    assert kept(world, twin).e_tag == tag


async def test_without_filters_a_change_reads_none(world: World, new_twin: NewTwin) -> None:
    twin = await new_twin({"n": 0})
    await put(world, twin, 1)
    reads = world.filters.reads

    for value in range(2, 10):
        await put(world, twin, value)

    assert world.filters.reads == reads


async def test_a_replica_that_does_not_know_a_filter_yet_judges_by_it_before_it_tells(
    world: World, new_twin: NewTwin, announcer: Announcer
) -> None:
    """The endpoint is read for the new filter first, and then changed by somebody who never heard of it."""
    twin = await new_twin({"n": 0})
    await put(world, twin, 1)  # this replica knows now that there are no filters
    other = beside(world)
    made = await active_filter(other, {"metadata.n": 5})
    await put(world, twin, 5)
    assert kept(world, twin).filters == ()

    await tell(world, announcer)

    assert kept(world, twin).filters == (made,)
    assert world.listing.lines[twin.id].filters == (made,)
    assert world.events.names()[-1] == "ep-matched"


async def test_a_replica_that_knows_old_filters_takes_back_nothing(world: World, new_twin: NewTwin) -> None:
    twin = await new_twin({"n": 0})
    await put(world, twin, 1)
    other = beside(world)
    made = await active_filter(other, {"metadata.n": {"$gte": 1}})

    await put(world, twin, 2)

    assert kept(world, twin).filters == (made,)
    assert "ep-unmatched" not in told(kept(world, twin))


async def test_a_new_endpoint_is_judged_before_its_event_is_forgotten(
    world: World, new_twin: NewTwin, announcer: Announcer
) -> None:
    made = await active_filter(world, {"metadata.n": 5})
    twin = await new_twin({"n": 5})

    await tell(world, announcer)

    assert kept(world, twin).filters == (made,)
    assert world.events.names() == ["registered", "ep-matched"]


async def test_filters_of_an_application_that_was_created_again_match_nothing(
    world: World, new_twin: NewTwin, announcer: Announcer
) -> None:
    """This replica still knows them, for it did not remove the application itself."""
    await active_filter(world, {"metadata.n": 5})
    await world.parts.judging.filters_now(OLIVES)
    await world.filters.remove(OLIVES)
    twin = await new_twin({"n": 0})
    await put(world, twin, 5)
    by_what_is_gone = kept(world, twin).filters

    await tell(world, announcer)

    assert (len(by_what_is_gone), kept(world, twin).filters) == (1, ())
    assert world.events.names()[-2:] == ["ep-matched", "ep-unmatched"]


async def test_events_of_an_endpoint_are_told_in_order_when_its_outbox_is_full(
    world: World, new_twin: NewTwin, announcer: Announcer
) -> None:
    """What nobody has judged yet must not wait for room which only telling makes."""
    twin = await new_twin({"n": 0})
    other = beside(world)
    for value in range(1, 256):
        await put(world, twin, value)
    assert not kept(world, twin).has_room
    await new_filter(other, {"metadata.n": 255})

    await tell(world, announcer)

    assert world.events.names() == ["registered", *["updated"] * 255, "ep-matched"]


async def test_what_died_half_way_is_gone_on_with_by_another(world: World, new_twin: NewTwin) -> None:
    twins = [await new_twin({"n": 1}) for _ in range(150)]
    made = await new_filter(world, {"metadata.n": 1})
    world.endpoints.failure = UnavailableError("away")
    with pytest.raises(UnavailableError):
        await FilterWork(world.parts).look()
    world.endpoints.failure = None
    other = FilterWork(world.replica())

    await other.look()
    while_leased = [kept(world, twin).filters for twin in twins]
    world.clock.pass_s(LEASE.total_seconds() + 1)
    await other.look()

    assert set(while_leased) == {()}
    assert {kept(world, twin).filters for twin in twins} == {(made,)}
    assert (await world.filters.find(OLIVES)).progress is None


async def test_a_worker_whose_lease_was_taken_stops(world: World, new_twin: NewTwin) -> None:
    for _ in range(150):
        await new_twin({"n": 1})
    await new_filter(world, {"metadata.n": 1})
    filters = await world.filters.find(OLIVES)
    taken = False

    def take(_: Endpoint) -> None:
        nonlocal taken
        if not taken:
            taken = True
            now = world.filters.kept[OLIVES]
            due = world.clock.now() + 2 * LEASE
            world.filters.kept[OLIVES] = now.advanced("", due_at=due)

    world.endpoints.before_replace = take
    await FilterWork(world.parts).look()

    after = await world.filters.find(OLIVES)
    assert after.progress is not None
    assert after.progress.cursor == ""
    assert after.revision == filters.revision + 2
    assert sum(bool(each.filters) for each in world.endpoints.kept.values()) == 64


async def test_filters_that_change_meanwhile_begin_anew(world: World, new_twin: NewTwin) -> None:
    twins = [await new_twin({"n": number}) for number in range(70)]
    first = await new_filter(world, {"metadata.n": {"$exists": True}}, "first")
    second: list[str] = []

    async def add_another() -> None:
        second.append(await new_filter(world, {"metadata.n": 3}, "second"))

    async with asyncio.TaskGroup() as group:
        group.create_task(FilterWork(world.parts).look(), name="judging")
        group.create_task(add_another(), name="adding")
    await FilterWork(world.parts).look()
    world.clock.pass_s(LEASE.total_seconds() + 1)
    await FilterWork(world.parts).look()

    assert [each.is_active for each in (await world.filters.find(OLIVES)).filters] == [True, True]
    assert kept(world, twins[3]).filters == (first, *second)
    assert kept(world, twins[4]).filters == (first,)


async def test_large_endpoints_are_judged_one_by_one(world: World, new_twin: NewTwin) -> None:
    await new_twin({"n": 1})
    made = await new_filter(world, {"metadata.n": 1})
    world.endpoints.too_large = True

    await FilterWork(world.parts).look()

    assert {each.filters for each in world.endpoints.kept.values()} == {(made,)}


async def test_many_who_ask_at_once_share_a_read(world: World) -> None:
    await new_filter(world, {})
    before = world.filters.reads

    found = await asyncio.gather(*(world.judging.filters_now(OLIVES) for _ in range(50)))

    assert len({each.stamp for each in found}) == 1
    assert world.filters.reads - before <= 2


async def test_what_is_remembered_of_filters_stays_while_endpoints_are_judged(
    world: World, new_twin: NewTwin
) -> None:
    """Every page of endpoints moves the cursor, which is in the same document as the filters."""
    await new_filter(world, {})
    pending = await world.judging.filters_now(OLIVES)
    before = await world.filters.find(OLIVES)
    assert await world.filters.replace(before, before.advanced("olives/e5", due_at=world.clock.now()))

    while_judging = await world.judging.filters_now(OLIVES)
    moved = await world.filters.find(OLIVES)
    assert await world.filters.replace(moved, moved.finished())
    active = await world.judging.filters_now(OLIVES)

    assert while_judging is pending
    assert [each.is_active for each in active.filters] == [True]


async def test_large_sets_of_many_applications_are_not_all_remembered(world: World) -> None:
    await new_filter(world, {"metadata.n": "x" * 8000})
    made = await world.filters.find(OLIVES)
    names = [ApplicationName(f"a{number}") for number in range(40)]
    for name in names:
        world.filters.kept[name] = replace(made, application=name, filters=made.filters * 100)
        await world.judging.filters_now(name)
    reads = world.filters.reads

    await world.judging.filters_now(names[0])
    of_the_first = world.filters.reads - reads
    await world.judging.filters_now(names[-1])

    # Whoever remembers a set asks for its stamp alone.
    assert (of_the_first, world.filters.reads - reads) == (0, 1)


async def test_who_asks_after_a_change_sees_it(world: World, new_twin: NewTwin) -> None:
    made = await new_filter(world, {})
    other = world.replica()
    assert (await other.judging.filters_now(OLIVES)).holds(made)

    await delete_filter(DeleteFilter(application_name="olives", filter_id=made), parts=world.parts)

    assert not (await other.judging.filters_now(OLIVES)).holds(made)


async def test_a_removed_endpoint_leaves_its_filters_first(world: World, new_twin: NewTwin) -> None:
    twin = await new_twin({"n": 5})
    await active_filter(world, {"metadata.n": 5})

    leaving = kept(world, twin).deleted(correlation_id="c")

    assert leaving.filters == ()
    assert told(leaving)[-2:] == ["ep-unmatched", "unregistered"]


async def test_replacing_all_metadata_is_judged_as_well(world: World, new_twin: NewTwin) -> None:
    twin = await new_twin({"n": 5})
    await active_filter(world, {"metadata.n": 5})

    await put_metadata(PutMetadata(endpoint_id=twin.id, payload=b"{}"), parts=world.parts)

    assert kept(world, twin).filters == ()
