"""The compare-and-set loop under every change of an endpoint or an application.

Within a replica the changes of one endpoint take turns, in order of arrival, so they never race each
other; between replicas the loser reads again and waits a little, differently from everybody else.
"""

import asyncio
from collections.abc import Callable
from typing import Final

from libs.contracts.errors import ConflictError, NotFoundError, UnavailableError
from libs.contracts.ids import ApplicationName, EndpointId
from services.endpoint_register.domain.application import Application, Lifecycle
from services.endpoint_register.domain.endpoint import Endpoint, EndpointState
from services.endpoint_register.ports import Parts

ATTEMPTS: Final = 40
"""Lost races of one change before it is a 409; their pauses together stay well below a request's 5 s."""

TURN_WAIT_S: Final = 4.5


async def find_ready(
    endpoint_id: EndpointId, *, parts: Parts, metadata: bool = True, outbox: bool = False
) -> Endpoint:
    """Find an endpoint that may be seen.

    Raises:
        NotFoundError: There is none, or it is half made or half removed.
    """
    endpoint = await parts.endpoints.find(endpoint_id, metadata=metadata, outbox=outbox)
    if endpoint is None or endpoint.state is not EndpointState.READY:
        raise NotFoundError(f"there is no endpoint {endpoint_id[:64]!a}")
    return endpoint


async def change_endpoint(
    endpoint_id: EndpointId, change: Callable[[Endpoint], Endpoint | None], *, parts: Parts
) -> Endpoint:
    """Apply ``change`` to the endpoint as it is at that moment, and let its events be published.

    Args:
        endpoint_id: Whom.
        change: From the endpoint to the changed one, or None when nothing would change; called again
            after each lost race. What it raises ends the change.
        parts: The world.

    Raises:
        NotFoundError: As :func:`find_ready`.
        ConflictError: Others were faster, again and again.
        UnavailableError: Too many changes wait, or the events of earlier ones cannot be published.
        DeadlineError: The turn did not come in time; nothing was changed.
    """
    return await parts.turns.run(
        endpoint_id, lambda: _until_settled(endpoint_id, change, parts), wait_s=TURN_WAIT_S
    )


async def _until_settled(
    endpoint_id: EndpointId, change: Callable[[Endpoint], Endpoint | None], parts: Parts
) -> Endpoint:
    crowded = False
    for attempt in range(ATTEMPTS):
        before = await find_ready(endpoint_id, parts=parts, outbox=True)
        after = change(before)
        if after is None:
            return before
        crowded = not before.has_room and after.state is EndpointState.READY
        if crowded:
            parts.announcing.offer(before)
        elif await parts.endpoints.replace(before, after):
            parts.announcing.offer(after)
            return after
        await asyncio.sleep(parts.entropy.pause_s(attempt))
    if crowded:
        raise UnavailableError("events of this endpoint cannot be published at the moment")
    raise ConflictError("concurrent changes of the endpoint could not be reconciled")


async def change_application(
    name: ApplicationName, change: Callable[[Application], Application], *, parts: Parts
) -> Application:
    """Apply ``change`` to the application as it is at that moment.

    Raises:
        NotFoundError: There is none, or it is being removed.
        ConflictError: Others were faster, again and again.
    """
    for attempt in range(ATTEMPTS):
        before = await parts.applications.find(name)
        if before is None or before.lifecycle is Lifecycle.DELETING:
            raise NotFoundError(f"there is no application {name[:64]!a}")
        after = change(before)
        if await parts.applications.replace(before, after):
            return after
        await asyncio.sleep(parts.entropy.pause_s(attempt))
    raise ConflictError("concurrent changes of the application could not be reconciled")
