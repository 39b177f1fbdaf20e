"""What transports say is kept, and endpoints follow the version they speak for."""

from dataclasses import replace

import pytest

from libs.contracts.applications import CreateVersion, NewAppVersion
from libs.contracts.endpoints import AppVersionRef, DeleteEndpoint, PutEndpointVersion
from libs.contracts.errors import UnavailableError
from libs.contracts.ids import AppVersionName, EndpointId
from services.endpoint_register.domain.connectivity import Run, RunState, Statement
from services.endpoint_register.domain.endpoint import Endpoint
from services.endpoint_register.usecases.endpoints import put_endpoint_version
from services.endpoint_register.usecases.presence import connectivity_of, take_in
from services.endpoint_register.usecases.removing import delete_endpoint
from services.endpoint_register.usecases.versions import create_version
from tests.support.rest import Json
from tests.unit.endpoint_register.conftest import NewTwin
from tests.unit.endpoint_register.fakes import World
from tests.unit.endpoint_register.test_connectivity import connected, disconnected

V2 = AppVersionName("olives-v2")


@pytest.fixture
async def twin(world: World, new_twin: NewTwin) -> Endpoint:
    await create_version(
        CreateVersion(application_name="olives", body=NewAppVersion(name_suffix="v2")), parts=world.parts
    )
    return await new_twin()


def of(twin: Endpoint, statement: Statement, **fields: Json) -> Statement:
    return replace(statement, endpoint_id=twin.id, **fields)


def version_of(world: World, twin: Endpoint) -> str:
    return world.endpoints.kept[twin.id].version


async def test_who_connects_is_connected_until_that_very_binding_ends(world: World, twin: Endpoint) -> None:
    await take_in([of(twin, connected(1)), of(twin, connected(2, run="two"))], parts=world.parts)
    await take_in([of(twin, disconnected(3, of=1))], parts=world.parts)
    held = (await connectivity_of([twin], parts=world.parts))[twin.id]

    await take_in([of(twin, disconnected(4, of=2, run="two"))], parts=world.parts)

    assert (held.connected, held.run_id) == (True, "two")
    assert not (await connectivity_of([twin], parts=world.parts))[twin.id].connected


async def test_nobody_is_connected_who_does_not_exist(world: World, twin: Endpoint) -> None:
    foreign = of(twin, connected(2), version=AppVersionName("figs-v1"))

    await take_in([connected(1), foreign], parts=world.parts)

    assert world.connectivity.kept == {}


async def test_what_is_said_of_a_removed_endpoint_takes_its_record_away(world: World, twin: Endpoint) -> None:
    await take_in([of(twin, connected(1))], parts=world.parts)
    kept = dict(world.connectivity.kept)
    await delete_endpoint(DeleteEndpoint(endpoint_id=twin.id), parts=world.parts)
    assert world.connectivity.kept == {}

    world.connectivity.kept = kept  # written by a replica that had looked the endpoint up before
    await take_in([of(twin, disconnected(2, of=1))], parts=world.parts)

    assert world.connectivity.kept == {}


async def test_a_record_of_an_earlier_life_is_not_shown(
    world: World, twin: Endpoint, new_twin: NewTwin
) -> None:
    await take_in([of(twin, connected(1))], parts=world.parts)
    kept = dict(world.connectivity.kept)
    await delete_endpoint(DeleteEndpoint(endpoint_id=twin.id), parts=world.parts)
    again = await new_twin(endpoint_id=twin.id)
    world.connectivity.kept = kept

    assert await connectivity_of([again], parts=world.parts) == {}
    await take_in([of(again, connected(7))], parts=world.parts)
    assert (await connectivity_of([again], parts=world.parts))[again.id].connected


async def test_an_endpoint_follows_the_version_it_connects_for(world: World, twin: Endpoint) -> None:
    world.events.forget()
    await take_in([of(twin, connected(1), version=V2)], parts=world.parts)

    assert version_of(world, twin) == V2
    assert [entry.kind.name for entry in world.endpoints.kept[twin.id].outbox][-1] == "appversion-updated"


async def test_a_late_repetition_does_not_undo_an_operators_move(world: World, twin: Endpoint) -> None:
    event = of(twin, connected(1), version=V2)
    await take_in([event], parts=world.parts)
    back = PutEndpointVersion(endpoint_id=twin.id, body=AppVersionRef("olives-v1"))
    await put_endpoint_version(back, parts=world.parts)

    await take_in([event], parts=world.parts)

    assert version_of(world, twin) == "olives-v1"


async def test_a_move_that_failed_is_made_when_the_event_comes_again(world: World, twin: Endpoint) -> None:
    event = of(twin, connected(1), version=V2)
    world.endpoints.failure = UnavailableError("away")
    with pytest.raises(UnavailableError):
        await take_in([event], parts=world.parts)

    world.endpoints.failure = None
    await take_in([event], parts=world.parts)

    assert version_of(world, twin) == V2
    assert world.connectivity.kept[twin.id].is_settled


async def test_only_the_binding_that_stands_moves_an_endpoint(world: World, twin: Endpoint) -> None:
    await take_in([of(twin, connected(2, run="two"))], parts=world.parts)

    await take_in([of(twin, connected(1), version=V2)], parts=world.parts)

    assert version_of(world, twin) == "olives-v1"


async def test_a_version_that_does_not_exist_leaves_the_endpoint_where_it_is_and_connected(
    world: World, twin: Endpoint
) -> None:
    await take_in([of(twin, connected(1), version=AppVersionName("olives-v9"))], parts=world.parts)

    assert version_of(world, twin) == "olives-v1"
    assert world.connectivity.kept[twin.id].connected
    assert world.connectivity.kept[twin.id].is_settled


async def test_whoever_holds_something_is_watched_and_owes_the_rest_of_it(
    world: World, twin: Endpoint
) -> None:
    await take_in([of(twin, connected(1))], parts=world.parts)
    owing = world.runs.kept["one"]

    await take_in([of(twin, connected(2, of=1))], parts=world.parts)

    assert owing.state is RunState.OWING
    assert world.runs.kept["one"] == replace(owing, state=RunState.ALIVE)


async def test_what_is_being_ended_stays_so(world: World, twin: Endpoint) -> None:
    ending = Run(run_id="one", state=RunState.ENDING, stamp="s")
    await world.runs.add(ending)

    await take_in([of(twin, connected(2, of=1))], parts=world.parts)

    assert world.runs.kept["one"] == ending


async def test_a_store_that_is_away_is_told(world: World, twin: Endpoint) -> None:
    world.connectivity.failure = UnavailableError("away")

    with pytest.raises(UnavailableError):
        await take_in([of(twin, connected(1))], parts=world.parts)


async def test_thousands_at_once_are_taken_in(world: World, twin: Endpoint) -> None:
    strangers = [replace(connected(1), endpoint_id=EndpointId(f"stranger{n}")) for n in range(2500)]

    await take_in([*strangers, of(twin, connected(1))], parts=world.parts)

    assert list(world.connectivity.kept) == [twin.id]
