"""Versions of an application, and what transports ask about them."""

from collections.abc import Sequence
from dataclasses import replace

from libs.contracts.api_keys import check_limits
from libs.contracts.applications import (
    CreateVersion,
    DeleteVersion,
    GetVersion,
    ListVersions,
    UpdateVersion,
)
from libs.contracts.errors import ConflictError
from libs.contracts.ids import ApplicationName, AppVersionName, check_suffix
from libs.contracts.lifecycle import (
    CONFIGURATION_DELETED,
    CONFIGURATION_UPSERTED,
    AppVersionRequest,
    ConfigurationUpdatedEvent,
)
from libs.contracts.messages import Request
from libs.contracts.subjects import EventType
from services.endpoint_register.domain.application import Application, AppVersion, described, full_name
from services.endpoint_register.domain.configuration import KPC, extensions_of
from services.endpoint_register.ports import Parts
from services.endpoint_register.usecases.applications import changed_texts
from services.endpoint_register.usecases.changing import change_application
from services.endpoint_register.usecases.configuring import tell_application
from services.endpoint_register.usecases.occupancy import has_endpoints
from services.endpoint_register.usecases.scope import (
    application_named_in,
    find_application,
)


async def list_versions(cmd: ListVersions, *, parts: Parts) -> Sequence[AppVersion]:
    """Read the versions of an application, oldest first."""
    application = await find_application(cmd.application_name, limits=cmd.applications, parts=parts)
    return tuple(application.versions.values())


async def create_version(cmd: CreateVersion, *, parts: Parts) -> AppVersion:
    """Make a version.

    Raises:
        ConflictError: The application has one with this suffix or too many, or is being removed.
    """
    check_limits(cmd.applications, cmd.application_name)
    suffix = check_suffix(cmd.body.name_suffix)
    attempt = parts.entropy.attempt()

    def add(before: Application) -> Application:
        mine = before.versions.get(suffix)
        if mine is not None and mine.attempt == attempt:
            return before  # our own write, whose answer got lost
        name = full_name(before, suffix)
        shown = described(cmd.body.display_name, cmd.body.description, name=name, at=parts.clock.now())
        return before.with_version(AppVersion(name=name, shown=shown, attempt=attempt))

    application = await change_application(ApplicationName(cmd.application_name), add, parts=parts)
    version = application.versions[suffix]
    await _tell(CONFIGURATION_UPSERTED, application, version, cmd, parts)
    return version


async def get_version(cmd: GetVersion, *, parts: Parts) -> AppVersion:
    """Read a version."""
    application = await find_application(cmd.application_name, limits=cmd.applications, parts=parts)
    return application.version(cmd.version_name)


async def update_version(cmd: UpdateVersion, *, parts: Parts) -> AppVersion:
    """Change what people see of a version."""
    check_limits(cmd.applications, cmd.application_name)

    def change(before: Application) -> Application:
        version = before.version(cmd.version_name)
        return before.with_version(
            replace(version, shown=changed_texts(version.shown, cmd.body, parts.clock))
        )

    application = await change_application(ApplicationName(cmd.application_name), change, parts=parts)
    version = application.version(cmd.version_name)
    await _tell(CONFIGURATION_UPSERTED, application, version, cmd, parts)
    return version


async def delete_version(cmd: DeleteVersion, *, parts: Parts) -> None:
    """Remove a version with its configuration.

    Raises:
        NotFoundError: There is no such version.
        ConflictError: Endpoints are at it.
    """
    check_limits(cmd.applications, cmd.application_name)
    name = ApplicationName(cmd.application_name)

    def close(before: Application) -> Application:
        return before.closing(before.version(cmd.version_name), at=parts.clock.now())

    version = (await change_application(name, close, parts=parts)).version(cmd.version_name)
    if await has_endpoints(version.name, parts=parts):
        await change_application(name, lambda before: before.reopened(version.suffix), parts=parts)
        raise ConflictError(f"endpoints are at version {version.name}")
    await parts.configurations.remove(application=name, version=version.name)
    left = await change_application(name, lambda before: before.without_version(version.name), parts=parts)
    await _tell(CONFIGURATION_DELETED, left, version, cmd, parts)


async def resolve_version(
    cmd: AppVersionRequest, *, parts: Parts
) -> tuple[ApplicationName, tuple[str, ...] | None]:
    """Tell the application of a version and the extensions it allows; None = all.

    Raises:
        NotFoundError: There is no such version.
    """
    name = AppVersionName(cmd.app_version_name)
    application = await find_application(application_named_in(name), limits=None, parts=parts)
    application.version(name)
    return application.name, extensions_of(await parts.configurations.effective(name, service=KPC))


async def _tell(
    kind: EventType[ConfigurationUpdatedEvent],
    application: Application,
    version: AppVersion,
    cmd: Request,
    parts: Parts,
) -> None:
    await tell_application(
        kind, application, version=version.name, correlation_id=cmd.correlation_id, parts=parts
    )
