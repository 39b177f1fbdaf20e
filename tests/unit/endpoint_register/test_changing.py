"""The line of an endpoint: order, company, lost races."""

import asyncio
from dataclasses import replace

import msgspec
import pytest

from libs.bus import KeyedQueue
from libs.contracts.endpoints import PutMetadata, PutMetadataKey
from libs.contracts.errors import (
    ConflictError,
    GroveError,
    NotFoundError,
    PreconditionFailedError,
    UnavailableError,
)
from libs.contracts.lifecycle import MetadataUpdatedEvent
from libs.contracts.payload import encode_json
from services.endpoint_register.domain.endpoint import MAX_OUTBOX, Endpoint
from services.endpoint_register.usecases.changing import EndpointChanges
from services.endpoint_register.usecases.metadata import put_metadata, put_metadata_key
from tests.unit.endpoint_register.conftest import NewTwin
from tests.unit.endpoint_register.endpoint_fakes import InMemoryEndpointRepository
from tests.unit.endpoint_register.fakes import World
from tests.unit.endpoint_register.time_and_chance import ManualClock


def put(endpoint: Endpoint, key: str, value: object, *, if_match: str | None = None) -> PutMetadataKey:
    return PutMetadataKey(endpoint_id=endpoint.id, key=key, payload=encode_json(value), if_match=if_match)


async def test_a_crowd_on_one_endpoint_loses_nothing_and_shares_writes(
    world: World, new_twin: NewTwin
) -> None:
    twin = await new_twin()
    before = world.endpoints.writes

    await asyncio.gather(*(put_metadata_key(put(twin, f"k{n}", n), parts=world.parts) for n in range(200)))

    assert world.metadata_of(twin.id) == {f"k{n}": n for n in range(200)}
    assert world.endpoints.writes - before <= 10


async def test_changes_apply_in_the_order_of_their_arrival(world: World, new_twin: NewTwin) -> None:
    twin = await new_twin()

    await asyncio.gather(*(put_metadata_key(put(twin, "n", n), parts=world.parts) for n in range(100)))

    assert world.metadata_of(twin.id) == {"n": 99}
    events = [entry.event() for entry in world.endpoints.kept[twin.id].outbox[1:]]
    updates = [event for event in events if isinstance(event, MetadataUpdatedEvent)]
    assert [event.e_tag for event in updates] == [f'"{twin.incarnation}-{n + 1}"' for n in range(100)]


async def test_replicas_that_race_lose_nothing(world: World, new_twin: NewTwin) -> None:
    twin = await new_twin()
    replicas = [world.replica() for _ in range(3)]

    await asyncio.gather(
        *(put_metadata_key(put(twin, f"k{n}", n), parts=replicas[n % 3]) for n in range(150))
    )

    assert len(world.metadata_of(twin.id)) == 150


async def test_of_two_writers_with_the_same_tag_one_is_refused(world: World, new_twin: NewTwin) -> None:
    twin = await new_twin()

    outcomes = await asyncio.gather(
        *(put_metadata_key(put(twin, "n", n, if_match=twin.e_tag), parts=world.parts) for n in range(2)),
        return_exceptions=True,
    )

    assert [type(outcome) for outcome in outcomes] == [Endpoint, PreconditionFailedError]
    assert world.metadata_of(twin.id) == {"n": 0}


async def test_a_refused_change_does_not_concern_the_others(world: World, new_twin: NewTwin) -> None:
    twin = await new_twin()
    too_large = put(twin, "big", "x" * 200_000)

    outcomes = await asyncio.gather(
        put_metadata_key(put(twin, "a", 1), parts=world.parts),
        put_metadata_key(too_large, parts=world.parts),
        put_metadata_key(put(twin, "more", "x" * 100_000), parts=world.parts),
        put_metadata_key(put(twin, "b", 2), parts=world.parts),
        return_exceptions=True,
    )

    assert [isinstance(outcome, GroveError) for outcome in outcomes] == [False, False, True, False]
    assert set(world.metadata_of(twin.id)) == {"a", "big", "b"}


async def test_a_change_that_changes_nothing_writes_nothing(world: World, new_twin: NewTwin) -> None:
    twin = await new_twin({"a": [1, {"b": 2}]})
    before = world.endpoints.kept[twin.id]

    after = await put_metadata(
        PutMetadata(endpoint_id=twin.id, payload=b' {"a": [1, {"b": 2}]} '), parts=world.parts
    )

    assert world.endpoints.kept[twin.id] == before
    assert after.e_tag == before.e_tag


async def test_one_that_always_loses_gives_up(world: World, new_twin: NewTwin) -> None:
    twin = await new_twin()

    def overtake(before: Endpoint) -> None:
        world.endpoints.kept[before.id] = replace(before, seq=before.seq + 1)

    world.endpoints.before_replace = overtake

    with pytest.raises(ConflictError):
        await put_metadata_key(put(twin, "a", 1), parts=world.parts)


async def test_an_unreachable_store_is_told_to_everybody_in_line(world: World, new_twin: NewTwin) -> None:
    twin = await new_twin()
    world.endpoints.failure = UnavailableError("the store is away")

    outcomes = await asyncio.gather(
        *(put_metadata_key(put(twin, f"k{n}", n), parts=world.parts) for n in range(10)),
        return_exceptions=True,
    )

    assert {type(outcome) for outcome in outcomes} == {UnavailableError}


async def test_a_cancelled_caller_leaves_the_line(world: World, new_twin: NewTwin) -> None:
    twin = await new_twin()
    calls = [
        asyncio.create_task(put_metadata_key(put(twin, f"k{n}", n), parts=world.parts))  # noqa: TID251 - cancelled below
        for n in range(5)
    ]
    await asyncio.sleep(0)
    calls[3].cancel()

    outcomes = await asyncio.gather(*calls, return_exceptions=True)
    await put_metadata_key(put(twin, "last", 1), parts=world.parts)

    assert isinstance(outcomes[3], asyncio.CancelledError)
    assert {"k0", "k1", "k2", "k4", "last"} <= set(world.metadata_of(twin.id))


@pytest.mark.parametrize(("timeout_ms", "is_made"), [(10_000, True), (600, False)], ids=["waits", "does not"])
async def test_room_for_an_event_is_waited_for_as_long_as_the_request_waits(
    world: World,
    new_twin: NewTwin,
    timeout_ms: int,
    is_made: bool,  # noqa: FBT001 - a case
) -> None:
    twin = await new_twin()
    full = tuple(replace(twin.outbox[0], seq=number) for number in range(1, MAX_OUTBOX + 1))
    world.endpoints.kept[twin.id] = replace(world.endpoints.kept[twin.id], outbox=full, seq=MAX_OUTBOX)
    changing = EndpointChanges(
        endpoints=world.endpoints,
        turns=KeyedQueue[str](),
        announcing=world.announcing,
        entropy=world.entropy,
        judging=world.judging,
        settle_s=0.05,
    )
    parts = replace(world.parts, changing=changing)
    request = msgspec.structs.replace(put(twin, "n", 1), timeout=timeout_ms)

    async def make_room() -> None:
        await asyncio.sleep(0.4)  # many times what a lost race is tried for
        world.endpoints.kept[twin.id] = replace(world.endpoints.kept[twin.id], outbox=())

    async with asyncio.TaskGroup() as group:
        group.create_task(make_room(), name="make room")
        if is_made:
            await put_metadata_key(request, parts=parts)
        else:
            with pytest.raises(UnavailableError):
                await put_metadata_key(request, parts=parts)

    assert world.metadata_of(twin.id) == ({"n": 1} if is_made else {})


async def test_metadata_do_not_change_while_too_many_events_wait(world: World, new_twin: NewTwin) -> None:
    twin = await new_twin()
    for number in range(MAX_OUTBOX - 1):
        await put_metadata_key(put(twin, "n", number), parts=world.parts)

    with pytest.raises(UnavailableError):
        await put_metadata_key(put(twin, "n", "one more"), parts=world.parts)

    assert world.announcing.offered[-1].outbox == world.endpoints.kept[twin.id].outbox


async def test_an_endpoint_that_is_not_there_is_not_found(world: World) -> None:
    with pytest.raises(NotFoundError):
        await put_metadata(PutMetadata(endpoint_id="nobody", payload=b"{}"), parts=world.parts)


class SlowAndLate(InMemoryEndpointRepository):
    """Each compare-and-set takes its time, and somebody else was faster."""

    def __init__(self, *, clock: ManualClock) -> None:
        super().__init__(clock=clock)
        self.tried = 0

    async def replace(self, before: Endpoint, after: Endpoint) -> bool:
        self.tried += 1
        await asyncio.sleep(0.03)
        return False


async def test_a_change_is_given_up_while_somebody_still_waits_for_it(
    world: World, new_twin: NewTwin
) -> None:
    twin = await new_twin()
    endpoints = SlowAndLate(clock=world.clock)
    endpoints.kept = world.endpoints.kept
    changing = EndpointChanges(
        endpoints=endpoints,
        turns=KeyedQueue[str](),
        announcing=world.announcing,
        entropy=world.entropy,
        judging=world.judging,
        settle_s=0.1,
    )

    with pytest.raises(ConflictError):
        await put_metadata_key(put(twin, "n", 1), parts=replace(world.parts, changing=changing))

    assert 1 <= endpoints.tried <= 4
