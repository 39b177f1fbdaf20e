"""Tasks that create many endpoints: accepted as a whole, carried out once, whoever dies meanwhile."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import msgspec
import pytest

from libs.contracts.applications import DeleteVersion
from libs.contracts.endpoint_batches import BatchedEndpoint, CreateBatch, GetBatchStatus, NewBatch
from libs.contracts.endpoints import AppVersionRef, DeleteEndpoint
from libs.contracts.errors import (
    BadRequestError,
    ForbiddenError,
    GroveError,
    InternalError,
    NotFoundError,
    PayloadTooLargeError,
    TooManyRequestsError,
    UnavailableError,
)
from libs.contracts.ids import ApplicationName, AppVersionName, EndpointId
from services.endpoint_register.bus_api.batches import status_body
from services.endpoint_register.domain.batch import MAX_WAITING, Batch, BatchId, BatchItem, BatchState
from services.endpoint_register.domain.endpoint import EndpointState
from services.endpoint_register.ports import Parts
from services.endpoint_register.usecases.batch_work import BatchPace, BatchWorker
from services.endpoint_register.usecases.batches import create_batch, get_batch
from services.endpoint_register.usecases.removing import delete_endpoint
from services.endpoint_register.usecases.sweeping import Pace, Sweeper
from services.endpoint_register.usecases.versions import delete_version
from tests.support.rest import Json
from tests.unit.endpoint_register.conftest import NewTwin
from tests.unit.endpoint_register.fakes import World

LEASE_S = 30.0
HOUR_S = 3600.0
PACE = BatchPace(lease_s=LEASE_S, retry_s=5.0)


def batch_of(*endpoints: BatchedEndpoint, version: str = "olives-v1", **fields: Json) -> CreateBatch:
    body = NewBatch(app_version=AppVersionRef(version), endpoints=list(endpoints))
    return CreateBatch(body=body, correlation_id="c", **fields)


def trees(count: int, start: int = 0) -> list[BatchedEndpoint]:
    return [
        BatchedEndpoint(endpoint_id=f"tree-{number}", metadata={"row": number})
        for number in range(start, start + count)
    ]


async def work(world: World, parts: Parts | None = None) -> bool:
    return await BatchWorker(parts or world.parts, pace=PACE).work()


def kept(world: World, batch: Batch) -> Batch:
    return world.batches.kept[batch.id]


def ready_ids(world: World) -> list[str]:
    return sorted(each.id for each in world.endpoints.kept.values() if each.state is EndpointState.READY)


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


async def test_a_task_creates_each_endpoint_with_its_token_metadata_and_event(world: World) -> None:
    batch = await create_batch(
        batch_of(
            BatchedEndpoint(endpoint_id="tree-0", endpoint_token="sn-0", metadata={"row": 1}),
            BatchedEndpoint(),
        ),
        parts=world.parts,
    )

    await work(world)

    done = await get_batch(GetBatchStatus(app_name="olives", task_id=batch.id), parts=world.parts)
    shown = status_body(done)
    given, generated = shown.created
    assert (shown.status, shown.total_count, shown.created_count, shown.failed_count) == ("DONE", 2, 2, 0)
    assert given.endpoint_id == "tree-0"
    assert not given.token
    assert world.credentials.tokens == {
        ("olives", "sn-0"): "tree-0",
        ("olives", generated.token): generated.endpoint_id,
    }
    assert world.metadata_of("tree-0") == {"row": 1}
    first = world.endpoints.kept[EndpointId("tree-0")]
    assert [(entry.kind.name, entry.event().correlation_id) for entry in first.outbox] == [
        ("registered", "c")
    ]
    assert set(world.listing.lines) == set(world.endpoints.kept)


async def test_what_is_taken_fails_alone_and_says_why(world: World, new_twin: NewTwin) -> None:
    await new_twin(endpoint_id="tree-1", endpoint_token="sn-1")
    batch = await create_batch(
        batch_of(
            BatchedEndpoint(endpoint_id="tree-0"),
            BatchedEndpoint(endpoint_id="tree-1", metadata={"row": 1}),
            BatchedEndpoint(endpoint_id="tree-2", endpoint_token="sn-1"),
        ),
        parts=world.parts,
    )

    await work(world)

    shown = status_body(kept(world, batch))
    assert [each.endpoint_id for each in shown.created] == ["tree-0"]
    assert [(each.index, each.endpoint_id, each.status_reason) for each in shown.failed] == [
        (1, "tree-1", "endpoint id tree-1 is taken"),
        (2, "tree-2", "the token is taken"),
    ]
    assert shown.failed[0].metadata == {"row": 1}
    assert shown.failed[1].endpoint_token == "sn-1"
    assert ready_ids(world) == ["tree-0", "tree-1"]
    assert len(world.credentials.tokens) == 2


@pytest.mark.parametrize(
    ("cmd", "error", "phrase"),
    [
        pytest.param(batch_of(), BadRequestError, "1 to 1000", id="none"),
        pytest.param(batch_of(*trees(1001)), BadRequestError, "1 to 1000", id="too many"),
        pytest.param(
            batch_of(*trees(1), BatchedEndpoint(endpoint_id="a/b")),
            BadRequestError,
            r"endpoints\[1\]",
            id="id",
        ),
        pytest.param(
            batch_of(BatchedEndpoint(endpoint_token="a.b")),
            BadRequestError,
            r"endpoints\[0\]: token",
            id="token",
        ),
        pytest.param(
            batch_of(BatchedEndpoint(metadata={"a b": 1})), BadRequestError, r"endpoints\[0\]", id="metadata"
        ),
        pytest.param(
            batch_of(BatchedEndpoint(metadata={"a": "x" * 262_144})),
            PayloadTooLargeError,
            r"endpoints\[0\]",
            id="size",
        ),
        pytest.param(
            batch_of(*trees(2), *trees(1)),
            BadRequestError,
            r"endpoints\[0\] has the endpointId",
            id="id twice",
        ),
        pytest.param(
            batch_of(BatchedEndpoint(endpoint_token="sn"), BatchedEndpoint(endpoint_token="sn")),
            BadRequestError,
            "endpointToken of another",
            id="token twice",
        ),
        pytest.param(
            batch_of(*trees(1), version="olives-v9"), NotFoundError, "version", id="unknown version"
        ),
        pytest.param(batch_of(*trees(1), version="nonsense"), NotFoundError, "version", id="no version"),
        pytest.param(
            batch_of(*trees(1), applications=("figs",)),
            ForbiddenError,
            "may not touch",
            id="outside the limits",
        ),
    ],
)
async def test_a_task_that_cannot_be_is_refused_as_a_whole(
    world: World, cmd: CreateBatch, error: type[GroveError], phrase: str
) -> None:
    with pytest.raises(error, match=phrase):
        await create_batch(cmd, parts=world.parts)

    assert not world.batches.kept


async def test_a_refusal_never_repeats_a_token(world: World) -> None:
    twice = [BatchedEndpoint(endpoint_token="sn-secret")] * 2

    with pytest.raises(BadRequestError) as refused:
        await create_batch(batch_of(*twice), parts=world.parts)

    assert "sn-secret" not in str(refused.value)


async def test_only_so_many_tasks_of_an_application_wait(world: World) -> None:
    for number in range(MAX_WAITING):
        await create_batch(batch_of(*trees(1, start=number)), parts=world.parts)

    with pytest.raises(TooManyRequestsError, match="olives"):
        await create_batch(batch_of(*trees(1, start=100)), parts=world.parts)
    await work(world)
    await create_batch(batch_of(*trees(1, start=100)), parts=world.parts)

    assert len(world.batches.kept) == MAX_WAITING + 1
    assert len(ready_ids(world)) == MAX_WAITING


async def test_a_task_that_nobody_was_told_of_is_never_carried_out(world: World) -> None:
    world.batches.failure = UnavailableError("away")
    with pytest.raises(UnavailableError):
        await create_batch(batch_of(*trees(1)), parts=world.parts)
    world.batches.failure = None
    world.clock.pass_s(61)

    await work(world)

    assert not world.batches.kept
    assert not world.endpoints.kept


async def test_a_task_whose_acceptance_was_stored_is_told_though_the_answer_was_lost(world: World) -> None:
    class Losing:
        def __getattr__(self, name: str) -> Json:
            return getattr(world.batches, name)

        async def replace(self, before: Batch, after: Batch) -> bool:
            await world.batches.replace(before, after)
            raise UnavailableError("the answer is lost")

    losing: Json = {"batches": Losing()}

    batch = await create_batch(batch_of(*trees(1)), parts=replace(world.parts, **losing))
    await work(world)

    assert kept(world, batch).state is BatchState.DONE


async def test_a_task_is_shown_to_its_application_alone(world: World) -> None:
    batch = await create_batch(batch_of(*trees(1)), parts=world.parts)

    waiting = await get_batch(GetBatchStatus(app_name="olives", task_id=batch.id), parts=world.parts)
    for cmd, error in (
        (GetBatchStatus(app_name="figs", task_id=batch.id), NotFoundError),
        (GetBatchStatus(app_name="olives", task_id="another"), NotFoundError),
        (GetBatchStatus(app_name="olives", task_id=batch.id, applications=("figs",)), ForbiddenError),
    ):
        with pytest.raises(error):
            await get_batch(cmd, parts=world.parts)

    assert status_body(waiting).status == "PENDING"


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


async def test_tokens_are_told_for_an_hour_and_the_task_for_a_day(world: World) -> None:
    batch = await create_batch(
        batch_of(BatchedEndpoint(), BatchedEndpoint(endpoint_token="sn-1")), parts=world.parts
    )
    await work(world)
    told = status_body(kept(world, batch)).created[0].token
    world.clock.pass_s(HOUR_S)

    await work(world)
    silent = kept(world, batch)
    world.clock.at = batch.created_at + timedelta(days=1, hours=1)
    await work(world)

    assert ("olives", told) in world.credentials.tokens
    assert not silent.holds_tokens
    assert not any(each.token for each in status_body(silent).created)
    assert not world.batches.kept


async def test_a_status_that_would_be_too_large_leaves_out_what_was_given(
    world: World, new_twin: NewTwin
) -> None:
    await new_twin(endpoint_token="taken")
    large = {"text": "x" * 200_000}
    taken = [BatchedEndpoint(endpoint_id=f"tree-{number}", metadata=large) for number in range(3)]
    for each in taken:
        await new_twin(endpoint_id=each.endpoint_id)
    batch = await create_batch(batch_of(*taken), parts=world.parts)

    await work(world)

    shown = status_body(kept(world, batch))
    assert [(each.endpoint_id, bool(each.metadata)) for each in shown.failed] == [
        ("tree-0", False),
        ("tree-1", False),
        ("tree-2", False),
    ]


def test_no_status_is_larger_than_a_message_may_be(world: World) -> None:
    items = tuple(
        BatchItem(
            endpoint_id=EndpointId(f"{number:0256}"),
            token=f"{number:0128}" + "\U0001fad2" * 128 if number % 2 else f"{number:0256}",
            metadata={},
            given_id=True,
            given_token=True,
        )
        for number in range(1000)
    )
    batch = Batch(
        id=BatchId("task"),
        application=ApplicationName("olives"),
        version=AppVersionName("olives-v1"),
        correlation_id="c",
        created_at=world.clock.now(),
        due_at=world.clock.now(),
        items=items,
        state=BatchState.RUNNING,
        outcomes=dict.fromkeys(range(1000), "r" * 300),
    )

    shown = status_body(batch)

    assert shown.failed_count == len(shown.failed) == 1000
    assert not any(each.endpoint_token for each in shown.failed)
    assert len(msgspec.msgpack.encode(shown)) < 700 * 1024
