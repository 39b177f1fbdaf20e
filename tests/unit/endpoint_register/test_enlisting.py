"""The line of an endpoint in lists: in whatever order it is written, it says what the endpoint is."""

import itertools
from dataclasses import replace

import pytest

from libs.contracts.applications import CreateApplication, CreateVersion, NewApplication, NewAppVersion
from libs.contracts.endpoints import AppVersionRef, CreateEndpoint, ListEndpoints, NewEndpoint
from libs.contracts.errors import UnavailableError
from libs.contracts.ids import ApplicationName, AppVersionName
from services.endpoint_register.domain.endpoint import Endpoint, EndpointState
from services.endpoint_register.domain.listing import listed
from services.endpoint_register.usecases.applications import create_application
from services.endpoint_register.usecases.endpoints import create_endpoint
from services.endpoint_register.usecases.enlisting import enlist
from services.endpoint_register.usecases.listing import list_endpoints
from services.endpoint_register.usecases.versions import create_version
from tests.unit.endpoint_register.conftest import NewTwin
from tests.unit.endpoint_register.fakes import World
from tests.unit.endpoint_register.time_and_chance import START


@pytest.fixture
async def twin(new_twin: NewTwin) -> Endpoint:
    return await new_twin(endpoint_id="tree-17")


def moved(before: Endpoint, suffix: str) -> Endpoint:
    version = AppVersionName(f"{before.application}-{suffix}")
    return before.moved(version, at=START, correlation_id="")


def reborn(before: Endpoint) -> Endpoint:
    """Give the endpoint of the same id that somebody created later, in another application."""
    return replace(
        before,
        application=ApplicationName("figs"),
        version=AppVersionName("figs-v1"),
        incarnation="reborn",
        seq=1,
    )


async def list_late(world: World, endpoint: Endpoint) -> None:
    await enlist(endpoint, endpoints=world.endpoints, listing=world.listing)


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))), ids=str)
async def test_movers_list_it_in_any_order(world: World, twin: Endpoint, order: tuple[int, ...]) -> None:
    second = moved(twin, "v2")
    third = moved(second, "v3")
    world.endpoints.kept[twin.id] = third

    for number in order:
        await list_late(world, (twin, second, third)[number])

    assert world.listing.lines[twin.id].keys == listed(third).keys


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))), ids=str)
async def test_a_late_put_never_lists_it(world: World, twin: Endpoint, order: tuple[int, ...]) -> None:
    """The puts alone, without the reading afterwards: as if every mover died there."""
    second = moved(twin, "v2")
    lines = [listed(each) for each in (twin, second, moved(second, "v3"))]

    for number in order:
        await world.listing.put(lines[number])

    assert world.listing.lines[twin.id] == lines[2]


async def test_a_move_during_the_put_is_listed_too(world: World, twin: Endpoint) -> None:
    second = moved(twin, "v2")
    third = moved(second, "v3")

    async def move_on() -> None:
        world.endpoints.kept[twin.id] = third

    world.listing.before_put = move_on
    await list_late(world, second)

    assert world.listing.lines[twin.id] == listed(third)


@pytest.mark.parametrize("listed_first", ["old", "new"])
async def test_a_late_put_of_an_earlier_incarnation_does_not_stay(
    world: World, twin: Endpoint, listed_first: str
) -> None:
    new = reborn(twin)
    world.endpoints.kept[twin.id] = new
    world.listing.lines = {twin.id: listed(new)} if listed_first == "new" else {}

    await list_late(world, moved(twin, "v2"))

    assert world.listing.lines == {twin.id: listed(new)}


async def test_what_an_earlier_incarnation_left_gives_way(world: World, twin: Endpoint) -> None:
    new = reborn(twin)
    world.endpoints.kept[twin.id] = new

    await list_late(world, new)

    assert world.listing.lines == {twin.id: listed(new)}


@pytest.mark.parametrize("state", [None, EndpointState.DELETING, EndpointState.DISCARDING])
async def test_what_goes_is_not_listed_again(
    world: World, twin: Endpoint, state: EndpointState | None
) -> None:
    if state is None:
        del world.endpoints.kept[twin.id]
    else:
        world.endpoints.kept[twin.id] = replace(twin, state=state)
    world.listing.lines.clear()

    await list_late(world, moved(twin, "v2"))

    assert not world.listing.lines


async def test_endless_moving_ends(world: World, twin: Endpoint) -> None:
    suffixes = itertools.count(2)

    async def move_on() -> None:
        world.endpoints.kept[twin.id] = moved(world.endpoints.kept[twin.id], f"v{next(suffixes)}")

    world.listing.before_put = move_on

    with pytest.raises(UnavailableError):
        await list_late(world, twin)


async def test_a_reader_leaves_out_what_moved_on_and_repairs_its_line(world: World, twin: Endpoint) -> None:
    now = moved(twin, "v2")
    world.endpoints.kept[twin.id] = now

    async def at(version: str | None) -> list[Endpoint]:
        found, _ = await list_endpoints(ListEndpoints(application_version_name=version), parts=world.parts)
        return found

    everywhere = await at(None)
    world.listing.lines[twin.id] = listed(twin)

    assert [each.id for each in everywhere] == [twin.id], "what is not in doubt is shown"
    assert await at("olives-v1") == []
    assert [each.id for each in await at("olives-v2")] == [twin.id]


@pytest.mark.parametrize("asked", [None, "olives"], ids=["limits", "application"])
async def test_a_limited_key_sees_no_endpoint_of_others_on_an_old_line(
    world: World, twin: Endpoint, asked: str | None
) -> None:
    await create_application(CreateApplication(body=NewApplication(name="figs")), parts=world.parts)
    await create_version(
        CreateVersion(application_name="figs", body=NewAppVersion(name_suffix="v1")), parts=world.parts
    )
    del world.endpoints.kept[twin.id]
    body = NewEndpoint(app_version=AppVersionRef("figs-v1"), endpoint_id=twin.id)
    new, _ = await create_endpoint(CreateEndpoint(body=body), parts=world.parts)
    world.listing.lines[twin.id] = listed(twin)

    reading = ListEndpoints(applications=("olives",), application_name=asked)
    found, _ = await list_endpoints(reading, parts=world.parts)

    assert found == []
    assert world.listing.lines[twin.id].keys == listed(new).keys
