"""Lists in orders that no index has."""

import time

from libs.contracts import endpoints as epr
from libs.contracts.connectivity import REPORT_SEEN, Seen, SeenReport
from libs.contracts.endpoint_batches import SEARCH_ENDPOINTS, EndpointSearch, SearchEndpoints
from libs.contracts.errors import BadRequestError
from tests.component.endpoint_register.conftest import Client, Replica
from tests.support.rest import Json


async def listed(client: Client, sort: str, **query: Json) -> str:
    """Give the ids of a list, one letter each."""
    page = (await client.ask(epr.LIST_ENDPOINTS, epr.ListEndpoints(sort=sort, **query))).body
    body = EndpointSearch(sort=sort, **query)
    found = (await client.ask(SEARCH_ENDPOINTS, SearchEndpoints(body=body))).body
    assert found == page, "a search is the same list"
    return "".join(each.endpoint_id for each in page.content)


async def test_endpoints_are_listed_by_what_they_hold_and_when_they_were_heard(
    client: Client, replica: Replica
) -> None:
    version, other = await client.new_version(), await client.new_version()
    rows: dict[str, Json] = {"d": {"row": 2}, "b": {"row": "2"}, "c": {}, "a": {"row": 10, "_id": [1]}}
    for name, metadata in rows.items():
        await client.new_endpoint(version, endpoint_id=name, metadata=metadata)
    await client.new_endpoint(other, endpoint_id="x", metadata={"row": 1})
    now_ms = time.time_ns() // 1_000_000
    heard = {name: Seen(now_ms - late, version) for name, late in (("a", 900), ("c", 100), ("b", 500))}
    await client.ask(REPORT_SEEN, SeenReport(transport="HTTP", endpoints=heard))

    by_row = await listed(client, "metadata.row")
    of_version = await listed(client, "-metadata.row", application_version_name=version)
    page = await listed(client, "metadata.row", application_version_name=version, offset=1, limit=2)
    by_id_key = await listed(client, "metadata._id")
    seen = await listed(client, "lastSeen", application_version_name=version)
    seen_last = await listed(client, "-lastSeen", endpoint_id=["a", "b", "c", "d"])
    with_metadata = await client.ask(
        epr.LIST_ENDPOINTS, epr.ListEndpoints(sort="metadata.row", include=("metadata",), limit=2)
    )
    refusal = await client.refused(epr.LIST_ENDPOINTS, epr.ListEndpoints(sort="metadata.a.b"))

    assert (by_row, of_version, page, by_id_key) == ("xdabc", "badc", "ab", "abcdx")
    assert (seen, seen_last) == ("abcd", "cbad")
    assert [each.metadata for each in with_metadata.body.content] == [{"row": 1}, {"row": 2}]
    assert with_metadata.body.total_elements == 5
    assert isinstance(refusal, BadRequestError)
