"""Filters as operators make, change, see and use them."""

import asyncio
import json
from typing import Any

import msgspec
import pytest

from libs.contracts.applications import DeleteApplication
from libs.contracts.endpoints import GetEndpoint, ListEndpoints
from libs.contracts.errors import (
    BadRequestError,
    ConflictError,
    ForbiddenError,
    NotFoundError,
    PayloadTooLargeError,
    PreconditionFailedError,
)
from libs.contracts.filters import (
    CreateFilter,
    DeleteFilter,
    FilterChange,
    GetFilter,
    ListFilters,
    NewFilter,
    UpdateFilter,
)
from libs.contracts.ids import ApplicationName
from services.endpoint_register.domain.filters import MAX_FILTERS, Filter
from services.endpoint_register.usecases.emptying import delete_application
from services.endpoint_register.usecases.endpoints import get_endpoint
from services.endpoint_register.usecases.evaluating import FilterWork
from services.endpoint_register.usecases.filters import (
    create_filter,
    delete_filter,
    get_filter,
    list_filters,
    update_filter,
)
from services.endpoint_register.usecases.listing import list_endpoints
from services.endpoint_register.usecases.matching import filters_shown
from tests.support.rest import Json
from tests.unit.endpoint_register.conftest import NewTwin
from tests.unit.endpoint_register.fakes import World


async def new_filter(world: World, query: dict[str, Any], name: str = "some", **fields: Json) -> Filter:
    body = NewFilter(name=name, mongo_query=json.dumps(query))
    cmd = CreateFilter(application_name="olives", body=body, **fields)
    found, matched = await create_filter(cmd, parts=world.parts)
    assert (found.is_active, matched) == (False, 0)
    return found


async def seen(world: World, filter_id: str) -> tuple[Filter, int]:
    return await get_filter(GetFilter(application_name="olives", filter_id=filter_id), parts=world.parts)


async def change(world: World, filter_id: str, if_match: str | None = None, **fields: str) -> Filter:
    cmd = UpdateFilter(
        application_name="olives", filter_id=filter_id, body=FilterChange(**fields), if_match=if_match
    )
    return (await update_filter(cmd, parts=world.parts))[0]


async def test_a_filter_becomes_active_with_the_count_of_what_matches(
    world: World, new_twin: NewTwin
) -> None:
    for number in range(200):
        await new_twin({"n": number})
    made = await new_filter(world, {"metadata.n": {"$lt": 70}})

    await FilterWork(world.parts).look()

    found, matched = await seen(world, made.id)
    assert (found.is_active, matched) == (True, 70)
    assert len(world.endpoints.kept) == 200


async def test_only_endpoints_that_come_to_match_something_else_are_written(
    world: World, new_twin: NewTwin
) -> None:
    await new_twin({"n": 1})
    await new_twin({"n": 2})
    await new_filter(world, {"metadata.n": 1})
    before = world.endpoints.writes

    await FilterWork(world.parts).look()

    assert world.endpoints.writes == before + 1


async def test_others_get_their_turn_between_endpoints_that_are_judged(
    world: World, new_twin: NewTwin
) -> None:
    for number in range(64):
        await new_twin({"n": number})
    await new_filter(world, {"metadata.n": -1})
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    async with asyncio.TaskGroup() as group:
        task = group.create_task(others(), name="others")
        await FilterWork(world.parts).look()
        task.cancel()

    assert turns >= 60


async def test_another_query_makes_it_pending_and_other_texts_do_not(world: World, new_twin: NewTwin) -> None:
    await new_twin({"n": 1})
    made = await new_filter(world, {"metadata.n": 1})
    await FilterWork(world.parts).look()

    renamed = await change(world, made.id, name="other", description="text")
    same = await change(world, made.id, name="other")
    requeried = await change(world, made.id, mongo_query='{"metadata.n":2}')
    await FilterWork(world.parts).look()

    assert (renamed.is_active, renamed.name, renamed.description) == (True, "other", "text")
    assert same.revision == renamed.revision == made.revision + 1
    assert not requeried.is_active
    found, matched = await seen(world, made.id)
    assert (found.is_active, matched) == (True, 0)


async def test_a_tag_that_is_not_current_changes_nothing(world: World) -> None:
    made = await new_filter(world, {})
    changed = await change(world, made.id, if_match=made.e_tag, name="other")

    with pytest.raises(PreconditionFailedError):
        await change(world, made.id, if_match=made.e_tag, name="third")
    stale = DeleteFilter(application_name="olives", filter_id=made.id, if_match=made.e_tag)
    with pytest.raises(PreconditionFailedError):
        await delete_filter(stale, parts=world.parts)
    await delete_filter(msgspec.structs.replace(stale, if_match=changed.e_tag), parts=world.parts)

    with pytest.raises(NotFoundError):
        await seen(world, made.id)


async def test_a_deleted_filter_is_gone_for_readers_at_once_and_from_endpoints_later(
    world: World, new_twin: NewTwin
) -> None:
    twin = await new_twin({"n": 1})
    made = await new_filter(world, {"metadata.n": 1})
    await FilterWork(world.parts).look()
    matching = await get_endpoint(GetEndpoint(endpoint_id=twin.id), parts=world.parts)
    shown = await filters_shown([matching], parts=world.parts)

    await delete_filter(DeleteFilter(application_name="olives", filter_id=made.id), parts=world.parts)

    assert shown == {twin.id: [made.id]}
    assert await filters_shown([matching], parts=world.replica()) == {twin.id: []}
    assert await list_endpoints(ListEndpoints(filter_id=made.id), parts=world.parts) == ([], 0)
    assert world.endpoints.kept[twin.id].filters == (made.id,)
    await FilterWork(world.parts).look()
    assert world.endpoints.kept[twin.id].filters == ()


async def test_endpoints_are_listed_by_an_active_filter(world: World, new_twin: NewTwin) -> None:
    twins = [await new_twin({"n": number}) for number in range(5)]
    made = await new_filter(world, {"metadata.n": {"$gte": 2}})
    by_filter = ListEndpoints(filter_id=made.id, sort="-endpointId", limit=2)
    while_pending = await list_endpoints(by_filter, parts=world.parts)
    await FilterWork(world.parts).look()

    page, total = await list_endpoints(by_filter, parts=world.parts)
    named, _ = await list_endpoints(
        ListEndpoints(filter_id=made.id, endpoint_id=(twins[0].id, twins[3].id)), parts=world.parts
    )

    assert [each.id for each in page] == [twins[4].id, twins[3].id]
    assert (while_pending, total) == (([], 0), 3)
    assert [each.id for each in named] == [twins[3].id]
    other = ListEndpoints(filter_id=made.id, application_name="figs")
    assert await list_endpoints(other, parts=world.parts) == ([], 0)
    assert await list_endpoints(ListEndpoints(filter_id="gone"), parts=world.parts) == ([], 0)
    with pytest.raises(ForbiddenError):
        await list_endpoints(ListEndpoints(filter_id=made.id, applications=("figs",)), parts=world.parts)


async def test_names_are_unique_and_filters_limited(world: World) -> None:
    names = [f"f{number}" for number in range(MAX_FILTERS)]
    made = [await new_filter(world, {"metadata.n": 1}, name) for name in names]

    with pytest.raises(ConflictError, match="100 filters"):
        await new_filter(world, {}, "one more")
    with pytest.raises(ConflictError, match="f1"):
        await change(world, made[0].id, name="f1")

    page, total = await list_filters(
        ListFilters(application_name="olives", offset=98, limit=5), parts=world.parts
    )
    named, of_name = await list_filters(ListFilters(application_name="olives", name="f7"), parts=world.parts)
    assert ([each.name for each, _ in page], total) == (["f98", "f99"], MAX_FILTERS)
    assert ([each.id for each, _ in named], of_name) == ([made[7].id], 1)


async def test_conditions_of_all_filters_together_are_limited(world: World) -> None:
    many = {"$or": [{"metadata.n": number} for number in range(64)]}
    for number in range(15):
        await new_filter(world, many, f"f{number}")
    last = await new_filter(world, {"$or": many["$or"][:40]}, "last")

    with pytest.raises(ConflictError, match="1001 conditions"):
        await new_filter(world, {"metadata.n": 1}, "one more")
    with pytest.raises(ConflictError, match="1024 conditions"):
        await change(world, last.id, mongo_query=json.dumps(many))

    assert not (await change(world, last.id, mongo_query='{"metadata.n":1}')).is_active


async def test_a_page_that_no_message_can_hold_is_refused(world: World) -> None:
    for number in range(70):
        await new_filter(world, {"metadata.n": "x" * 8000}, f"f{number}")

    with pytest.raises(PayloadTooLargeError):
        await list_filters(ListFilters(application_name="olives", limit=100), parts=world.parts)


@pytest.mark.parametrize(
    "fields",
    [{"name": ""}, {"name": "x" * 257}, {"description": "ö" * 513}, {"mongo_query": '{"$where":1}'}],
    ids=str,
)
async def test_bad_texts_are_refused(world: World, fields: dict[str, str]) -> None:
    made = await new_filter(world, {})
    body = msgspec.structs.replace(NewFilter(name="n", mongo_query="{}"), **fields)

    with pytest.raises(BadRequestError):
        await create_filter(CreateFilter(application_name="olives", body=body), parts=world.parts)
    with pytest.raises(BadRequestError):
        await change(world, made.id, **fields)

    assert (await seen(world, made.id))[0].revision == made.revision


async def test_filters_belong_to_an_application_that_may_be_touched(world: World) -> None:
    with pytest.raises(ForbiddenError):
        await new_filter(world, {}, applications=("figs",))
    with pytest.raises(NotFoundError):
        await create_filter(
            CreateFilter(application_name="gone", body=NewFilter(name="n", mongo_query="{}")),
            parts=world.parts,
        )


async def test_filters_go_with_their_application(world: World, new_twin: NewTwin) -> None:
    twin = await new_twin({"n": 1})
    await new_filter(world, {"metadata.n": 1})
    await FilterWork(world.parts).look()

    await delete_application(DeleteApplication(application_name="olives", force=True), parts=world.parts)

    assert world.filters.kept == {}
    assert twin.id not in world.endpoints.kept
    assert world.events.names()[-2:] == ["ep-unmatched", "unregistered"]
    assert (await world.filters.find(ApplicationName("olives"))).revision == 0
