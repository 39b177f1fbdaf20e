"""Which endpoints are at a version, without reading all of them.

The listing gives some in a small range. What has no line there, because it is half made or half removed, is
asked of the endpoints once no line is left: the embedded store reads all of a version for that, four seconds
for a hundred thousand.
"""

from libs.contracts.ids import AppVersionName, EndpointId
from services.endpoint_register.domain.listing import Order, range_of
from services.endpoint_register.ports import Parts
from services.endpoint_register.usecases.enlisting import repair


async def has_endpoints(version: AppVersionName, *, parts: Parts) -> bool:
    """Tell whether any endpoint is at a version, in whatever state."""
    return bool(await some_at(version, limit=1, parts=parts))


async def some_at(version: AppVersionName, *, limit: int, parts: Parts) -> list[EndpointId]:
    """Find some endpoints at a version, in whatever state; none when there is none."""
    part = range_of(Order.ENDPOINT_ID, descending=False, version=version)
    while lines := await parts.listing.page(part, limit=limit):
        ids = [line.endpoint_id for line in lines]
        found = {each.id: each for each in await parts.endpoints.find_many(ids, metadata=False)}
        there = []
        for line in lines:
            endpoint = found.get(line.endpoint_id)
            if endpoint is not None and endpoint.version == version:
                there.append(endpoint.id)
            else:
                await repair(line, endpoint, endpoints=parts.endpoints, listing=parts.listing)
        if there:
            return there
    return await parts.endpoints.at_version(version, limit=limit)
