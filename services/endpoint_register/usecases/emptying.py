"""The end of an application: its endpoints first, each as always, then what was configured, then itself."""

import asyncio
import time
from collections.abc import Sequence

from libs.contracts.api_keys import check_limits
from libs.contracts.applications import DeleteApplication
from libs.contracts.errors import ConflictError, GroveError, NotFoundError, UnavailableError
from libs.contracts.ids import ApplicationName, EndpointId
from libs.contracts.lifecycle import CONFIGURATION_DELETED
from services.endpoint_register.domain.application import Application, Lifecycle
from services.endpoint_register.ports import Parts
from services.endpoint_register.usecases.changing import change_application
from services.endpoint_register.usecases.configuring import tell_application
from services.endpoint_register.usecases.occupancy import has_endpoints, some_at
from services.endpoint_register.usecases.removing import remove_endpoint

WITHIN_S = 3.0
"""How long an operator waits; what is left then is done by the sweeper."""

_AT_ONCE = 16


async def delete_application(cmd: DeleteApplication, *, parts: Parts) -> None:
    """Remove an application; asked again while that goes on, go on with it.

    Raises:
        NotFoundError: There is no such application.
        ConflictError: It has endpoints, and that was not to be forced.
        UnavailableError: It is gone for everybody, but not all of its endpoints are removed yet.
    """
    check_limits(cmd.applications, cmd.application_name)
    name = ApplicationName(cmd.application_name)
    application = await parts.applications.find(name)
    if application is None:
        raise NotFoundError(f"there is no application {name[:64]!a}")
    if application.lifecycle is not Lifecycle.DELETING:
        if not cmd.force:
            await _close_if_empty(name, parts)
        application = await change_application(
            name, lambda before: before.deleting(at=parts.clock.now(), force=cmd.force), parts=parts
        )
    await empty_application(application, cmd=cmd, within_s=WITHIN_S, parts=parts)


async def empty_application(
    application: Application, *, cmd: DeleteApplication, within_s: float, parts: Parts
) -> None:
    """Remove what is in an application that is being removed, and then itself.

    Raises:
        UnavailableError: Not everything was removed, or not everybody told, in time.
    """
    told = await tell_application(
        CONFIGURATION_DELETED, application, correlation_id=cmd.correlation_id, parts=parts
    )
    ends_at = time.monotonic() + within_s
    for version in application.versions.values():
        while ids := await some_at(version.name, limit=_AT_ONCE, parts=parts):
            if time.monotonic() >= ends_at:
                raise UnavailableError(
                    f"application {application.name} is gone, its endpoints are still being removed"
                )
            await _remove_all(ids, cmd.correlation_id, parts)
    if not told:
        raise UnavailableError(f"application {application.name} is gone, but not everybody has heard of it")
    await parts.configurations.remove(application=application.name, version=None)
    await parts.filters.remove(application.name)
    await parts.applications.remove(application)


async def _close_if_empty(name: ApplicationName, parts: Parts) -> None:
    closed = await change_application(
        name, lambda before: before.closing(None, at=parts.clock.now()), parts=parts
    )
    for version in closed.versions.values():
        if await has_endpoints(version.name, parts=parts):
            await change_application(name, lambda before: before.reopened(None), parts=parts)
            raise ConflictError(f"application {name} has endpoints; force=true removes them too")


async def _remove_all(ids: Sequence[EndpointId], correlation_id: str, parts: Parts) -> None:
    """Remove endpoints side by side; one that fails does not stop the others, and is told at the end."""

    async def remove(endpoint_id: EndpointId) -> GroveError | None:
        try:
            endpoint = await parts.endpoints.find(endpoint_id, metadata=False, outbox=True)
            if endpoint is not None:
                await remove_endpoint(endpoint, correlation_id=correlation_id, parts=parts)
        except NotFoundError:
            return None  # somebody else removes it
        except GroveError as error:
            return error
        return None

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(remove(endpoint_id), name="remove endpoint") for endpoint_id in ids]
    for task in tasks:
        if (error := task.result()) is not None:
            raise error
