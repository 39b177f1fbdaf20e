"""Configuration of service instances, and telling everybody that applications have changed.

These events only say "ask again". They are published before the operator is answered, but a bus that
cannot take them now does not undo the change: a mark, written with it, stays until they are published,
and :mod:`.sweeping` publishes what whoever wrote it could not. One that was told twice is no harm.
"""

import asyncio
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from typing import Any

import structlog

from libs.contracts.app_configs import Configuration, Placed, patched, unwrapped, wrapped
from libs.contracts.applications import GetAppConfig, PatchAppConfig, PutAppConfig
from libs.contracts.errors import ConflictError, GroveError
from libs.contracts.ids import ApplicationName, AppVersionName
from libs.contracts.lifecycle import CONFIGURATION_UPSERTED, ConfigurationUpdatedEvent
from libs.contracts.subjects import EventType
from services.endpoint_register.domain.application import Application, Lifecycle
from services.endpoint_register.domain.configuration import (
    ConfigurationChange,
    check_configuration,
    check_service_name,
)
from services.endpoint_register.ports import Parts
from services.endpoint_register.usecases.changing import ATTEMPTS
from services.endpoint_register.usecases.scope import find_application

_PUBLISH_S = 2.0

_log = structlog.get_logger()


async def get_configuration(cmd: GetAppConfig, *, parts: Parts) -> dict[str, Any]:
    """Read what is configured at exactly this place, in Kaa's envelope; nothing is an empty object."""
    service = check_service_name(cmd.service_instance_name)
    application, version = await _place(cmd, parts)
    found = await parts.configurations.find(service=service, application=application, version=version)
    return _shown(found or {}, service=service, application=application, version=version)


async def put_configuration(cmd: PutAppConfig, *, parts: Parts) -> dict[str, Any]:
    """Replace what is configured at this place.

    Raises:
        BadRequestError: It is not what the service instance takes; the phrase names the path.
    """
    service = check_service_name(cmd.service_instance_name)
    application, version = await _place(cmd, parts)
    placed = unwrapped(cmd.body, service=service, application=application, version=version)
    check_configuration(placed, service=service)
    change = ConfigurationChange(
        service=service, application=application, version=version, attempt=parts.entropy.attempt()
    )
    await parts.configurations.put(placed.document, change)
    await tell_change(change, correlation_id=cmd.correlation_id, parts=parts)
    return wrapped([placed], service=service)


async def patch_configuration(cmd: PatchAppConfig, *, parts: Parts) -> dict[str, Any]:
    """Change parts of what is configured at this place; what comes of it is held to the same rules.

    Raises:
        BadRequestError: What comes of it is not what the service instance takes; the phrase names the path.
        ConflictError: Others were faster, again and again.
    """
    service = check_service_name(cmd.service_instance_name)
    application, version = await _place(cmd, parts)
    patch = unwrapped(cmd.body, service=service, application=application, version=version)
    for attempt in range(ATTEMPTS):
        before = await parts.configurations.standing(
            service=service, application=application, version=version
        )
        document = patched({} if before is None else before.configuration, patch.document)
        placed = replace(patch, document=document)
        check_configuration(placed, service=service)
        change = ConfigurationChange(
            service=service, application=application, version=version, attempt=parts.entropy.attempt()
        )
        if await parts.configurations.replace(before, document, change):
            await tell_change(change, correlation_id=cmd.correlation_id, parts=parts)
            return wrapped([placed], service=service)
        await asyncio.sleep(parts.entropy.pause_s(attempt))
    raise ConflictError("concurrent changes of the configuration could not be reconciled")


async def tell_application(
    kind: EventType[ConfigurationUpdatedEvent],
    application: Application,
    *,
    version: AppVersionName | None = None,
    correlation_id: str,
    parts: Parts,
) -> bool:
    """Let everybody forget what they know of an application or one of its versions.

    Returns:
        Whether they have been told; if not, the sweeper does it.
    """
    event = ConfigurationUpdatedEvent(
        correlation_id=correlation_id, app_name=application.name, app_ver_name=version
    )
    told = await _tell(kind, event, message_id=parts.entropy.attempt(), parts=parts)
    if told:
        with suppress(GroveError):  # told once more is no harm
            await parts.applications.forget_told(application)
    return told


async def tell_untold(*, before: datetime, parts: Parts) -> None:
    """Tell what whoever changed it before then did not live to tell, or could not.

    An application is told as a whole: which of its versions changed is not recorded.
    """
    for application in await parts.applications.untold(before=before):
        if application.lifecycle is not Lifecycle.DELETING:  # who finishes its removal tells that
            await tell_application(CONFIGURATION_UPSERTED, application, correlation_id="", parts=parts)
    for change in await parts.configurations.untold(before=before):
        await tell_change(change, correlation_id="", parts=parts)


async def tell_change(change: ConfigurationChange, *, correlation_id: str, parts: Parts) -> bool:
    """Let everybody forget what was configured at a place.

    Returns:
        Whether they have been told; if not, the sweeper does it.
    """
    event = ConfigurationUpdatedEvent(
        correlation_id=correlation_id,
        app_name=change.application,
        app_ver_name=change.version,
        service_instance_name=change.service,
    )
    told = await _tell(CONFIGURATION_UPSERTED, event, message_id=change.attempt, parts=parts)
    if told:
        with suppress(GroveError):  # as above
            await parts.configurations.forget_told(change)
    return told


async def _tell(
    kind: EventType[ConfigurationUpdatedEvent],
    event: ConfigurationUpdatedEvent,
    *,
    message_id: str,
    parts: Parts,
) -> bool:
    version = None if event.app_ver_name is None else AppVersionName(event.app_ver_name)
    parts.whitelists.forget(ApplicationName(event.app_name), version)
    try:
        await parts.events.publish(kind, event, message_id=message_id, deadline_s=_PUBLISH_S)
    except GroveError as error:
        _log.warning(
            "configuration.not_told",
            application=event.app_name,
            version=version,
            reason=error.reason_phrase,
        )
        return False
    return True


def _shown(
    document: Configuration, *, service: str, application: ApplicationName, version: AppVersionName | None
) -> dict[str, Any]:
    placed = Placed(application=application, version=version, document=document)
    return wrapped([placed], service=service)


async def _place(
    cmd: GetAppConfig | PutAppConfig | PatchAppConfig, parts: Parts
) -> tuple[ApplicationName, AppVersionName | None]:
    application = await find_application(cmd.application_name, limits=cmd.applications, parts=parts)
    version = None if cmd.version_name is None else application.version(cmd.version_name).name
    return application.name, version
