"""Endpoints: how one begins, how it is read and listed, and how it moves to another version.

Creation is rule 23 of protocol/delivery.md: the endpoint is written hidden, its token is stored by
credential-manager, only then is it seen. A refusal takes everything back at once; when the outcome
of a step is unknown, :mod:`.sweeping` does, a minute later.
"""

import heapq
from collections.abc import Mapping, Sequence
from contextlib import suppress

from libs.contracts.endpoints import (
    CreateEndpoint,
    GetEndpoint,
    GetEndpointVersion,
    ListEndpoints,
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
    ApplicationName,
    AppVersionName,
    EndpointId,
    check_endpoint_id,
    check_token,
)
from libs.contracts.paging import MAX_LIMIT, check_page
from services.endpoint_register.domain.endpoint import Endpoint, EndpointState
from services.endpoint_register.domain.listing import (
    Listed,
    Range,
    keys_of,
    parse_sort,
    range_of,
)
from services.endpoint_register.domain.metadata import Metadata, check_metadata
from services.endpoint_register.ports import Parts
from services.endpoint_register.usecases.changing import find_ready
from services.endpoint_register.usecases.enlisting import enlist
from services.endpoint_register.usecases.removing import discard
from services.endpoint_register.usecases.scope import application_named_in, check_open, check_scope

_ID_ATTEMPTS = 3
_FIRST_SERVER_ERROR = 500


async def create_endpoint(cmd: CreateEndpoint, *, parts: Parts) -> tuple[Endpoint, str]:
    """Make an endpoint and its first token, and return both.

    Raises:
        NotFoundError: There is no such application version.
        ConflictError: The endpoint id or the token is taken, or the version is being removed.
        UnavailableError: Not now; what was begun is taken back.
    """
    version = AppVersionName(cmd.body.app_version.name)
    application = application_named_in(version)
    check_scope(cmd.applications, application)
    token = _token(cmd.body, parts)
    given = None if cmd.body.endpoint_id is None else check_endpoint_id(cmd.body.endpoint_id)
    check_metadata(cmd.body.metadata)
    await check_open(version, parts=parts)
    hidden = await _add(given, version, cmd.body.metadata, parts)
    try:
        # Again, now that whoever removes the version can see the endpoint: one of us notices.
        await check_open(version, parts=parts)
        await parts.credentials.store_token(token, endpoint=hidden)
    except GroveError as error:
        if error.status_code < _FIRST_SERVER_ERROR:
            with suppress(GroveError):
                await discard(hidden, parts=parts)
        raise
    await enlist(hidden, endpoints=parts.endpoints, listing=parts.listing)
    ready = hidden.registered(correlation_id=cmd.correlation_id)
    if not await _make_ready(hidden, ready, parts=parts):
        raise UnavailableError("creating the endpoint took too long and was taken back")
    parts.announcing.offer(ready)
    return ready, token


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
    check_scope(cmd.applications, endpoint.application)
    return endpoint


async def list_endpoints(cmd: ListEndpoints, *, parts: Parts) -> tuple[list[Endpoint], int]:
    """Read a page of endpoints, and count them all.

    Raises:
        BadRequestError: The page or the order is none.
        ForbiddenError: It asks for an application outside the caller's limits.
        PayloadTooLargeError: The page with its metadata does not fit into one message.
    """
    check_page(offset=cmd.offset, limit=cmd.limit)
    if len(cmd.endpoint_id) > MAX_LIMIT:
        raise BadRequestError(f"at most {MAX_LIMIT} endpoint ids")
    application = _application_listed(cmd)
    if application is not None:
        check_scope(cmd.applications, application)
    if cmd.endpoint_id:
        return await _list_named(cmd, application, parts)
    return await _list_ranges(cmd, _ranges(cmd, application), parts)


async def get_endpoint_version(cmd: GetEndpointVersion, *, parts: Parts) -> Endpoint:
    """Read an endpoint for the version it is at."""
    endpoint = await find_ready(EndpointId(cmd.endpoint_id), parts=parts, metadata=False)
    check_scope(cmd.applications, endpoint.application)
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
    moved = await _move(endpoint.id, target, cmd.correlation_id, parts)
    try:
        await check_open(target, parts=parts)  # again, as in create_endpoint
    except (ConflictError, NotFoundError):
        await _move(endpoint.id, endpoint.version, cmd.correlation_id, parts)
        raise
    return moved


async def _move(
    endpoint_id: EndpointId, target: AppVersionName, correlation_id: str, parts: Parts
) -> Endpoint:
    def change(before: Endpoint) -> Endpoint | None:
        if before.version == target:
            return None
        return before.moved(target, at=parts.clock.now(), correlation_id=correlation_id)

    moved = await parts.changing.change(endpoint_id, change)
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


def _application_listed(cmd: ListEndpoints) -> ApplicationName | None:
    """Find the one application that is listed, if the request names one in either way."""
    if cmd.application_version_name is not None:
        application = application_named_in(cmd.application_version_name)
        if cmd.application_name not in {None, application}:
            raise BadRequestError("the application version is not one of the application")
        return application
    return None if cmd.application_name is None else ApplicationName(cmd.application_name)


def _ranges(cmd: ListEndpoints, application: ApplicationName | None) -> list[Range]:
    """Find the ranges that a list is made of: one, or one for each application of a limited key."""
    order, descending = parse_sort(cmd.sort)
    if cmd.application_version_name is not None:
        version = AppVersionName(cmd.application_version_name)
        return [range_of(order, descending=descending, version=version)]
    if application is not None or cmd.applications is None:
        return [range_of(order, descending=descending, application=application)]
    return [
        range_of(order, descending=descending, application=ApplicationName(name))
        for name in sorted(set(cmd.applications))
    ]


async def _list_ranges(
    cmd: ListEndpoints, ranges: Sequence[Range], parts: Parts
) -> tuple[list[Endpoint], int]:
    total = sum([await parts.listing.count(part) for part in ranges])
    order, descending = parse_sort(cmd.sort)
    if len(ranges) == 1:
        lines = await parts.listing.page(ranges[0], offset=cmd.offset, limit=cmd.limit)
    else:
        heads = [await parts.listing.page(part, offset=0, limit=cmd.offset + cmd.limit) for part in ranges]
        key = range_of(order, descending=descending).key
        merged = heapq.merge(*heads, key=lambda line: line.keys[key], reverse=descending)
        lines = list(merged)[cmd.offset : cmd.offset + cmd.limit]
    found = await parts.endpoints.find_many(
        [line.endpoint_id for line in lines], metadata="metadata" in cmd.include
    )
    by_id = {endpoint.id: endpoint for endpoint in found}
    await _repair(lines, by_id, parts)
    page = [by_id[line.endpoint_id] for line in lines if line.endpoint_id in by_id]
    return [endpoint for endpoint in page if _belongs(endpoint, ranges)], total


def _belongs(endpoint: Endpoint, ranges: Sequence[Range]) -> bool:
    """Tell whether it may be seen and is where its line said: lines are a moment behind."""
    keys = keys_of(endpoint)
    return endpoint.state is EndpointState.READY and any(part.holds(keys) for part in ranges)


async def _repair(lines: Sequence[Listed], by_id: Mapping[EndpointId, Endpoint], parts: Parts) -> None:
    """Correct lines that contradict their endpoints."""
    for line in lines:
        endpoint = by_id.get(line.endpoint_id)
        if endpoint is None:  # removed just now, or listed by a creator that had given up
            await parts.listing.drop(line.endpoint_id, incarnation=line.incarnation)
        elif line.incarnation != endpoint.incarnation or line.keys != keys_of(endpoint):
            await enlist(endpoint, endpoints=parts.endpoints, listing=parts.listing)


async def _list_named(
    cmd: ListEndpoints, application: ApplicationName | None, parts: Parts
) -> tuple[list[Endpoint], int]:
    """List endpoints named one by one: at most a thousand, so they are sorted here."""

    def wanted(endpoint: Endpoint) -> bool:
        return (
            endpoint.state is EndpointState.READY
            and application in {None, endpoint.application}
            and cmd.application_version_name in {None, endpoint.version}
            and (cmd.applications is None or endpoint.application in cmd.applications)
        )

    order, descending = parse_sort(cmd.sort)
    key = range_of(order, descending=descending).key
    ids = [EndpointId(name) for name in dict.fromkeys(cmd.endpoint_id)]
    found = filter(wanted, await parts.endpoints.find_many(ids, metadata="metadata" in cmd.include))
    ordered = sorted(found, key=lambda endpoint: keys_of(endpoint)[key], reverse=descending)
    return ordered[cmd.offset : cmd.offset + cmd.limit], len(ordered)
