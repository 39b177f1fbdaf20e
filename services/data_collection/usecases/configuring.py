"""Configuration of ``epts`` and ``dcx``, as operators read and write it (Kaa Tekton)."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, Final

import structlog

from libs.contracts.api_keys import check_limits
from libs.contracts.app_configs import (
    Listing,
    Placed,
    all_unwrapped,
    patched,
    stopped,
    unwrapped,
    wrapped,
    written,
)
from libs.contracts.applications import (
    GetAppConfig,
    ListAppConfigs,
    PatchAppConfig,
    PutAppConfig,
    PutAppConfigs,
    WrittenConfigs,
)
from libs.contracts.errors import BadRequestError, ConflictError, GroveError, NotFoundError
from services.data_collection.domain.configuration import (
    DCX,
    EPTS,
    INSTANCES,
    TimeSeriesConfiguration,
    check_configuration,
    configuration_of,
)
from services.data_collection.ports.querying import Announcements, Applications, ConfigurationRepository

_ATTEMPTS: Final = 40
"""Lost races of one change before it is a 409."""

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
    placed = Placed(application=place["application"], version=place["version"], document=found or {})
    return wrapped([placed], service=place["instance"])


async def put_configuration(request: PutAppConfig, *, parts: ConfigurationParts) -> dict[str, Any]:
    """Replace what is configured at this place, and let all replicas forget what was.

    Raises:
        BadRequestError: It is not what the instance takes; the phrase names the path.
        NotFoundError: There is no such application or version, or not any more.
    """
    place = await _place(request, parts)
    placed = _unwrapped(request, place)
    check_configuration(placed, instance=place["instance"])
    incarnation = await _incarnation(request, parts)
    await parts.documents.put(placed.document, **place, incarnation=incarnation)
    await _tell(place, parts)
    return wrapped([placed], service=place["instance"])


async def patch_configuration(request: PatchAppConfig, *, parts: ConfigurationParts) -> dict[str, Any]:
    """Change parts of what is configured at this place; what comes of it is held to the same rules.

    Raises:
        BadRequestError: What comes of it is not what the instance takes; the phrase names the path.
        NotFoundError: There is no such application or version, or not any more.
        ConflictError: Others were faster, again and again.
    """
    place = await _place(request, parts)
    patch = _unwrapped(request, place)
    incarnation = await _incarnation(request, parts)
    for _ in range(_ATTEMPTS):
        before = await parts.documents.standing(**place)
        # What an earlier application of this name left is nothing to change a part of.
        ours = before is not None and before.incarnation in {incarnation, None}
        document = patched(before.configuration if before is not None and ours else {}, patch.document)
        placed = replace(patch, document=document)
        check_configuration(placed, instance=place["instance"])
        if await parts.documents.replace(before, document, **place, incarnation=incarnation):
            await _tell(place, parts)
            return wrapped([placed], service=place["instance"])
    raise ConflictError("concurrent changes of the configuration could not be reconciled")


async def list_configurations(request: ListAppConfigs, *, parts: ConfigurationParts) -> dict[str, Any]:
    """Read all that is configured for an instance and that the caller may see.

    Raises:
        PayloadTooLargeError: It does not fit into one message.
    """
    instance = _instance(request.service_instance_name)
    listing = Listing(service=instance)
    async for placed in parts.documents.all_of(instance, applications=request.applications):
        listing.add(placed)
    shown = []
    for placed in listing.all:
        with suppress(NotFoundError):  # it is gone, and what was configured for it goes in a moment
            await parts.applications.check(placed.application, placed.version)
            shown.append(placed)
    return wrapped(shown, service=instance)


async def put_configurations(request: PutAppConfigs, *, parts: ConfigurationParts) -> WrittenConfigs:
    """Replace what is configured at several places; everything is checked before anything is written.

    Raises:
        BadRequestError: One is not what the instance takes; the phrase names the path.
        ForbiddenError: One is for an application the caller may not touch.
        NotFoundError: One is for an application or a version that does not exist.
        GroveError: The store failed on the way; the phrase says how far it came.
    """
    instance = _instance(request.service_instance_name)
    documents = all_unwrapped(request.body, service=instance)
    for placed in documents:
        check_limits(request.applications, placed.application)
        check_configuration(placed, instance=instance)
    lives: dict[str, Mapping[str | None, str]] = {}
    for placed in documents:
        if placed.application not in lives:
            lives[placed.application] = await parts.applications.incarnations(placed.application)
        _life(lives[placed.application], placed.application, placed.version)
    reachable = True
    for number, placed in enumerate(documents):
        place: dict[str, Any] = {
            "instance": instance,
            "application": placed.application,
            "version": placed.version,
        }
        incarnation = lives[placed.application][placed.version]
        try:
            await parts.documents.put(placed.document, **place, incarnation=incarnation)
        except GroveError as error:
            raise stopped(error, placed, number=number, of=len(documents)) from error
        if reachable:  # a bus that is away costs its deadline once
            reachable = await _tell(place, parts)
    return written(documents)


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


def _instance(name: str) -> str:
    if name not in INSTANCES:
        raise BadRequestError(f"serviceInstanceName must be one of {', '.join(INSTANCES)}")
    return name


async def _place(
    request: GetAppConfig | PutAppConfig | PatchAppConfig, parts: ConfigurationParts
) -> dict[str, Any]:
    instance = _instance(request.service_instance_name)
    check_limits(request.applications, request.application_name)
    await parts.applications.check(request.application_name, request.version_name)
    return {
        "instance": instance,
        "application": request.application_name,
        "version": request.version_name,
    }


def _unwrapped(request: PutAppConfig | PatchAppConfig, place: Mapping[str, Any]) -> Placed:
    return unwrapped(
        request.body,
        service=place["instance"],
        application=request.application_name,
        version=request.version_name,
    )


async def _incarnation(request: PutAppConfig | PatchAppConfig, parts: ConfigurationParts) -> str:
    lives = await parts.applications.incarnations(request.application_name)
    return _life(lives, request.application_name, request.version_name)


def _life(lives: Mapping[str | None, str], application: str, version: str | None) -> str:
    found = lives.get(version)
    if found is None:
        raise NotFoundError(f"application {application[:64]!a}, or this version of it, is gone")
    return found


async def _tell(place: Mapping[str, Any], parts: ConfigurationParts) -> bool:
    try:
        await parts.announcements.changed(**place)
    except GroveError:  # what others remember ends by itself within 30 s
        return False
    return True
