"""The Postman collection, sent to the transport; real owners answer it in the system tests."""

import json
from pathlib import Path

import pytest

from tests.component.http_transport.conftest import Transport
from tests.support.owners import VERSION
from tests.support.postman import run_collection

COLLECTION = Path(__file__).parents[3] / "docs" / "kp1.postman_collection.json"


async def test_every_request_of_the_collection_is_kp1(transport: Transport) -> None:
    token = transport.owners.new_token()

    results = await run_collection(
        COLLECTION, baseUrl=f"http://127.0.0.1:{transport.port}", appVersion=VERSION, token=token
    )

    assert [result.status for result in results] == [200] * 8
    assert [request.resource_path for request in transport.owners.received] == [
        "/get",
        "/update/keys",
        "/get",
        "/get/keys",
        "/delete/keys",
        "/update",
    ]
    assert [result.failures for result in results[-2:]] == [[], []]


async def test_a_check_that_does_not_hold_is_told(transport: Transport, tmp_path: Path) -> None:
    collection = json.loads(COLLECTION.read_text())
    collection["item"] = collection["item"][:1]
    collection["item"][0]["event"][0]["script"]["exec"] = ["pm.response.to.have.status(418)"]
    path = tmp_path / "collection.json"
    path.write_text(json.dumps(collection))

    (result,) = await run_collection(
        path, baseUrl=f"http://127.0.0.1:{transport.port}", appVersion=VERSION, token="unknown"
    )

    assert (result.status, result.failures) == (401, ["pm.response.to.have.status(418)"])


async def test_a_variable_without_value_is_an_error(transport: Transport) -> None:
    with pytest.raises(ValueError, match="appVersion"):
        await run_collection(COLLECTION, baseUrl=f"http://127.0.0.1:{transport.port}")
