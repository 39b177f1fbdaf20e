"""Endpoints: how one begins, how it is read, and how it moves to another version.

Creation is rule 23 of protocol/delivery.md: the endpoint is written hidden, its token is stored by
credential-manager, only then is it seen. A refusal takes everything back at once; when the outcome
of a step is unknown, :mod:`.sweeping` does, a minute later.
"""

from collections.abc import Sequence
from contextlib import suppress

from libs.contracts.api_keys import check_limits
from libs.contracts.endpoints import (
    CreateEndpoint,
    GetEndpoint,
    GetEndpointVersion,
    NewEndpoint,
    PutEndpointVersion,
)
from libs.contracts.errors import (
    BadRequestError,
    ConflictError,
    GroveError,
    InternalError,
    NotFoundError,
    UnavailableError,
)
from libs.contracts.ids import (
    AppVersionName,
    EndpointId,
    check_endpoint_id,
    check_token,
)
from services.endpoint_register.domain.endpoint import Endpoint
from services.endpoint_register.domain.metadata import Metadata, check_metadata
from services.endpoint_register.ports import Parts
from services.endpoint_register.usecases.changing import find_ready, same_incarnation
from services.endpoint_register.usecases.enlisting import enlist
from services.endpoint_register.usecases.relations import Partner, attach, find_partners
from services.endpoint_register.usecases.removing import discard
from services.endpoint_register.usecases.scope import application_named_in, check_open

_ID_ATTEMPTS = 3
_FIRST_SERVER_ERROR = 500


async def create_endpoint(cmd: CreateEndpoint, *, parts: Parts) -> tuple[Endpoint, str]:
    """Make an endpoint and its first token, and return both.

    Raises:
        NotFoundError: There is no such application version, or no endpoint it shall be related to.
        ConflictError: The endpoint id or the token is taken, the version is being removed, or an endpoint
            it shall be related to has too many relations.
        UnavailableError: Not now; what was begun is taken back.
    """
    version = AppVersionName(cmd.body.app_version.name)
    application = application_named_in(version)
    check_limits(cmd.applications, application)
    token = _token(cmd.body, parts)
    given = None if cmd.body.endpoint_id is None else check_endpoint_id(cmd.body.endpoint_id)
    check_metadata(cmd.body.metadata)
    partners = await find_partners(cmd.body.relations, applications=cmd.applications, parts=parts)
    await check_open(version, parts=parts)
    hidden = await _add(given, version, cmd.body.metadata, parts)
    ready = await complete(hidden, token, correlation_id=cmd.correlation_id, parts=parts, partners=partners)
    return ready, token


async def complete(
    hidden: Endpoint, token: str, *, correlation_id: str, parts: Parts, partners: Sequence[Partner] = ()
) -> Endpoint:
    """Give a hidden endpoint its token and let it be seen; what another began can be completed too.

    Raises:
        NotFoundError: The version is gone.
        ConflictError: The token is taken, the version is being removed, or a partner has too many relations.
        UnavailableError: Not now; what was begun is taken back.
    """
    try:
        # Again, now that whoever removes the version can see the endpoint: one of us notices.
        await check_open(hidden.version, parts=parts)
        await attach(hidden, partners, parts=parts)
        await parts.credentials.store_token(token, endpoint=hidden)
    except GroveError as error:
        if error.status_code < _FIRST_SERVER_ERROR:
            with suppress(GroveError):
                await discard(hidden, parts=parts)
        raise
    await enlist(hidden, endpoints=parts.endpoints, listing=parts.listing)
    ready = hidden.registered(correlation_id=correlation_id)
    if not await _make_ready(hidden, ready, parts=parts):
        raise UnavailableError("creating the endpoint took too long and was taken back")
    parts.announcing.offer(ready)
    return ready


async def _make_ready(hidden: Endpoint, ready: Endpoint, *, parts: Parts) -> bool:
    """Let an endpoint be seen; False when somebody took it back.

    When only the answer of the write was lost, this is a success: its token would be lost with it.

    Raises:
        UnavailableError: It is not done, and what was begun is taken back.
    """
    try:
        return await parts.endpoints.replace(hidden, ready)
    except UnavailableError:
        found = await parts.endpoints.find(hidden.id, metadata=False)
        if found is None or (found.incarnation, found.state) != (ready.incarnation, ready.state):
            raise
        return True


async def get_endpoint(cmd: GetEndpoint, *, parts: Parts) -> Endpoint:
    """Read an endpoint, with its metadata if they are included."""
    endpoint = await find_ready(EndpointId(cmd.endpoint_id), parts=parts, metadata="metadata" in cmd.include)
    check_limits(cmd.applications, endpoint.application)
    return endpoint


async def get_endpoint_version(cmd: GetEndpointVersion, *, parts: Parts) -> Endpoint:
    """Read an endpoint for the version it is at."""
    endpoint = await find_ready(EndpointId(cmd.endpoint_id), parts=parts, metadata=False)
    check_limits(cmd.applications, endpoint.application)
    return endpoint


async def put_endpoint_version(cmd: PutEndpointVersion, *, parts: Parts) -> Endpoint:
    """Move an endpoint to another version of its application; the same again changes nothing.

    Raises:
        BadRequestError: The version is of another application.
        NotFoundError: There is no such endpoint or version.
        ConflictError: The version is being removed.
    """
    target = AppVersionName(cmd.body.name)
    application = application_named_in(target)
    endpoint = await get_endpoint_version(
        GetEndpointVersion(endpoint_id=cmd.endpoint_id, applications=cmd.applications), parts=parts
    )
    if application != endpoint.application:
        raise BadRequestError(f"the endpoint belongs to application {endpoint.application}")
    await check_open(target, parts=parts)
    moved = await _move(endpoint, target, cmd.correlation_id, parts)
    try:
        await check_open(target, parts=parts)  # again, as in create_endpoint
    except (ConflictError, NotFoundError):
        await _move(endpoint, endpoint.version, cmd.correlation_id, parts)
        raise
    return moved


async def _move(endpoint: Endpoint, target: AppVersionName, correlation_id: str, parts: Parts) -> Endpoint:
    def change(now: Endpoint) -> Endpoint | None:
        before = same_incarnation(now, endpoint)
        if before.version == target:
            return None
        return before.moved(target, at=parts.clock.now(), correlation_id=correlation_id)

    moved = await parts.changing.change(endpoint.id, change)
    await enlist(moved, endpoints=parts.endpoints, listing=parts.listing)
    return moved


def _token(body: NewEndpoint, parts: Parts) -> str:
    return parts.entropy.token_value() if body.endpoint_token is None else check_token(body.endpoint_token)


async def _add(
    given: EndpointId | None, version: AppVersionName, metadata: Metadata, parts: Parts
) -> Endpoint:
    """Write the hidden endpoint under the given id, or under one that is free."""
    now = parts.clock.now()
    for _ in range(_ID_ATTEMPTS):
        endpoint = Endpoint(
            id=given or parts.entropy.endpoint_id(),
            application=application_named_in(version),
            version=version,
            version_since=now,
            created_at=now,
            incarnation=parts.entropy.attempt(),
            metadata=metadata,
        )
        if await parts.endpoints.add(endpoint):
            return endpoint
        if given is not None:
            raise ConflictError(f"endpoint id {given} is taken")
    raise InternalError
