"""Delivery rule 23: an endpoint and its first token begin together or not at all."""

from typing import Any

import pytest

from libs.contracts.applications import DeleteVersion
from libs.contracts.endpoints import AppVersionRef, CreateEndpoint, NewEndpoint
from libs.contracts.errors import (
    BadRequestError,
    ConflictError,
    DeadlineError,
    ForbiddenError,
    GroveError,
    InternalError,
    NotFoundError,
    PayloadTooLargeError,
    UnavailableError,
)
from libs.contracts.ids import EndpointId
from services.endpoint_register.domain.endpoint import EndpointState
from services.endpoint_register.usecases.endpoints import create_endpoint
from services.endpoint_register.usecases.sweeping import Pace, Sweeper
from services.endpoint_register.usecases.versions import delete_version
from tests.support.rest import Json
from tests.unit.endpoint_register.conftest import NewTwin
from tests.unit.endpoint_register.fakes import World

PACE = Pace(every_s=1, outbox_after_s=5, creating_after_s=60)


def creation(**fields: Json) -> CreateEndpoint:
    fields.setdefault("app_version", AppVersionRef("olives-v1"))
    limits = fields.pop("applications", None)
    return CreateEndpoint(body=NewEndpoint(**fields), applications=limits)


async def test_a_new_endpoint_has_a_token_metadata_and_an_event(world: World) -> None:
    endpoint, token = await create_endpoint(creation(metadata={"a": 1}), parts=world.parts)

    kept = world.endpoints.kept[endpoint.id]
    assert kept.state is EndpointState.READY
    assert kept.metadata == {"a": 1}
    assert world.credentials.tokens == {("olives", token): endpoint.id}
    assert [entry.kind.name for entry in kept.outbox] == ["registered"]
    assert list(world.listing.lines) == [endpoint.id]


async def test_given_id_and_token_are_used(world: World) -> None:
    endpoint, token = await create_endpoint(
        creation(endpoint_id="tree-17", endpoint_token="sn 42"), parts=world.parts
    )

    assert (endpoint.id, token) == ("tree-17", "sn 42")


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        pytest.param({"app_version": AppVersionRef("olives-v2")}, NotFoundError, id="unknown version"),
        pytest.param({"app_version": AppVersionRef("figs-v1")}, NotFoundError, id="unknown application"),
        pytest.param({"app_version": AppVersionRef("nonsense")}, NotFoundError, id="no version name"),
        pytest.param({"endpoint_id": "a/b"}, BadRequestError, id="id with a slash"),
        pytest.param({"endpoint_id": ""}, BadRequestError, id="empty id"),
        pytest.param({"endpoint_token": "a.b"}, BadRequestError, id="token with a dot"),
        pytest.param({"endpoint_token": ""}, BadRequestError, id="empty token"),
        pytest.param({"metadata": {"a b": 1}}, BadRequestError, id="metadata key"),
        pytest.param({"metadata": {"a": b"bytes"}}, BadRequestError, id="metadata value"),
        pytest.param({"metadata": {f"k{n}": n for n in range(1001)}}, PayloadTooLargeError, id="keys"),
        pytest.param({"metadata": {"a": "x" * 262_144}}, PayloadTooLargeError, id="size"),
        pytest.param({"applications": ("figs",)}, ForbiddenError, id="outside the key's limits"),
    ],
)
async def test_a_creation_that_cannot_be_is_refused_without_a_trace(
    world: World, fields: dict[str, Any], error: type[GroveError]
) -> None:
    with pytest.raises(error):
        await create_endpoint(creation(**fields), parts=world.parts)

    assert not world.endpoints.kept
    assert not world.credentials.tokens


async def test_an_id_that_is_taken_is_a_conflict(world: World, new_twin: NewTwin) -> None:
    first = await new_twin(endpoint_id="tree-17")

    with pytest.raises(ConflictError):
        await create_endpoint(creation(endpoint_id="tree-17"), parts=world.parts)

    assert world.endpoints.kept[first.id].incarnation == first.incarnation
    assert len(world.credentials.tokens) == 1


async def test_a_token_that_is_taken_is_a_conflict_and_leaves_nothing(
    world: World, new_twin: NewTwin
) -> None:
    first = await new_twin(endpoint_token="sn-1")

    with pytest.raises(ConflictError):
        await create_endpoint(creation(endpoint_id="second", endpoint_token="sn-1"), parts=world.parts)

    assert list(world.endpoints.kept) == [first.id]
    assert world.credentials.tokens == {("olives", "sn-1"): first.id}


@pytest.mark.parametrize(
    "failure",
    [
        pytest.param(DeadlineError("no answer"), id="no answer"),
        pytest.param(UnavailableError("cut"), id="cut while waiting"),
        pytest.param(InternalError(), id="fault of the other side"),
    ],
)
async def test_an_unknown_outcome_is_taken_back_after_a_minute_token_first(
    world: World, failure: GroveError
) -> None:
    world.credentials.lost_answer = failure
    with pytest.raises(type(failure)):
        await create_endpoint(creation(endpoint_id="tree-17"), parts=world.parts)
    hidden = world.endpoints.kept[EndpointId("tree-17")]
    sweeper = Sweeper(world.parts, pace=PACE)

    world.clock.pass_s(59)
    await sweeper.sweep()
    untouched = (hidden == world.endpoints.kept[hidden.id], len(world.credentials.tokens))
    world.clock.pass_s(1)
    await sweeper.sweep()

    assert hidden.state is EndpointState.CREATING
    assert untouched == (True, 1)
    assert not world.endpoints.kept
    assert not world.credentials.tokens
    assert not world.events.published


async def test_what_cannot_be_taken_back_now_is_taken_back_later(world: World) -> None:
    world.credentials.lost_answer = DeadlineError("no answer")
    with pytest.raises(DeadlineError):
        await create_endpoint(creation(endpoint_id="tree-17"), parts=world.parts)
    world.credentials.refusal = UnavailableError("away")
    world.clock.pass_s(61)
    sweeper = Sweeper(world.parts, pace=PACE)

    await sweeper.sweep()
    kept = dict(world.endpoints.kept)
    world.credentials.refusal = None
    world.clock.pass_s(6)
    await sweeper.sweep()

    assert kept[EndpointId("tree-17")].state is EndpointState.DISCARDING
    assert not world.endpoints.kept
    assert not world.credentials.tokens


async def test_a_creation_that_was_taken_back_does_not_come_to_life(world: World) -> None:
    sweeper = Sweeper(world.parts, pace=PACE)

    async def sweep_much_later() -> None:
        world.clock.pass_s(61)
        await sweeper.sweep()

    world.listing.before_put = sweep_much_later

    with pytest.raises(UnavailableError):
        await create_endpoint(creation(), parts=world.parts)

    assert not world.endpoints.kept
    assert not world.credentials.tokens


async def test_a_store_that_fails_before_the_end_leaves_a_creation_to_be_taken_back(world: World) -> None:
    world.listing.failure = UnavailableError("the store is away")
    with pytest.raises(UnavailableError):
        await create_endpoint(creation(), parts=world.parts)
    world.listing.failure = None
    world.clock.pass_s(61)

    await Sweeper(world.parts, pace=PACE).sweep()

    assert not world.endpoints.kept
    assert not world.credentials.tokens


async def test_a_version_removed_meanwhile_takes_the_endpoint_with_it(world: World) -> None:
    async def remove_the_version() -> None:
        removal = DeleteVersion(application_name="olives", version_name="olives-v1")
        await delete_version(removal, parts=world.parts)

    world.endpoints.before_add = remove_the_version

    with pytest.raises(NotFoundError):
        await create_endpoint(creation(), parts=world.parts)

    assert not world.endpoints.kept
    assert not world.credentials.tokens


async def test_a_recreated_endpoint_has_tags_of_its_own(world: World, new_twin: NewTwin) -> None:
    first = await new_twin(endpoint_id="tree-17")
    world.endpoints.kept.clear()

    second = await new_twin(endpoint_id="tree-17")

    assert first.e_tag != second.e_tag
