"""Configuration of service instances, and telling everybody that applications have changed.

These events only say "ask again", and whoever keeps an answer keeps it for at most 30 seconds. So
they are published before the operator is answered, but a bus that cannot take them now does not undo
the change.
"""

from typing import Any

import structlog

from libs.contracts.applications import GetAppConfig, PutAppConfig
from libs.contracts.errors import GroveError
from libs.contracts.ids import ApplicationName, AppVersionName
from libs.contracts.lifecycle import CONFIGURATION_UPSERTED, ConfigurationUpdatedEvent
from libs.contracts.messages import Request
from libs.contracts.subjects import EventType
from services.endpoint_register.domain.configuration import check_service_name, unwrapped, wrapped
from services.endpoint_register.ports import Parts
from services.endpoint_register.usecases.scope import find_application

_PUBLISH_S = 2.0

_log = structlog.get_logger()


async def get_configuration(cmd: GetAppConfig, *, parts: Parts) -> dict[str, Any]:
    """Read what is configured at exactly this place, in Kaa's envelope; nothing is an empty object."""
    service = check_service_name(cmd.service_instance_name)
    application, version = await _place(cmd, parts)
    found = await parts.configurations.find(service=service, application=application, version=version)
    return wrapped(found or {}, service=service, application=application, version=version)


async def put_configuration(cmd: PutAppConfig, *, parts: Parts) -> dict[str, Any]:
    """Replace what is configured at this place.

    Raises:
        BadRequestError: It is not what the service instance takes; the phrase names the path.
    """
    service = check_service_name(cmd.service_instance_name)
    application, version = await _place(cmd, parts)
    configuration = unwrapped(cmd.body, service=service, application=application, version=version)
    await parts.configurations.put(configuration, service=service, application=application, version=version)
    await tell_configuration(
        CONFIGURATION_UPSERTED, application, version=version, service=service, cmd=cmd, parts=parts
    )
    return wrapped(configuration, service=service, application=application, version=version)


async def tell_configuration(
    kind: EventType[ConfigurationUpdatedEvent],
    application: ApplicationName,
    *,
    version: AppVersionName | None = None,
    service: str | None = None,
    cmd: Request,
    parts: Parts,
) -> None:
    """Let everybody forget what they know of an application or a version."""
    parts.whitelists.forget(application, version)
    event = ConfigurationUpdatedEvent(
        correlation_id=cmd.correlation_id,
        app_name=application,
        app_ver_name=version,
        service_instance_name=service,
    )
    try:
        await parts.events.publish(kind, event, message_id=parts.entropy.attempt(), deadline_s=_PUBLISH_S)
    except GroveError as error:
        _log.warning(
            "configuration.not_told", application=application, version=version, reason=error.reason_phrase
        )


async def _place(
    cmd: GetAppConfig | PutAppConfig, parts: Parts
) -> tuple[ApplicationName, AppVersionName | None]:
    application = await find_application(cmd.application_name, limits=cmd.applications, parts=parts)
    version = None if cmd.version_name is None else application.version(cmd.version_name).name
    return application.name, version
