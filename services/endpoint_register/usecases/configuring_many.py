"""Configuration of many applications and versions at once.

Everything is checked before anything is written. Documents are then written one after the other, each as if
it were put alone: what a failure in between leaves is what came before it, and the same request again
completes it.
"""

from typing import Any

from libs.contracts.api_keys import check_limits
from libs.contracts.app_configs import Listing, Placed, all_unwrapped, stopped, wrapped, written
from libs.contracts.applications import ListAppConfigs, PutAppConfigs, WrittenConfigs
from libs.contracts.errors import GroveError
from libs.contracts.ids import ApplicationName, AppVersionName
from services.endpoint_register.domain.application import Application, Lifecycle
from services.endpoint_register.domain.configuration import (
    ConfigurationChange,
    check_configuration,
    check_service_name,
)
from services.endpoint_register.ports import Parts
from services.endpoint_register.usecases.configuring import tell_change
from services.endpoint_register.usecases.scope import find_application

_AT_ONCE = 32


async def list_configurations(cmd: ListAppConfigs, *, parts: Parts) -> dict[str, Any]:
    """Read all that is configured for a service instance and that the caller may see.

    Raises:
        PayloadTooLargeError: It does not fit into one message.
    """
    service = check_service_name(cmd.service_instance_name)
    listing = Listing(service=service)
    async for placed in parts.configurations.of_service(service, applications=cmd.applications):
        listing.add(placed)
    names = sorted({placed.application for placed in listing.all})
    living: set[tuple[str, str | None]] = set()
    for start in range(0, len(names), _AT_ONCE):
        for application in await parts.applications.all(names[start : start + _AT_ONCE]):
            living |= _places_of(application)
    shown = [placed for placed in listing.all if (placed.application, placed.version) in living]
    return wrapped(shown, service=service)


async def put_configurations(cmd: PutAppConfigs, *, parts: Parts) -> WrittenConfigs:
    """Replace what is configured at several places.

    Raises:
        BadRequestError: One is not what the service instance takes; the phrase names the path.
        ForbiddenError: One is for an application the caller may not touch.
        NotFoundError: One is for an application or a version that does not exist.
        GroveError: The store failed on the way; the phrase says how far it came.
    """
    service = check_service_name(cmd.service_instance_name)
    documents = all_unwrapped(cmd.body, service=service)
    for placed in documents:
        check_limits(cmd.applications, placed.application)
        check_configuration(placed, service=service)
    await _check_existing(documents, cmd, parts)
    reachable = True
    for number, placed in enumerate(documents):
        change = ConfigurationChange(
            service=service,
            application=ApplicationName(placed.application),
            version=None if placed.version is None else AppVersionName(placed.version),
            attempt=parts.entropy.attempt(),
        )
        try:
            await parts.configurations.put(placed.document, change)
        except GroveError as error:
            raise stopped(error, placed, number=number, of=len(documents)) from error
        if reachable:  # a bus that is away costs its deadline once; the sweeper tells the others
            reachable = await tell_change(change, correlation_id=cmd.correlation_id, parts=parts)
    return written(documents)


async def _check_existing(documents: list[Placed], cmd: PutAppConfigs, parts: Parts) -> None:
    found: dict[str, Application] = {}
    for placed in documents:
        name = placed.application
        if name not in found:
            found[name] = await find_application(name, limits=cmd.applications, parts=parts)
        if placed.version is not None:
            found[name].version(placed.version)


def _places_of(application: Application) -> set[tuple[str, str | None]]:
    if application.lifecycle is Lifecycle.DELETING:
        return set()
    names = [None, *(version.name for version in application.versions.values())]
    return {(application.name, name) for name in names}
