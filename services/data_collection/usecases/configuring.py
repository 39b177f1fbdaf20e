"""Configuration of ``epts`` and ``dcx``, as operators read and write it (Kaa Tekton)."""

from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import structlog

from libs.contracts.api_keys import check_limits
from libs.contracts.applications import GetAppConfig, PutAppConfig
from libs.contracts.errors import BadRequestError, GroveError, NotFoundError
from services.data_collection.domain.configuration import (
    DCX,
    EPTS,
    INSTANCES,
    TimeSeriesConfiguration,
    configuration_of,
    unwrapped,
    wrapped,
)
from services.data_collection.ports.querying import Announcements, Applications, ConfigurationRepository

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigurationParts:
    """What configuring needs."""

    documents: ConfigurationRepository
    applications: Applications
    announcements: Announcements


async def get_configuration(request: GetAppConfig, *, parts: ConfigurationParts) -> dict[str, Any]:
    """Read what is configured at exactly this place; nothing is an empty object."""
    place = await _place(request, parts)
    found = await parts.documents.find(**place)
    return wrapped(found or {}, **place)


async def put_configuration(request: PutAppConfig, *, parts: ConfigurationParts) -> dict[str, Any]:
    """Replace what is configured at this place, and let all replicas forget what was.

    Raises:
        BadRequestError: It is not what the instance takes; the phrase names the path.
        NotFoundError: There is no such application or version, or not any more.
    """
    place = await _place(request, parts)
    configuration = unwrapped(request.body, **place)
    incarnation = (await parts.applications.incarnations(request.application_name)).get(request.version_name)
    if incarnation is None:
        raise NotFoundError(f"application {request.application_name!a}, or this version of it, is gone")
    await parts.documents.put(configuration, **place, incarnation=incarnation)
    with suppress(GroveError):  # what others remember ends by itself within 30 s
        await parts.announcements.changed(**place)
    return wrapped(configuration, **place)


async def effective(
    version: str, application: str, documents: ConfigurationRepository
) -> TimeSeriesConfiguration:
    """What holds for a version: for each instance its own document, or else its application's.

    A document that an older release accepted and this one does not is left out, and logged.
    """
    found = await documents.of_application(application)
    chosen = [found.get((each, version), found.get((each, None))) for each in (EPTS, DCX)]
    try:
        return configuration_of(*chosen)
    except BadRequestError as error:
        _log.error("configuration.unusable", version=version, reason=error.reason_phrase)
        return configuration_of(None)


async def retentions_of(documents: ConfigurationRepository) -> dict[str, int]:
    """How long applications keep samples, in milliseconds, of those that do not for ever.

    What this release cannot use is left out, and logged: one application's document must not stop the others.
    """
    kept: dict[str, int] = {}
    for application, document in (await documents.of_instance(DCX)).items():
        try:
            retention_ms = configuration_of(None, document).retention_ms
        except BadRequestError as error:
            _log.error("configuration.unusable", application=application, reason=error.reason_phrase)
        else:
            if retention_ms is not None:
                kept[application] = retention_ms
    return kept


async def _place(request: GetAppConfig | PutAppConfig, parts: ConfigurationParts) -> dict[str, Any]:
    if request.service_instance_name not in INSTANCES:
        raise BadRequestError(f"serviceInstanceName must be one of {', '.join(INSTANCES)}")
    check_limits(request.applications, request.application_name)
    await parts.applications.check(request.application_name, request.version_name)
    return {
        "instance": request.service_instance_name,
        "application": request.application_name,
        "version": request.version_name,
    }
