"""Remove many endpoints while the operator waits: the answer says of each what became of it.

Not a task: whether a removal has begun is in the endpoint itself, and the sweeper finishes what has. So
an answer that was lost loses nothing, and the same can be asked again.
"""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from libs.contracts.endpoint_batches import DeleteEndpoints
from libs.contracts.endpoints import DeleteEndpoint
from libs.contracts.errors import BadRequestError, GroveError, UnavailableError
from libs.contracts.ids import EndpointId, check_endpoint_id
from services.endpoint_register.ports import Parts
from services.endpoint_register.usecases.removing import delete_endpoint

MAX_REMOVED: Final = 1000
WITHIN_S: Final = 20.0
"""No removal begins after this; the longest one takes some 15 s when what it needs is away."""

_AT_ONCE: Final = 16


@dataclass(frozen=True, slots=True)
class Removal:
    """What became of one: ``error`` says why it is not gone."""

    endpoint_id: EndpointId
    error: GroveError | None


async def delete_endpoints(
    cmd: DeleteEndpoints, *, parts: Parts, within_s: float = WITHIN_S
) -> Sequence[Removal]:
    """Remove endpoints, each as :func:`.removing.delete_endpoint` does, within the caller's limits.

    Raises:
        BadRequestError: None, too many, or what cannot be an id; nothing was removed.
    """
    if not 1 <= len(cmd.body.endpoint_ids) <= MAX_REMOVED:
        raise BadRequestError(f"endpointIds must be 1 to {MAX_REMOVED}")
    ids = [check_endpoint_id(each) for each in dict.fromkeys(cmd.body.endpoint_ids)]
    room = asyncio.Semaphore(_AT_ONCE)
    ends_at = time.monotonic() + within_s

    async def remove(endpoint_id: EndpointId) -> Removal:
        one = DeleteEndpoint(
            endpoint_id=endpoint_id, applications=cmd.applications, correlation_id=cmd.correlation_id
        )
        async with room:
            try:
                if time.monotonic() >= ends_at:
                    raise UnavailableError("its removal was not begun in time; ask again")
                await delete_endpoint(one, parts=parts)
            except GroveError as error:
                return Removal(endpoint_id, error)
        return Removal(endpoint_id, None)

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(remove(each), name="remove endpoint of many") for each in ids]
    return [task.result() for task in tasks]
