"""Tasks, and what works on them, as tests of both need them."""

from libs.contracts.endpoint_batches import BatchedEndpoint, CreateBatch, NewBatch
from libs.contracts.endpoints import AppVersionRef
from services.endpoint_register.domain.batch import Batch
from services.endpoint_register.domain.endpoint import EndpointState
from services.endpoint_register.ports import Parts
from services.endpoint_register.usecases.batch_work import BatchPace, BatchWorker
from tests.support.rest import Json
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
