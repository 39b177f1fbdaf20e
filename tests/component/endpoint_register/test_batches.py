"""Many endpoints at once, with the real store: a task whose worker dies, searches and removals."""

import asyncio

from libs.contracts import endpoint_batches as batches
from libs.contracts import endpoints as epr
from libs.contracts.errors import ForbiddenError
from libs.contracts.lifecycle import REGISTERED
from services.endpoint_register.usecases.batch_work import BatchPace, BatchWorker
from tests.component.endpoint_register.conftest import Client, NewReplica, Replica, StandInCredentials
from tests.support.waiting import eventually

PACE = BatchPace(every_s=0.05, lease_s=1.0, retry_s=0.2)


def batch_of(version: str, count: int) -> batches.CreateBatch:
    endpoints = [
        batches.BatchedEndpoint(endpoint_id=f"tree-{number}", metadata={"row": number})
        for number in range(count)
    ]
    return batches.CreateBatch(
        body=batches.NewBatch(app_version=epr.AppVersionRef(version), endpoints=endpoints)
    )


async def status_of(client: Client, version: str, task_id: str) -> batches.BatchStatus:
    application = version.rpartition("-")[0]
    request = batches.GetBatchStatus(app_name=application, task_id=task_id)
    status: batches.BatchStatus = (await client.ask(batches.GET_BATCH_STATUS, request)).body
    return status


async def test_a_task_whose_worker_dies_is_finished_by_another_and_creates_each_exactly_once(
    client: Client, start: NewReplica, credentials: StandInCredentials
) -> None:
    doomed, other = await start(), await start()
    await client.listen(REGISTERED)
    version = await client.new_version()
    task_id = (await client.ask(batches.CREATE_BATCH, batch_of(version, 200))).body.task_id

    async def is_halfway() -> bool:
        return 70 <= len(credentials.tokens) < 200

    async def is_done() -> bool:
        return (await status_of(client, version, task_id)).status == "DONE"

    async with asyncio.TaskGroup() as workers:
        dies = workers.create_task(BatchWorker(doomed.parts, pace=PACE).run(), name="dies")
        await eventually(is_halfway, what="the worker is in the middle")
        dies.cancel()
        await asyncio.wait([dies])
        created_by_the_dead = len(credentials.tokens)
        follower = workers.create_task(BatchWorker(other.parts, pace=PACE).run(), name="follows")
        await eventually(is_done, what="another worker finishes the task", deadline_s=30)
        follower.cancel()
    status = await status_of(client, version, task_id)
    page = await client.ask(epr.LIST_ENDPOINTS, epr.ListEndpoints(limit=1000, include=("metadata",)))
    await other.sweeper().sweep()  # finds the events that the dead one had written and not published
    await client.until(lambda: len(client.heard) >= 200)

    everybody = {f"tree-{number}" for number in range(200)}
    assert created_by_the_dead < 200
    assert (status.created_count, status.failed_count) == (200, 0)
    assert page.body.total_elements == 200
    assert {each.endpoint_id: each.metadata["row"] for each in page.body.content} == {
        f"tree-{number}": number for number in range(200)
    }
    assert {each.token: each.endpoint_id for each in status.created} == {
        token: holder for (_, token), holder in credentials.tokens.items()
    }
    assert sorted(event.endpoint_id for _, event in client.heard) == sorted(everybody)


async def test_many_are_searched_and_removed_within_the_limits_of_the_key(
    client: Client, replica: Replica, credentials: StandInCredentials
) -> None:
    version = await client.new_version()
    other = await client.new_version()
    application = version.rpartition("-")[0]
    for number in range(6):
        await client.new_endpoint(version, endpoint_id=f"tree-{number}", metadata={"row": number})
    await client.new_endpoint(other, endpoint_id="fig")
    ids = [f"tree-{number}" for number in range(6)] + ["fig", "nobody"]
    search = batches.SearchEndpoints(
        body=batches.EndpointSearch(endpoint_id=ids, include=["metadata"], sort="-endpointId", limit=2),
        applications=(application,),
    )

    found = (await client.ask(batches.SEARCH_ENDPOINTS, search)).body
    removal = batches.DeleteEndpoints(body=batches.EndpointIds(ids), applications=(application,))
    removed = (await client.ask(batches.DELETE_ENDPOINTS, removal)).body
    left = (await client.ask(epr.LIST_ENDPOINTS, epr.ListEndpoints())).body
    refused = await client.refused(
        batches.SEARCH_ENDPOINTS,
        batches.SearchEndpoints(
            body=batches.EndpointSearch(application_name=application), applications=("others",)
        ),
    )

    assert found.total_elements == 6
    assert [(each.endpoint_id, each.metadata) for each in found.content] == [
        ("tree-5", {"row": 5}),
        ("tree-4", {"row": 4}),
    ]
    assert (removed.deleted_count, removed.failed_count) == (6, 2)
    assert {each.endpoint_id: each.status_code for each in removed.failed} == {"fig": 403, "nobody": 404}
    assert [each.endpoint_id for each in left.content] == ["fig"]
    assert set(credentials.tokens.values()) == {"fig"}
    assert isinstance(refused, ForbiddenError)
