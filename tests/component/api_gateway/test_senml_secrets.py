"""A device's secret passes the gateway on its way to its owner, and is seen nowhere else."""

import pytest

from libs.contracts import senml_credentials as contract
from libs.contracts.errors import ConflictError
from tests.component.api_gateway.conftest import Gateway

pytestmark = pytest.mark.asyncio(loop_scope="module")

TARGET = "/ccm/api/v1/senml-credentials"
SECRET = "k3Tq9ZpV1xWm7RbN5cYh2LsD8fGjA4eU"
BODY = {
    "endpointId": "tree-17",
    "dvnUuid": "3f0e1c52-7c3f-4a0e-9d3b-2b0c1a4f5e66",
    "sharedSecret": SECRET,
}


@pytest.mark.parametrize(
    ("body", "status"),
    [
        pytest.param(BODY, 201, id="created"),
        pytest.param(BODY | {"endpointId": 5}, 400, id="another field is wrong"),
        pytest.param(BODY | {"sharedSecret": [SECRET]}, 400, id="no text"),
        pytest.param({"sharedSecrets": SECRET}, 400, id="a typo"),
        pytest.param(BODY | {"sharedSecret": SECRET + "!"}, 201, id="the owner judges it"),
    ],
)
async def test_a_secret_is_in_no_answer_and_no_log(
    shared_gateway: Gateway, capsys: pytest.CaptureFixture[str], body: dict[str, object], status: int
) -> None:
    answer = await shared_gateway.call("POST", TARGET, json=body)

    logged = capsys.readouterr()
    assert answer.status == status
    assert SECRET not in answer.raw.decode() + repr(answer.headers)
    assert SECRET not in logged.out + logged.err
    assert SECRET not in repr(shared_gateway.owners.asked)


async def test_a_refusal_of_the_owner_is_told(shared_gateway: Gateway) -> None:
    shared_gateway.owners.fail(
        contract.CREATE_SENML_CREDENTIAL, ConflictError("the device has this secret already")
    )

    answer = await shared_gateway.call("POST", TARGET, json=BODY)

    assert (answer.status, answer.message) == (409, "the device has this secret already")


@pytest.mark.parametrize("query", ["", "?endpointId=", "?endpointId=a&endpointId=b"], ids=ascii)
async def test_a_list_is_of_one_endpoint(shared_gateway: Gateway, query: str) -> None:
    answer = await shared_gateway.call("GET", TARGET + query)

    assert answer.status == 400
    assert "endpointId" in answer.raw.decode()
