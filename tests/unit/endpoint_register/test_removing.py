import pytest

from libs.contracts.endpoints import DeleteEndpoint, GetEndpoint, PutMetadata
from libs.contracts.errors import ForbiddenError, GroveError, NotFoundError, UnavailableError
from services.endpoint_register.domain.endpoint import EndpointState
from services.endpoint_register.usecases.endpoints import get_endpoint
from services.endpoint_register.usecases.metadata import put_metadata
from services.endpoint_register.usecases.removing import delete_endpoint, remove_endpoint
from services.endpoint_register.usecases.sweeping import Pace, Sweeper
from tests.unit.endpoint_register.conftest import NewTwin
from tests.unit.endpoint_register.fakes import World
from tests.unit.endpoint_register.time_and_chance import nothing

PACE = Pace(every_s=1, outbox_after_s=5, creating_after_s=60)


async def test_a_removed_endpoint_leaves_nothing_but_its_events_in_order(
    world: World, new_twin: NewTwin
) -> None:
    twin = await new_twin()
    await put_metadata(PutMetadata(endpoint_id=twin.id, payload=b'{"a":1}'), parts=world.parts)

    await delete_endpoint(DeleteEndpoint(endpoint_id=twin.id), parts=world.parts)

    assert world.events.names() == ["registered", "updated", "unregistered"]
    assert not world.endpoints.kept
    assert not world.credentials.tokens
    assert not world.listing.lines


async def test_removing_it_again_is_not_found(world: World, new_twin: NewTwin) -> None:
    twin = await new_twin()
    await delete_endpoint(DeleteEndpoint(endpoint_id=twin.id), parts=world.parts)

    with pytest.raises(NotFoundError):
        await delete_endpoint(DeleteEndpoint(endpoint_id=twin.id), parts=world.parts)


async def test_another_applications_endpoint_may_not_be_removed(world: World, new_twin: NewTwin) -> None:
    twin = await new_twin()

    with pytest.raises(ForbiddenError):
        await delete_endpoint(DeleteEndpoint(endpoint_id=twin.id, applications=("figs",)), parts=world.parts)

    assert world.endpoints.kept[twin.id].state is EndpointState.READY


@pytest.mark.parametrize("by", ["asking again", "the sweeper"])
@pytest.mark.parametrize("away", ["credential-manager", "the stream"])
async def test_a_removal_that_got_stuck_is_hidden_and_finished_later(
    world: World, new_twin: NewTwin, away: str, by: str
) -> None:
    twin = await new_twin()
    fake = world.credentials if away == "credential-manager" else world.events
    failing = "refusal" if away == "credential-manager" else "failure"
    setattr(fake, failing, UnavailableError("away"))
    removal = DeleteEndpoint(endpoint_id=twin.id)

    with pytest.raises(UnavailableError):
        await delete_endpoint(removal, parts=world.parts)
    with pytest.raises(NotFoundError):
        await get_endpoint(GetEndpoint(endpoint_id=twin.id), parts=world.parts)
    setattr(fake, failing, None)
    world.clock.pass_s(6)
    if by == "the sweeper":
        await Sweeper(world.parts, pace=PACE).sweep()
    else:
        await delete_endpoint(removal, parts=world.parts)

    assert world.events.names() == ["registered", "unregistered"]
    assert not world.endpoints.kept
    assert not world.credentials.tokens


async def test_the_event_comes_after_the_tokens_are_gone(world: World, new_twin: NewTwin) -> None:
    twin = await new_twin()
    world.credentials.refusal = UnavailableError("away")

    with pytest.raises(GroveError):
        await delete_endpoint(DeleteEndpoint(endpoint_id=twin.id), parts=world.parts)

    assert not world.events.attempts


async def test_one_failure_does_not_stop_the_sweep(world: World, new_twin: NewTwin) -> None:
    stuck, other = await new_twin(), await new_twin()
    world.credentials.refusal = UnavailableError("away")
    for twin in (stuck, other):
        with pytest.raises(UnavailableError):
            await delete_endpoint(DeleteEndpoint(endpoint_id=twin.id), parts=world.parts)
    world.credentials.refusal = None
    world.credentials.stuck = {stuck.id}
    world.clock.pass_s(6)

    await Sweeper(world.parts, pace=PACE).sweep()

    assert list(world.endpoints.kept) == [stuck.id]


async def test_a_removal_that_slept_spares_the_next_endpoint_of_its_id(
    world: World, new_twin: NewTwin
) -> None:
    first = await new_twin(endpoint_id="tree-17", endpoint_token="sn-17")
    removal = DeleteEndpoint(endpoint_id=first.id)

    async def finish_elsewhere_and_begin_again() -> None:
        world.credentials.before_delete = nothing
        await delete_endpoint(removal, parts=world.replica())
        await new_twin(endpoint_id="tree-17", endpoint_token="sn-17")

    world.credentials.before_delete = finish_elsewhere_and_begin_again

    await delete_endpoint(removal, parts=world.parts)

    assert world.credentials.tokens == {("olives", "sn-17"): "tree-17"}
    assert world.endpoints.kept[first.id].state is EndpointState.READY


async def test_a_discarded_creation_that_is_swept_late_spares_the_next_endpoint_of_its_id(
    world: World, new_twin: NewTwin
) -> None:
    world.credentials.lost_answer = UnavailableError("cut")
    with pytest.raises(UnavailableError):
        await new_twin(endpoint_id="tree-17", endpoint_token="sn-17")
    world.credentials.lost_answer = None
    world.clock.pass_s(61)

    async def finish_elsewhere_and_begin_again() -> None:
        world.credentials.before_delete = nothing
        world.clock.pass_s(6)
        await Sweeper(world.replica(), pace=PACE).sweep()
        await new_twin(endpoint_id="tree-17", endpoint_token="sn-17")

    world.credentials.before_delete = finish_elsewhere_and_begin_again

    await Sweeper(world.parts, pace=PACE).sweep()

    assert world.credentials.tokens == {("olives", "sn-17"): "tree-17"}


async def test_an_endpoint_that_took_the_id_after_the_one_that_was_meant_is_not_removed(
    world: World, new_twin: NewTwin
) -> None:
    meant = await new_twin(endpoint_id="tree-17", endpoint_token="sn-17")
    await delete_endpoint(DeleteEndpoint(endpoint_id=meant.id), parts=world.parts)
    await new_twin(endpoint_id="tree-17", endpoint_token="sn-17")

    with pytest.raises(NotFoundError):
        await remove_endpoint(meant, correlation_id="", parts=world.parts)

    assert world.endpoints.kept[meant.id].state is EndpointState.READY
