"""Tasks that create many endpoints: accepted as a whole, shown to whom they belong."""

from dataclasses import replace
from datetime import timedelta

import msgspec
import pytest

from libs.contracts.endpoint_batches import BatchedEndpoint, CreateBatch, GetBatchStatus
from libs.contracts.errors import (
    BadRequestError,
    ForbiddenError,
    GroveError,
    NotFoundError,
    PayloadTooLargeError,
    TooManyRequestsError,
    UnavailableError,
)
from libs.contracts.ids import ApplicationName, AppVersionName, EndpointId
from services.endpoint_register.bus_api.batches import status_body
from services.endpoint_register.domain.batch import MAX_WAITING, Batch, BatchId, BatchItem, BatchState
from services.endpoint_register.usecases.batches import create_batch, get_batch
from tests.support.rest import Json
from tests.unit.endpoint_register.batch_calls import HOUR_S, batch_of, kept, ready_ids, trees, work
from tests.unit.endpoint_register.conftest import NewTwin
from tests.unit.endpoint_register.fakes import World


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
