"""How the line of an endpoint in lists follows the endpoint, although they are two documents.

A line is only ever written forward within an incarnation, so a put that comes late changes nothing.
Whoever writes one reads the endpoint again afterwards, and goes on until both agree. Whoever dies
before that leaves the event of the move in the outbox, which is not published before the line is
written: see :mod:`.announcing`.
"""

from collections.abc import Sequence
from typing import Final

from libs.contracts.errors import GroveError, UnavailableError
from libs.contracts.ids import EndpointId
from services.endpoint_register.domain.endpoint import Endpoint, EndpointState
from services.endpoint_register.domain.listing import Listed, listed
from services.endpoint_register.ports import EndpointListing, EndpointRepository

_ATTEMPTS: Final = 16
_LISTED: Final = frozenset({EndpointState.CREATING, EndpointState.READY})


async def enlist_many(
    new: Sequence[Endpoint], *, endpoints: EndpointRepository, listing: EndpointListing
) -> dict[EndpointId, GroveError]:
    """List endpoints that were just added, with one write and one look; tell which could not be listed.

    Raises:
        UnavailableError: The store is away; some may be listed.
    """
    stand = await listing.put_new([listed(endpoint) for endpoint in new])
    ids = [endpoint.id for endpoint in new]
    now = {each.id: each for each in await endpoints.find_many(ids, metadata=False)}
    failed: dict[EndpointId, GroveError] = {}
    for endpoint in new:
        alive = now.get(endpoint.id)
        same = alive is not None and (alive.incarnation, alive.version, alive.state) == (
            endpoint.incarnation,
            endpoint.version,
            endpoint.state,
        )
        if not same or endpoint.id not in stand:
            try:
                await enlist(endpoint, endpoints=endpoints, listing=listing)
            except GroveError as error:
                failed[endpoint.id] = error
    return failed


async def enlist(endpoint: Endpoint, *, endpoints: EndpointRepository, listing: EndpointListing) -> None:
    """Return when the endpoint is listed as it is, or not at all because it is going or gone.

    Raises:
        UnavailableError: It moved faster than it could be listed, or the store is away.
    """
    for _ in range(_ATTEMPTS):
        standing = await listing.put(listed(endpoint))
        now = await endpoints.find(endpoint.id, metadata=False)
        alive = now if now is not None and now.state in _LISTED else None
        # Incarnations follow each other and never come back: what was listed before the endpoint was
        # read, and is not what was read, is of the past.
        for dead in {standing, endpoint.incarnation} - {alive.incarnation if alive else None}:
            await listing.drop(endpoint.id, incarnation=dead)
        if alive is None or (alive.incarnation, *_place_of(alive)) == (standing, *_place_of(endpoint)):
            return
        endpoint = alive
    raise UnavailableError("the endpoint moves faster than it can be listed")


async def repair(
    line: Listed, endpoint: Endpoint | None, *, endpoints: EndpointRepository, listing: EndpointListing
) -> None:
    """Correct a line if it contradicts its endpoint; None = there is none of that id."""
    if endpoint is None:  # removed just now, or listed by a creator that had given up
        await listing.drop(line.endpoint_id, incarnation=line.incarnation)
    elif line.incarnation != endpoint.incarnation or line.is_behind(endpoint):
        await enlist(endpoint, endpoints=endpoints, listing=listing)


def _place_of(endpoint: Endpoint) -> tuple[object, ...]:
    """What a line shows of an endpoint and may change."""
    return endpoint.version, endpoint.filters
