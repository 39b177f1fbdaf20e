"""Pages of endpoints in an order that no index has: read in slices, sorted here, one list at a time.

Of each endpoint only its id, its incarnation and what it is compared by stay in memory, and metadata are read
for the page alone. What is larger than a page waits for its turn: side by side such lists would only slow
down each other, and everybody else, for it is the store that works. Who waits in vain hears 503 or 504.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Final

from libs.contracts.endpoints import ListEndpoints
from libs.contracts.errors import DeadlineError
from libs.contracts.ids import EndpointId
from libs.contracts.paging import MAX_LIMIT
from services.endpoint_register.domain.endpoint import Endpoint
from services.endpoint_register.domain.listing import Range
from services.endpoint_register.domain.sorting import (
    MAX_SORTED,
    Rank,
    ValueSort,
    check_sortable,
    in_order,
    rank_of,
    rank_of_instant,
)
from services.endpoint_register.ports import Parts
from services.endpoint_register.usecases.enlisting import enlist

MAX_WAITING: Final = 4
"""Lists that may wait for their turn; one of 10,000 endpoints takes the embedded store 2 to 4 s."""
WITHIN_S: Final = 12.0
"""From the request to an order: api-gateway waits for 15 s, and what comes later is for nobody."""

_READ_AT_ONCE: Final = 1000

Names = Mapping[EndpointId, str]
"""Endpoints, each with the incarnation that is meant."""


async def list_ranges_sorted(
    cmd: ListEndpoints,
    ranges: Sequence[Range],
    by: ValueSort,
    *,
    shown: Callable[[Endpoint], bool],
    parts: Parts,
    within_s: float = WITHIN_S,
) -> tuple[list[Endpoint], int]:
    """Read a page of what is in these ranges, and count it all.

    Args:
        cmd: Which page.
        ranges: What is sorted; none overlaps another.
        by: In which order.
        shown: Whether an endpoint of the page belongs there and may be seen.
        parts: What it needs.
        within_s: How long to read, half of it to wait for the turn.

    Raises:
        BadRequestError: There are too many.
        PayloadTooLargeError: The page with its metadata does not fit into one message.
        UnavailableError: Too many such lists wait already.
        DeadlineError: It took too long to come to its turn, or to read.
    """
    deadline = _now() + within_s
    count = sum([await parts.listing.count(part) for part in ranges])
    check_sortable(by, count=count)

    async def work() -> tuple[Names, list[EndpointId]]:
        names: dict[EndpointId, str] = {}
        for part in ranges:
            names |= await parts.listing.names(part, limit=MAX_SORTED + 1 - len(names))
            check_sortable(by, count=len(names))
        return names, await _sorted(names, by, deadline=deadline, parts=parts)

    if count <= MAX_LIMIT:
        names, ordered = await work()
    else:
        names, ordered = await parts.sorting.run("", work, wait_s=within_s / 2)
    return await _page(cmd, names, ordered, shown, parts), len(ordered)


async def list_named_sorted(
    cmd: ListEndpoints,
    found: Sequence[Endpoint],
    by: ValueSort,
    *,
    shown: Callable[[Endpoint], bool],
    parts: Parts,
) -> tuple[list[Endpoint], int]:
    """Read a page of these endpoints, which are no more than a page may have.

    Raises:
        PayloadTooLargeError: The page with its metadata does not fit into one message.
        DeadlineError: It took too long to read them.
    """
    names = {endpoint.id: endpoint.incarnation for endpoint in found}
    ordered = await _sorted(names, by, deadline=_now() + WITHIN_S, parts=parts)
    return await _page(cmd, names, ordered, shown, parts), len(ordered)


async def _sorted(names: Names, by: ValueSort, *, deadline: float, parts: Parts) -> list[EndpointId]:
    ranks: dict[EndpointId, Rank] = {}
    reading = _heard(names, parts) if by.metadata_key is None else _valued(names, by.metadata_key, parts)
    async for some in reading:
        # Between slices, so that no read is cancelled half-way.
        if _now() > deadline:
            raise DeadlineError(f"sort by {by.name} took too long; name fewer endpoints")
        ranks |= some
    return in_order(names, ranks, descending=by.descending)


def _now() -> float:
    return asyncio.get_running_loop().time()


async def _valued(names: Names, key: str, parts: Parts) -> AsyncIterator[dict[EndpointId, Rank]]:
    async for values in parts.endpoints.metadata_values(list(names), key):
        yield {endpoint_id: rank_of(value) for endpoint_id, value in values.items()}


async def _heard(names: Names, parts: Parts) -> AsyncIterator[dict[EndpointId, Rank]]:
    ids = list(names)
    for start in range(0, len(ids), _READ_AT_ONCE):
        records = await parts.connectivity.find_many(ids[start : start + _READ_AT_ONCE])
        yield {
            endpoint_id: rank_of_instant(record.last_seen)
            for endpoint_id, record in records.items()
            if record.last_seen is not None and record.incarnation == names[endpoint_id]
        }


async def _page(
    cmd: ListEndpoints,
    names: Names,
    ordered: Sequence[EndpointId],
    shown: Callable[[Endpoint], bool],
    parts: Parts,
) -> list[Endpoint]:
    """Read the page, without what is not there as its line said, and correct such lines."""
    ids = ordered[cmd.offset : cmd.offset + cmd.limit]
    found = await parts.endpoints.find_many(ids, metadata="metadata" in cmd.include)
    by_id = {endpoint.id: endpoint for endpoint in found}
    page: list[Endpoint] = []
    for endpoint_id in ids:
        endpoint = by_id.get(endpoint_id)
        if endpoint is None:
            await parts.listing.drop(endpoint_id, incarnation=names[endpoint_id])
        elif shown(endpoint):
            page.append(endpoint)
        else:
            await enlist(endpoint, endpoints=parts.endpoints, listing=parts.listing)
    return page
