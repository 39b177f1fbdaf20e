"""Which endpoint contains which: between endpoints that live, within the limits of the key."""

from dataclasses import replace

import pytest

from libs.contracts.endpoints import AppVersionRef, CreateEndpoint, DeleteEndpoint, NewEndpoint
from libs.contracts.errors import (
    BadRequestError,
    ConflictError,
    ForbiddenError,
    GroveError,
    NotFoundError,
    UnavailableError,
)
from libs.contracts.ids import EndpointId
from libs.contracts.relations import LinkEndpoints, ListRelations, NewRelation, Relation, UnlinkEndpoints
from services.endpoint_register.usecases.endpoints import create_endpoint
from services.endpoint_register.usecases.relations import link, list_relations, unlink
from services.endpoint_register.usecases.removing import delete_endpoint
from services.endpoint_register.usecases.sweeping import Pace, Sweeper
from tests.support.rest import Json
from tests.unit.endpoint_register.conftest import NewTwin
from tests.unit.endpoint_register.fakes import World


def linking(source: str, target: str, **fields: Json) -> LinkEndpoints:
    return LinkEndpoints(body=Relation(type="contains", from_id=source, to_id=target), **fields)


def unlinking(source: str, target: str, **fields: Json) -> UnlinkEndpoints:
    return UnlinkEndpoints(body=Relation(type="contains", from_id=source, to_id=target), **fields)


async def shown(world: World, name: str, **fields: Json) -> tuple[list[tuple[str, str]], int]:
    found, total = await list_relations(ListRelations(endpoint_id=name, **fields), parts=world.parts)
    return [(each.source.endpoint_id, each.target.endpoint_id) for each in found], total


async def test_a_relation_is_seen_from_both_ends_once_until_it_is_unlinked(grove: World) -> None:
    for _ in range(2):
        await link(linking("a", "b"), parts=grove.parts)
    await link(linking("c", "a"), parts=grove.parts)

    from_one, from_other = await shown(grove, "a"), await shown(grove, "b")
    for _ in range(2):
        await unlink(unlinking("a", "b"), parts=grove.parts)

    assert from_one == ([("a", "b"), ("c", "a")], 2)
    assert from_other == ([("a", "b")], 1)
    assert await shown(grove, "a") == ([("c", "a")], 1)
    assert await shown(grove, "b") == ([], 0)


async def test_pages_are_in_order(grove: World) -> None:
    for target in ("e", "c", "b", "d"):
        await link(linking("a", target), parts=grove.parts)

    assert await shown(grove, "a", offset=1, limit=2) == ([("a", "c"), ("a", "d")], 4)


@pytest.mark.parametrize(
    ("cmd", "error"),
    [
        pytest.param(linking("a", "a"), BadRequestError, id="to itself"),
        pytest.param(linking("a", "nobody"), NotFoundError, id="target unknown"),
        pytest.param(linking("nobody", "a"), NotFoundError, id="source unknown"),
        pytest.param(linking("a", "b", applications=("olives",)), ForbiddenError, id="target outside"),
        pytest.param(linking("a", "b", applications=("figs",)), ForbiddenError, id="source outside"),
    ],
)
async def test_what_may_not_be_related_is_not(
    grove: World, cmd: LinkEndpoints, error: type[GroveError]
) -> None:
    with pytest.raises(error):
        await link(cmd, parts=grove.parts)

    assert not grove.relations.kept


async def test_a_key_unlinks_only_what_it_may_touch_at_both_ends(grove: World) -> None:
    await link(linking("a", "b"), parts=grove.parts)

    with pytest.raises(ForbiddenError):
        await unlink(unlinking("a", "b", applications=("olives",)), parts=grove.parts)

    assert len(grove.relations.kept) == 1


async def test_a_limited_key_sees_no_relations_to_other_applications(grove: World) -> None:
    await link(linking("a", "b"), parts=grove.parts)
    await link(linking("a", "c"), parts=grove.parts)

    assert await shown(grove, "a", applications=("olives",)) == ([("a", "c")], 1)
    with pytest.raises(ForbiddenError):
        await shown(grove, "a", applications=("figs",))


@pytest.mark.parametrize("gone", ["a", "b"])
async def test_relations_go_with_either_end_and_do_not_come_back(
    grove: World, new_twin: NewTwin, gone: str
) -> None:
    await link(linking("a", "b"), parts=grove.parts)
    await link(linking("c", "d"), parts=grove.parts)

    await delete_endpoint(DeleteEndpoint(endpoint_id=gone), parts=grove.parts)
    await new_twin(endpoint_id=gone)

    assert await shown(grove, "a") == ([], 0)
    assert await shown(grove, "b") == ([], 0)
    assert [each.source.endpoint_id for each in grove.relations.kept] == ["c"]


async def test_a_relation_to_an_endpoint_that_goes_meanwhile_is_taken_back(grove: World) -> None:
    async def remove() -> None:
        kept = list(grove.relations.kept)
        await delete_endpoint(DeleteEndpoint(endpoint_id="b"), parts=grove.parts)
        grove.relations.kept = kept  # what it dropped was stored a moment later

    grove.relations.after_add = remove

    with pytest.raises(NotFoundError):
        await link(linking("a", "b"), parts=grove.parts)

    assert not grove.relations.kept


async def test_what_a_dead_replica_left_is_not_shown_and_dropped(grove: World) -> None:
    await link(linking("a", "b"), parts=grove.parts)
    left = list(grove.relations.kept)
    await delete_endpoint(DeleteEndpoint(endpoint_id="b"), parts=grove.parts)
    grove.relations.kept = left

    assert await shown(grove, "a") == ([], 0)
    assert not grove.relations.kept


async def test_an_endpoint_has_so_many_relations_and_no_more(grove: World) -> None:
    await link(linking("a", "b"), parts=grove.parts)
    (first,) = grove.relations.kept
    for number in range(999):
        another = replace(first.target, endpoint_id=EndpointId(f"tree-{number}"))
        await grove.relations.add(replace(first, target=another))

    with pytest.raises(ConflictError, match="endpoint a has 1000 relations already"):
        await link(linking("d", "a"), parts=grove.parts)
    await link(linking("a", "b"), parts=grove.parts)
    await link(linking("d", "b"), parts=grove.parts)

    assert len(grove.relations.kept) == 1001


def creation(*relations: NewRelation, **fields: Json) -> CreateEndpoint:
    body = NewEndpoint(app_version=AppVersionRef("olives-v1"), endpoint_id="new", relations=list(relations))
    return CreateEndpoint(body=body, **fields)


async def test_an_endpoint_is_created_with_its_relations(grove: World) -> None:
    await create_endpoint(
        creation(NewRelation(type="contains", from_id="a"), NewRelation(type="contains", to_id="b")),
        parts=grove.parts,
    )

    assert await shown(grove, "new") == ([("a", "new"), ("new", "b")], 2)


@pytest.mark.parametrize(
    ("cmd", "error"),
    [
        pytest.param(creation(NewRelation(type="contains")), BadRequestError, id="no end"),
        pytest.param(
            creation(NewRelation(type="contains", from_id="a", to_id="b")), BadRequestError, id="both ends"
        ),
        pytest.param(
            creation(*[NewRelation(type="contains", from_id="a")] * 101), BadRequestError, id="too many"
        ),
        pytest.param(creation(NewRelation(type="contains", to_id="nobody")), NotFoundError, id="unknown"),
        pytest.param(
            creation(NewRelation(type="contains", to_id="b"), applications=("olives",)),
            ForbiddenError,
            id="outside the limits",
        ),
    ],
)
async def test_a_creation_with_relations_that_cannot_be_leaves_nothing(
    grove: World, cmd: CreateEndpoint, error: type[GroveError]
) -> None:
    with pytest.raises(error):
        await create_endpoint(cmd, parts=grove.parts)

    assert "new" not in grove.endpoints.kept
    assert not grove.relations.kept


async def test_relations_of_a_creation_that_is_taken_back_go_with_it(grove: World) -> None:
    refused = ConflictError("the token is taken")
    grove.credentials.refusal = refused
    cmd = creation(NewRelation(type="contains", from_id="a"))
    with pytest.raises(ConflictError):
        await create_endpoint(cmd, parts=grove.parts)
    after_refusal = list(grove.relations.kept)
    grove.credentials.refusal = UnavailableError("away")
    with pytest.raises(UnavailableError):
        await create_endpoint(cmd, parts=grove.parts)

    half_made = list(grove.relations.kept)
    hidden = await shown(grove, "a")
    grove.credentials.refusal = None
    grove.clock.pass_s(61)
    await Sweeper(grove.parts, pace=Pace(every_s=1, outbox_after_s=5, creating_after_s=60)).sweep()

    assert not after_refusal
    assert len(half_made) == 1
    assert hidden == ([], 0)
    assert "new" not in grove.endpoints.kept
    assert not grove.relations.kept
