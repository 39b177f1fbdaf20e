"""The outbox: what is written is published, once as far as the stream sees, and in order."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace

import pytest

from libs.contracts.applications import CreateVersion, NewAppVersion
from libs.contracts.endpoints import AppVersionRef, DeleteEndpoint, PutEndpointVersion, PutMetadataKey
from libs.contracts.errors import UnavailableError
from libs.contracts.ids import EndpointId
from services.endpoint_register.domain.endpoint import (
    OF_A_NEWER_RELEASE,
    Endpoint,
    EndpointState,
    OutboxEntry,
)
from services.endpoint_register.domain.listing import Order, range_of
from services.endpoint_register.usecases import announcing
from services.endpoint_register.usecases.announcing import Announcer
from services.endpoint_register.usecases.endpoints import put_endpoint_version
from services.endpoint_register.usecases.metadata import put_metadata_key
from services.endpoint_register.usecases.removing import delete_endpoint
from services.endpoint_register.usecases.sweeping import Pace, Sweeper
from services.endpoint_register.usecases.versions import create_version
from tests.support.waiting import eventually
from tests.unit.endpoint_register.conftest import NewTwin
from tests.unit.endpoint_register.fakes import World

PACE = Pace(every_s=1, outbox_after_s=5, creating_after_s=60)


@pytest.fixture
async def announcer(world: World) -> AsyncIterator[Announcer]:
    announcer = Announcer(
        endpoints=world.endpoints, listing=world.listing, events=world.events, judging=world.judging
    )
    async with asyncio.TaskGroup() as group:
        task = group.create_task(announcer.run())
        yield announcer
        task.cancel()


async def change(world: World, endpoint_id: str, *values: int) -> None:
    for value in values:
        await put_metadata_key(
            PutMetadataKey(endpoint_id=endpoint_id, key="n", payload=str(value).encode()), parts=world.parts
        )


async def test_what_is_offered_is_published_in_order_and_forgotten(
    world: World, new_twin: NewTwin, announcer: Announcer
) -> None:
    twin = await new_twin()
    await change(world, twin.id, 1, 2, 3)

    for offered in world.announcing.offered:
        announcer.offer(offered)
    await announcer.stop()

    assert world.events.attempts == [f"{twin.incarnation}-{seq}" for seq in (1, 2, 3, 4)]
    assert world.endpoints.kept[twin.id].outbox == ()
    assert twin.id not in world.endpoints.due


async def test_what_is_written_meanwhile_stays(world: World, new_twin: NewTwin, announcer: Announcer) -> None:
    twin = await new_twin()
    await change(world, twin.id, 1)
    announcer.offer(world.announcing.offered[-1])
    await change(world, twin.id, 2)

    await announcer.stop()

    assert [entry.seq for entry in world.endpoints.kept[twin.id].outbox] == [3]
    assert twin.id in world.endpoints.due


async def test_an_offer_twice_is_published_once(
    world: World, new_twin: NewTwin, announcer: Announcer
) -> None:
    twin = await new_twin()

    announcer.offer(world.announcing.offered[-1])
    await announcer.stop()
    announcer.offer(world.announcing.offered[-1])
    await announcer.stop()

    assert world.events.attempts == [f"{twin.incarnation}-1"]


async def test_what_could_not_be_published_is_published_by_a_later_sweep(
    world: World, new_twin: NewTwin, announcer: Announcer
) -> None:
    twin = await new_twin()
    world.events.failure = UnavailableError("the stream is away")
    announcer.offer(world.announcing.offered[-1])
    await announcer.stop()
    waiting = world.endpoints.kept[twin.id].outbox
    world.events.failure = None
    world.clock.pass_s(6)

    await Sweeper(world.parts, pace=PACE).sweep()
    announcer.offer(world.announcing.offered[-1])
    await announcer.stop()

    assert [entry.seq for entry in waiting] == [1]
    assert world.events.names() == ["registered"]
    assert world.endpoints.kept[twin.id].outbox == ()


async def test_an_outbox_that_cannot_be_emptied_stays_for_the_sweeper(
    world: World, new_twin: NewTwin, announcer: Announcer
) -> None:
    twin = await new_twin()
    world.endpoints.failure = UnavailableError("the store is away")

    announcer.offer(world.announcing.offered[-1])
    await announcer.stop()

    assert world.events.names() == ["registered"]
    assert twin.id in world.endpoints.due


async def test_nobody_hears_of_what_is_hidden(world: World, new_twin: NewTwin, announcer: Announcer) -> None:
    new = replace(await new_twin(), state=EndpointState.CREATING, seq=0, outbox=())
    hidden = new.announced(correlation_id="c")

    announcer.offer(hidden)
    await announcer.stop()
    announcer.offer(hidden.revealed())
    await announcer.stop()

    assert world.events.attempts == [f"{hidden.incarnation}-1"]


async def test_nothing_is_looked_for_while_enough_waits(world: World, new_twin: NewTwin) -> None:
    await new_twin()
    world.announcing.offered.clear()
    world.clock.pass_s(6)
    world.announcing.is_busy = True
    await Sweeper(world.parts, pace=PACE).sweep()
    while_busy = list(world.announcing.offered)

    world.announcing.is_busy = False
    await Sweeper(world.parts, pace=PACE).sweep()

    assert not while_busy
    assert len(world.announcing.offered) == 1


async def test_it_is_busy_while_half_of_what_may_waits(
    world: World, new_twin: NewTwin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(announcing, "MAX_WAITING", 4)
    idle = Announcer(
        endpoints=world.endpoints, listing=world.listing, events=world.events, judging=world.judging
    )
    for _ in range(3):
        await new_twin()
    busy = []
    for offered in world.announcing.offered:
        idle.offer(offered)
        busy.append(idle.is_busy)

    assert busy == [False, False, True]


async def test_outboxes_that_are_told_at_the_same_time_are_emptied_together(
    world: World, new_twin: NewTwin, announcer: Announcer, monkeypatch: pytest.MonkeyPatch
) -> None:
    twins = [await new_twin(endpoint_id=f"e{number}") for number in range(100)]
    forget_told, together = world.endpoints.forget_told, []

    async def once_all_are_quiet(endpoints: Sequence[Endpoint]) -> None:
        """However busy the machine is: nobody else is told later than this write takes."""
        together.append(len(endpoints))

        async def all_wait() -> bool:
            return sum(together) + len(announcer._quiet) == len(twins)  # noqa: SLF001 - told, and not emptied

        await eventually(all_wait, what="the others are told")
        await forget_told(endpoints)

    monkeypatch.setattr(world.endpoints, "forget_told", once_all_are_quiet)
    for offered in world.announcing.offered:
        announcer.offer(offered)
    await announcer.stop()

    assert sum(together) == len(twins)
    assert max(together) <= 64
    assert len(together) < len(twins) / 4
    assert not world.endpoints.due


async def test_offers_beyond_the_bound_are_left_to_the_sweeper(world: World, new_twin: NewTwin) -> None:
    twin = await new_twin()
    offered = world.announcing.offered[-1]
    idle = Announcer(
        endpoints=world.endpoints, listing=world.listing, events=world.events, judging=world.judging
    )

    for number in range(announcing.MAX_WAITING + 10):
        idle.offer(replace(offered, id=EndpointId(f"e{number}")))

    assert len(idle) == announcing.MAX_WAITING
    assert twin.id in world.endpoints.due


async def test_a_move_whose_mover_died_is_seen_in_lists(
    world: World, new_twin: NewTwin, announcer: Announcer
) -> None:
    twin = await new_twin()
    await create_version(
        CreateVersion(application_name="olives", body=NewAppVersion(name_suffix="v2")), parts=world.parts
    )
    world.listing.failure = UnavailableError("the mover dies here")
    with pytest.raises(UnavailableError):
        await put_endpoint_version(
            PutEndpointVersion(endpoint_id=twin.id, body=AppVersionRef("olives-v2")), parts=world.parts
        )
    world.listing.failure = None

    announcer.offer(world.announcing.offered[-1])
    await announcer.stop()

    moved = world.endpoints.kept[twin.id].version
    assert await world.listing.count(range_of(Order.CREATED, descending=False, version=moved)) == 1


def with_news(world: World, twin: Endpoint) -> None:
    """Let a newer release leave an event that this one does not know."""
    kept = world.endpoints.kept[twin.id]
    entry = OutboxEntry(kept.seq + 1, OF_A_NEWER_RELEASE, b"")
    world.endpoints.kept[twin.id] = replace(kept, seq=entry.seq, outbox=(*kept.outbox, entry))


async def test_an_event_of_a_newer_release_waits_and_so_does_what_came_after_it(
    world: World, new_twin: NewTwin, announcer: Announcer
) -> None:
    twin = await new_twin()
    with_news(world, twin)
    await change(world, twin.id, 1)
    world.clock.pass_s(6)

    for _ in range(2):
        await Sweeper(replace(world.parts, announcing=announcer), pace=PACE).sweep()
        await announcer.stop()

    assert world.events.names() == ["registered"]
    assert [entry.seq for entry in world.endpoints.kept[twin.id].outbox] == [2, 3]
    assert twin.id in world.endpoints.due


async def test_a_removal_is_left_to_the_newer_release_that_has_something_to_tell(
    world: World, new_twin: NewTwin
) -> None:
    twin = await new_twin()
    with_news(world, twin)

    with pytest.raises(UnavailableError):
        await delete_endpoint(DeleteEndpoint(endpoint_id=twin.id), parts=world.parts)

    assert world.events.names() == ["registered"]
    assert world.endpoints.kept[twin.id].state is EndpointState.DELETING
    assert twin.id in world.endpoints.due
