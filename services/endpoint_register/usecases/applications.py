"""Applications as operators make, describe and see them."""

from collections.abc import Callable, Mapping
from typing import Final

from libs.contracts.api_keys import check_limits
from libs.contracts.applications import (
    CreateApplication,
    DisplayChange,
    GetApplication,
    ListApplications,
    UpdateApplication,
)
from libs.contracts.errors import ConflictError, ForbiddenError, InternalError
from libs.contracts.ids import ApplicationName, check_application_name
from libs.contracts.lifecycle import CONFIGURATION_UPSERTED
from services.endpoint_register.domain.application import (
    XID_CHANCE_BYTES,
    Application,
    Described,
    Lifecycle,
    Place,
    check_texts,
    described,
    generated_name,
)
from services.endpoint_register.ports import Clock, Parts
from services.endpoint_register.usecases.changing import change_application
from services.endpoint_register.usecases.configuring import tell_application
from services.endpoint_register.usecases.scope import find_application

PAGE_BYTES: Final = 512 * 1024
"""Applications in one message of at most 768 KiB."""

_AT_ONCE: Final = 32
_NAME_ATTEMPTS = 5


async def list_applications(
    cmd: ListApplications, *, size_of: Callable[[Application], int], parts: Parts
) -> tuple[list[Application], Place | None]:
    """Read the applications the caller may touch, oldest first, as many as fit into a message.

    Returns:
        The applications, and the place after which to go on, if there is more.
    """
    after = Place.parse(cmd.after)
    places = [place for place in await parts.applications.places(cmd.applications) if place > after]
    page: list[Application] = []
    size = 0
    for start in range(0, len(places), _AT_ONCE):
        names = [place.name for place in places[start : start + _AT_ONCE]]
        for application in await parts.applications.all(names):
            if application.lifecycle is Lifecycle.DELETING:
                continue
            size += size_of(application)
            if page and size > PAGE_BYTES:
                return page, Place.of(page[-1])
            page.append(application)
    return page, None


async def create_application(cmd: CreateApplication, *, parts: Parts) -> Application:
    """Make an application under the given name, or under one that is free.

    Raises:
        ConflictError: The given name is taken.
        ForbiddenError: The caller's API key is limited to applications, and this is none of them.
    """
    given = None if cmd.body.name is None else check_application_name(cmd.body.name)
    if given is not None:
        check_limits(cmd.applications, given)
    elif cmd.applications is not None:
        raise ForbiddenError("the API key is limited to applications that exist")
    application = await _add(cmd, given, parts)
    await tell_application(
        CONFIGURATION_UPSERTED, application, correlation_id=cmd.correlation_id, parts=parts
    )
    return application


async def get_application(cmd: GetApplication, *, parts: Parts) -> Application:
    """Read an application with its versions."""
    return await find_application(cmd.application_name, limits=cmd.applications, parts=parts)


async def update_application(cmd: UpdateApplication, *, parts: Parts) -> Application:
    """Change what people see of an application."""
    check_limits(cmd.applications, cmd.application_name)
    name = ApplicationName(cmd.application_name)
    application = await change_application(
        name,
        lambda before: before.with_shown(changed_texts(before.shown, cmd.body, parts.clock)),
        parts=parts,
    )
    await tell_application(
        CONFIGURATION_UPSERTED, application, correlation_id=cmd.correlation_id, parts=parts
    )
    return application


def changed_texts(shown: Described, change: DisplayChange, clock: Clock) -> Described:
    """Change the texts that are given.

    Raises:
        BadRequestError: One of them is too long.
    """
    given: Mapping[str, object] = {
        "display_name": change.display_name,
        "description": change.description,
    }
    texts = {name: text for name, text in given.items() if isinstance(text, str)}
    check_texts(texts.get("display_name", ""), texts.get("description", ""))
    return Described(
        display_name=texts.get("display_name", shown.display_name),
        description=texts.get("description", shown.description),
        created_at=shown.created_at,
        updated_at=clock.now(),
    )


async def _add(cmd: CreateApplication, given: ApplicationName | None, parts: Parts) -> Application:
    now = parts.clock.now()
    for _ in range(_NAME_ATTEMPTS):
        name = given or generated_name(now, parts.entropy.octets(XID_CHANCE_BYTES))
        application = Application(
            name=name,
            shown=described(cmd.body.display_name, cmd.body.description, name=name, at=now),
            attempt=parts.entropy.attempt(),
        )
        if await parts.applications.add(application):
            return application
        if given is not None:
            raise ConflictError(f"application name {given} is taken")
    raise InternalError
