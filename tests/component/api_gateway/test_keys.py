"""Which keys are let in."""

import pytest

from tests.component.api_gateway.conftest import Gateway
from tests.component.api_gateway.owners import ADMIN

pytestmark = pytest.mark.asyncio(loop_scope="module")

APPLICATIONS = "/tekton/api/v1/applications"


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({"Authorization": f"Bearer {ADMIN}"}, id="bearer"),
        pytest.param({"Authorization": f"bearer {ADMIN}"}, id="lower case"),
        pytest.param({"Authorization": f"BEARER   {ADMIN} "}, id="upper case and spaces"),
        pytest.param({"x-iamcore-api-key": ADMIN}, id="iamcore"),
        pytest.param({"X-IAMCORE-API-KEY": ADMIN}, id="iamcore upper case"),
        pytest.param({"Authorization": f"Bearer {ADMIN}", "x-iamcore-api-key": "no"}, id="bearer wins"),
    ],
)
async def test_a_key_is_accepted(shared_gateway: Gateway, headers: dict[str, str]) -> None:
    answer = await shared_gateway.call("GET", APPLICATIONS, key=None, headers=headers)

    assert answer.status == 200


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({}, id="none"),
        pytest.param({"Authorization": "Bearer wrong"}, id="unknown"),
        pytest.param({"Authorization": "Bearer"}, id="no key"),
        pytest.param({"Authorization": f"Basic {ADMIN}"}, id="other scheme"),
        pytest.param({"Authorization": f"Bearer {ADMIN} x"}, id="two words"),
        pytest.param({"Authorization": f"Bearer {ADMIN[:-1]}"}, id="a character short"),
        pytest.param({"Authorization": "Bearer " + "x" * 4000}, id="very long"),
        pytest.param({"Authorization": "Bearer öl"}, id="not ASCII"),
        pytest.param({"x-iamcore-api-key": "wrong"}, id="iamcore unknown"),
        pytest.param({"x-iamcore-api-key": ""}, id="iamcore empty"),
    ],
)
async def test_a_request_without_a_valid_key_is_401(shared_gateway: Gateway, headers: dict[str, str]) -> None:
    answer = await shared_gateway.call("GET", APPLICATIONS, key=None, headers=headers)

    assert answer.status == 401
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    assert "API key" in answer.message
    assert not shared_gateway.owners.asked
