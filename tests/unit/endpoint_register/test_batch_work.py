"""Tasks that create many endpoints are carried out once, whoever dies meanwhile."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from libs.contracts.applications import DeleteVersion
from libs.contracts.endpoints import DeleteEndpoint
from libs.contracts.errors import (
    GroveError,
    InternalError,
    UnavailableError,
)
from libs.contracts.ids import EndpointId
from services.endpoint_register.bus_api.batches import status_body
from services.endpoint_register.domain.batch import BatchId, BatchState
from services.endpoint_register.domain.endpoint import EndpointState
from services.endpoint_register.ports import Parts
from services.endpoint_register.usecases.batches import create_batch
from services.endpoint_register.usecases.removing import delete_endpoint
from services.endpoint_register.usecases.sweeping import Pace, Sweeper
from services.endpoint_register.usecases.versions import delete_version
from tests.support.rest import Json
from tests.unit.endpoint_register.batch_calls import (
    HOUR_S,
    LEASE_S,
    PACE,
    batch_of,
    kept,
    ready_ids,
    trees,
    work,
)
from tests.unit.endpoint_register.fakes import World


class DiedError(BaseException):
    """The process ends here."""


def dying(parts: Parts, port: str, method: str, *, before: bool, calls: int = 1) -> Parts:
    """Parts of a replica that dies at one call of a port: before it has an effect, or after."""
    real = getattr(parts, port)
    left = calls

    class Dying:
        def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - stands in for any port
            return die if name == method else getattr(real, name)

    async def die(*args: Json, **named: Json) -> object:
        nonlocal left
        left -= 1
        if left > 0:
            outcome: object = await getattr(real, method)(*args, **named)
            return outcome
        if not before:
            await getattr(real, method)(*args, **named)
        raise DiedError

    mortal: Json = {port: Dying()}
    return replace(parts, **mortal)


@pytest.mark.parametrize("rested_s", [LEASE_S + 1, HOUR_S / 2], ids=["soon", "after the sweeper"])
@pytest.mark.parametrize("before", [pytest.param(True, id="before"), pytest.param(False, id="after")])
@pytest.mark.parametrize(
    ("port", "method", "calls"),
    [
        pytest.param("batches", "replace", 1, id="claiming"),
        pytest.param("batches", "replace", 2, id="noting"),
        *(
            pytest.param(port, method, calls, id=f"{port} {method} {calls}")
            for port, method in (
                ("applications", "find"),
                ("endpoints", "add"),
                ("credentials", "store_token"),
                ("listing", "put"),
                ("endpoints", "replace"),
            )
            for calls in (1, 3)
        ),
    ],
)
async def test_whoever_dies_is_followed_by_somebody_who_creates_each_exactly_once(
    world: World, port: str, method: str, calls: int, rested_s: float, *, before: bool
) -> None:
    batch = await create_batch(batch_of(*trees(5)), parts=world.parts)
    doomed = dying(world.replica(), port, method, before=before, calls=calls)
    with pytest.raises((DiedError, BaseExceptionGroup)):
        await work(world, doomed)
    world.clock.pass_s(rested_s)
    if rested_s > LEASE_S + 1:
        await Sweeper(world.parts, pace=Pace(every_s=1, outbox_after_s=5, creating_after_s=60)).sweep()

    other = world.replica()
    while await work(world, other):
        pass

    shown = status_body(kept(world, batch))
    assert (shown.status, shown.created_count, shown.failed_count) == ("DONE", 5, 0)
    assert ready_ids(world) == [f"tree-{number}" for number in range(5)]
    assert sorted(world.credentials.tokens.values()) == ready_ids(world)
    generated = {("olives", each.token): each.endpoint_id for each in shown.created}
    assert world.credentials.tokens == generated
    events = [entry.kind.name for each in world.endpoints.kept.values() for entry in each.outbox]
    assert events == ["registered"] * 5


async def test_a_worker_that_was_paused_changes_nothing_any_more(world: World) -> None:
    batch = await create_batch(batch_of(*trees(2)), parts=world.parts)
    other = world.replica()
    paused: list[bool] = []

    async def pause() -> None:
        if world.batches.kept[batch.id].state is BatchState.RUNNING and not paused:
            paused.append(True)
            world.clock.pass_s(LEASE_S + 1)
            await work(world, other)

    world.batches.before_replace = pause

    went_on = await work(world)

    shown = status_body(kept(world, batch))
    assert paused
    assert not went_on
    assert (shown.status, shown.created_count) == ("DONE", 2)
    assert ready_ids(world) == ["tree-0", "tree-1"]
    assert len(world.credentials.tokens) == 2


async def test_a_task_that_somebody_took_a_moment_ago_is_left_alone(world: World) -> None:
    batch = await create_batch(batch_of(*trees(1)), parts=world.parts)
    taken = batch.claimed(until=world.clock.now() + timedelta(seconds=LEASE_S))
    await world.batches.replace(batch, taken)

    class Stale:
        def __getattr__(self, name: str) -> Json:
            return getattr(world.batches, name)

        async def due(self, *, at: datetime, limit: int) -> list[BatchId]:
            return [batch.id]

    stale: Json = {"batches": Stale()}

    went_on = await work(world, replace(world.parts, **stale))

    assert not went_on
    assert kept(world, batch) == taken
    assert not world.endpoints.kept


async def test_an_endpoint_that_is_being_taken_back_is_created_anew_when_that_is_over(world: World) -> None:
    batch = await create_batch(batch_of(*trees(1)), parts=world.parts)
    with pytest.raises((DiedError, BaseExceptionGroup)):
        await work(world, dying(world.replica(), "credentials", "store_token", before=False))
    world.credentials.stuck.add("tree-0")
    world.clock.pass_s(61)
    await Sweeper(world.parts, pace=Pace(every_s=1, outbox_after_s=5, creating_after_s=60)).sweep()
    half_gone = world.endpoints.kept[EndpointId("tree-0")]

    await work(world)
    waiting = status_body(kept(world, batch))
    world.credentials.stuck.clear()
    world.clock.pass_s(PACE.retry_s)
    await work(world)

    assert half_gone.state is EndpointState.DISCARDING
    assert (waiting.created_count, waiting.failed_count) == (0, 0)
    assert status_body(kept(world, batch)).created_count == 1
    assert ready_ids(world) == ["tree-0"]
    assert world.endpoints.kept[EndpointId("tree-0")].incarnation != half_gone.incarnation


async def test_what_was_created_and_deleted_meanwhile_is_not_created_again(world: World) -> None:
    batch = await create_batch(batch_of(*trees(1)), parts=world.parts)
    with pytest.raises((DiedError, BaseExceptionGroup)):
        await work(world, dying(world.replica(), "batches", "replace", before=True, calls=2))
    world.credentials.stuck.add("tree-0")
    with pytest.raises(UnavailableError):
        await delete_endpoint(DeleteEndpoint(endpoint_id="tree-0"), parts=world.parts)
    world.clock.pass_s(LEASE_S + 1)

    await work(world)

    assert status_body(kept(world, batch)).created_count == 1
    assert ready_ids(world) == []


async def test_what_is_away_is_waited_for(world: World) -> None:
    batch = await create_batch(batch_of(*trees(3)), parts=world.parts)
    world.credentials.refusal = UnavailableError("away")

    first = await work(world)
    at_once = await work(world)
    world.credentials.refusal = None
    world.clock.pass_s(PACE.retry_s)
    await work(world)

    assert not first
    assert not at_once
    assert status_body(kept(world, batch)).created_count == 3


async def test_what_fails_for_an_hour_has_failed(world: World) -> None:
    batch = await create_batch(batch_of(*trees(2)), parts=world.parts)
    world.credentials.refusal = InternalError()
    await work(world)
    waited = status_body(kept(world, batch)).failed_count
    world.clock.pass_s(HOUR_S)

    await work(world)

    shown = status_body(kept(world, batch))
    assert (waited, shown.status, shown.failed_count) == (0, "DONE", 2)


async def test_one_that_cannot_be_created_now_does_not_stop_the_others(world: World) -> None:
    batch = await create_batch(batch_of(*trees(200)), parts=world.parts)
    real = world.credentials

    class Faulty:
        async def store_token(self, token: str, *, endpoint: Any) -> None:  # noqa: ANN401 - as in the port
            if endpoint.id == "tree-7":
                raise InternalError
            await real.store_token(token, endpoint=endpoint)

        async def store_tokens(self, tokens: Sequence[Any]) -> list[GroveError | None]:
            return await real.store_tokens(tokens)

        async def delete_tokens(self, endpoint: Any) -> None:  # noqa: ANN401 - as in the port
            await real.delete_tokens(endpoint)

    await work(world, replace(world.replica(), credentials=Faulty()))

    shown = status_body(kept(world, batch))
    assert (shown.status, shown.created_count, shown.failed_count) == ("RUNNING", 199, 0)


async def test_a_version_that_goes_meanwhile_fails_what_is_left(world: World) -> None:
    batch = await create_batch(batch_of(*trees(2)), parts=world.parts)
    await delete_version(
        DeleteVersion(application_name="olives", version_name="olives-v1"), parts=world.parts
    )

    await work(world)

    shown = status_body(kept(world, batch))
    assert (shown.status, shown.created_count, shown.failed_count) == ("DONE", 0, 2)
    assert not world.endpoints.kept


async def test_large_tasks_take_turns(world: World) -> None:
    large = await create_batch(batch_of(*trees(300)), parts=world.parts)
    world.clock.pass_s(1)
    small = await create_batch(batch_of(*trees(1, start=500)), parts=world.parts)

    await work(world)

    assert status_body(kept(world, large)).status == "RUNNING"
    assert status_body(kept(world, small)).status == "DONE"
    assert await work(world)
    assert status_body(kept(world, large)).created_count == 300
