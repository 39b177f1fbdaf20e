"""Pages of endpoints: from the listing, whose lines are a moment behind, and by name."""

import bisect
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Final

import msgspec

from libs.contracts.api_keys import check_limits
from libs.contracts.endpoints import ListEndpoints
from libs.contracts.errors import BadRequestError
from libs.contracts.ids import (
    ApplicationName,
    AppVersionName,
    EndpointId,
    check_endpoint_id_prefix,
)
from libs.contracts.paging import MAX_LIMIT, check_page
from services.endpoint_register.domain.endpoint import Endpoint, EndpointState
from services.endpoint_register.domain.listing import Listed, Order, Range, keys_of, parse_sort, range_of
from services.endpoint_register.domain.sorting import parse_value_sort
from services.endpoint_register.ports import EndpointListing, Parts
from services.endpoint_register.usecases.enlisting import repair
from services.endpoint_register.usecases.scope import application_named_in
from services.endpoint_register.usecases.sorting import list_named_sorted, list_ranges_sorted

MAX_MERGED: Final = 10_000
"""Where a page that is merged from several ranges must end: no index skips what lies before it."""

_READ_AT_ONCE: Final = 128


async def list_endpoints(cmd: ListEndpoints, *, parts: Parts) -> tuple[list[Endpoint], int]:
    """Read a page of endpoints, and count them all.

    Raises:
        BadRequestError: The page or the order is none, no id can begin so, or there are too many for the
            order.
        ForbiddenError: It asks for an application outside the caller's limits.
        PayloadTooLargeError: The page with its metadata does not fit into one message.
        UnavailableError: Too many lists wait to be sorted.
        DeadlineError: Sorting took too long.
    """
    check_page(offset=cmd.offset, limit=cmd.limit)
    if len(cmd.endpoint_id) > MAX_LIMIT:
        raise BadRequestError(f"at most {MAX_LIMIT} endpoint ids")
    check_endpoint_id_prefix(cmd.endpoint_id_prefix)
    application = _application_listed(cmd)
    if application is not None:
        check_limits(cmd.applications, application)
    if cmd.filter_id is not None:
        filtered = await _application_filtered(cmd.filter_id, cmd, parts)
        if filtered is None or application not in {None, filtered}:
            return [], 0
        application = filtered
    if cmd.endpoint_id:
        return await _list_named(cmd, application, parts)
    by_value = parse_value_sort(cmd.sort)
    if by_value is not None:
        ranges = _ranges(msgspec.structs.replace(cmd, sort=Order.ENDPOINT_ID.value), application)
        return await list_ranges_sorted(
            cmd, ranges, by_value, shown=lambda endpoint: _belongs(endpoint, ranges), parts=parts
        )
    return await _list_ranges(cmd, _ranges(cmd, application), parts)


def _application_listed(cmd: ListEndpoints) -> ApplicationName | None:
    """Find the one application that is listed, if the request names one in either way."""
    if cmd.application_version_name is not None:
        application = application_named_in(cmd.application_version_name)
        if cmd.application_name not in {None, application}:
            raise BadRequestError("the application version is not one of the application")
        return application
    return None if cmd.application_name is None else ApplicationName(cmd.application_name)


async def _application_filtered(filter_id: str, cmd: ListEndpoints, parts: Parts) -> ApplicationName | None:
    """Find the application of an active filter; None when there is no such filter, and so nothing to list."""
    filters = await parts.filters.holding(filter_id)
    if filters is None:
        return None
    check_limits(cmd.applications, filters.application)
    return filters.application if filters.find(filter_id).is_active else None


def _ranges(cmd: ListEndpoints, application: ApplicationName | None) -> list[Range]:
    """Find the ranges that a list is made of: one, or one for each application of a limited key."""
    order, descending = _order(cmd)
    begin = cmd.endpoint_id_prefix
    if cmd.application_version_name is not None:
        version = AppVersionName(cmd.application_version_name)
        part = range_of(order, descending=descending, version=version, id_prefix=begin)
        return [replace(part, filter_id=cmd.filter_id)]
    if cmd.filter_id is not None:  # it is of one application
        part = range_of(order, descending=descending, id_prefix=begin)
        return [replace(part, filter_id=cmd.filter_id)]
    if application is not None or cmd.applications is None:
        return [range_of(order, descending=descending, application=application, id_prefix=begin)]
    return [
        range_of(order, descending=descending, application=ApplicationName(name), id_prefix=begin)
        for name in sorted(set(cmd.applications))
    ]


def _order(cmd: ListEndpoints) -> tuple[Order, bool]:
    """Find the order of a list; ids that begin alike lie together in one of them only."""
    if not cmd.endpoint_id_prefix:
        return parse_sort(cmd.sort)
    order, descending = parse_sort(cmd.sort or Order.ENDPOINT_ID.value)
    if order is not Order.ENDPOINT_ID:
        raise BadRequestError(
            f"sort by {order.value} does not go with endpointIdPrefix; by endpointId it does"
        )
    return order, descending


async def _list_ranges(
    cmd: ListEndpoints, ranges: Sequence[Range], parts: Parts
) -> tuple[list[Endpoint], int]:
    if len(ranges) == 1:
        lines = await parts.listing.page(ranges[0], offset=cmd.offset, limit=cmd.limit)
    else:
        lines = await _merged(cmd, ranges, parts)
    if not cmd.offset and len(lines) < cmd.limit:
        total = len(lines)  # that was all: a count says no more, and may be a moment behind what is read
    else:
        total = sum([await parts.listing.count(part) for part in ranges])
    found = await parts.endpoints.find_many(
        [line.endpoint_id for line in lines], metadata="metadata" in cmd.include
    )
    by_id = {endpoint.id: endpoint for endpoint in found}
    await _repair(lines, by_id, parts)
    page = [by_id[line.endpoint_id] for line in lines if line.endpoint_id in by_id]
    return [endpoint for endpoint in page if _belongs(endpoint, ranges)], total


async def _merged(cmd: ListEndpoints, ranges: Sequence[Range], parts: Parts) -> list[Listed]:
    """Read the page where several ranges make one list; what comes before it has to be read as well."""
    if cmd.offset + cmd.limit > MAX_MERGED:
        raise BadRequestError(
            f"offset and limit must end within {MAX_MERGED} where the API key is limited to several "
            "applications; list one of them"
        )
    order, descending = _order(cmd)
    key = range_of(order, descending=descending).key
    heads = [_Head(part, parts.listing) for part in ranges]
    # A range of an application has a key of its own, in the order of the one that all of them share.
    waiting: list[tuple[str, int, Listed]] = []
    page: list[Listed] = []
    position = 0
    moving: Iterable[int] = range(len(heads))
    while position < cmd.offset + cmd.limit:
        for number in moving:
            line = await heads[number].next()
            if line is not None:
                bisect.insort(waiting, (line.keys[key], number, line))
        if not waiting:
            break
        _, number, line = waiting.pop(-1 if descending else 0)
        if position >= cmd.offset:
            page.append(line)
        position += 1
        moving = (number,)
    return page


class _Head:
    """The next line of a range; no more than a few of those behind it are in memory."""

    def __init__(self, part: Range, listing: EndpointListing) -> None:
        self._part = part
        self._listing = listing
        self._lines: deque[Listed] = deque()
        self._after = ""
        self._ended = False

    async def next(self) -> Listed | None:
        if not self._lines and not self._ended:
            # By key and not by number: what comes and goes meanwhile repeats no line.
            lines = await self._listing.page(self._part, after=self._after, limit=_READ_AT_ONCE)
            self._lines.extend(lines)
            self._ended = len(lines) < _READ_AT_ONCE
        if not self._lines:
            return None
        self._after = self._lines[0].keys[self._part.key]
        return self._lines.popleft()


def _belongs(endpoint: Endpoint, ranges: Sequence[Range]) -> bool:
    """Tell whether it may be seen and is where its line said: lines are a moment behind."""
    keys = keys_of(endpoint)
    return endpoint.state is EndpointState.READY and any(
        part.holds(keys, endpoint.filters) for part in ranges
    )


async def _repair(lines: Sequence[Listed], by_id: Mapping[EndpointId, Endpoint], parts: Parts) -> None:
    """Correct lines that contradict their endpoints."""
    for line in lines:
        endpoint = by_id.get(line.endpoint_id)
        await repair(line, endpoint, endpoints=parts.endpoints, listing=parts.listing)


async def _list_named(
    cmd: ListEndpoints, application: ApplicationName | None, parts: Parts
) -> tuple[list[Endpoint], int]:
    """List endpoints named one by one: at most a thousand, so they are sorted here."""

    def wanted(endpoint: Endpoint) -> bool:
        return (
            endpoint.state is EndpointState.READY
            and endpoint.id.startswith(cmd.endpoint_id_prefix)
            and application in {None, endpoint.application}
            and cmd.application_version_name in {None, endpoint.version}
            and cmd.filter_id in {None, *endpoint.filters}
            and (cmd.applications is None or endpoint.application in cmd.applications)
        )

    ids = [EndpointId(name) for name in dict.fromkeys(cmd.endpoint_id)]
    by_value = parse_value_sort(cmd.sort)
    if by_value is not None:
        those = list(filter(wanted, await parts.endpoints.find_many(ids, metadata=False)))
        return await list_named_sorted(cmd, those, by_value, shown=wanted, parts=parts)
    order, descending = parse_sort(cmd.sort)
    key = range_of(order, descending=descending).key
    found = filter(wanted, await parts.endpoints.find_many(ids, metadata="metadata" in cmd.include))
    ordered = sorted(found, key=lambda endpoint: keys_of(endpoint)[key], reverse=descending)
    return ordered[cmd.offset : cmd.offset + cmd.limit], len(ordered)
