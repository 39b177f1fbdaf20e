"""Finding what a caller names, within the limits of its API key."""

from collections.abc import Sequence

from libs.contracts.api_keys import check_limits
from libs.contracts.errors import NotFoundError
from libs.contracts.ids import ApplicationName, AppVersionName, application_of
from services.endpoint_register.domain.application import Application, Lifecycle
from services.endpoint_register.ports import Parts


async def find_application(name: str, *, limits: Sequence[str] | None, parts: Parts) -> Application:
    """Find an application the caller may touch.

    Raises:
        ForbiddenError: As :func:`check_limits`, whether it exists or not.
        NotFoundError: There is none, or it is being removed.
    """
    check_limits(limits, name)
    application = await parts.applications.find(ApplicationName(name))
    if application is None or application.lifecycle is Lifecycle.DELETING:
        raise NotFoundError(f"there is no application {name[:64]!a}")
    return application


def application_named_in(version: str) -> ApplicationName:
    """Read the application out of a version name.

    Raises:
        NotFoundError: It is no version name, so there is no such version.
    """
    application = application_of(version)
    if application is None:
        raise NotFoundError(f"there is no application version {version[:64]!a}")
    return application


async def check_open(version: AppVersionName, *, parts: Parts) -> None:
    """Let endpoints come to a version.

    Raises:
        NotFoundError: There is no such version.
        ConflictError: It is being removed.
    """
    application = await find_application(application_named_in(version), limits=None, parts=parts)
    application.open_version(version)
