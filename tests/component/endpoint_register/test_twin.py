import json

from libs.contracts import endpoints as epr
from tests.component.endpoint_register.conftest import Client, Replica, StandInCredentials


async def test_an_endpoint_is_created_read_listed_updated_and_seen(
    client: Client, replica: Replica, credentials: StandInCredentials
) -> None:
    version = await client.new_version()

    created = await client.new_endpoint(version, metadata={"description": "third row"})
    await client.device(version, created.endpoint_id, "/update/keys", {"model": "BFG 9000"})

    assert credentials.of(created.endpoint_id) == [created.token]
    assert created.status == "Inactive"
    assert len(created.token) == 24
    seen = await client.device(version, created.endpoint_id, "/get")
    assert json.loads(seen) == {"description": "third row", "model": "BFG 9000"}
    page = await client.ask(epr.LIST_ENDPOINTS, epr.ListEndpoints(include=("metadata",)))
    assert page.body.total_elements == 1
    assert page.body.content[0].metadata == {"description": "third row", "model": "BFG 9000"}
