"""What a caller without permission is told, and when; who may what is test_authorisation_matrix.py."""

import pytest

from libs.contracts.api_keys import Scope
from tests.component.api_gateway.conftest import Gateway

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_a_refusal_names_the_scope_that_is_needed(shared_gateway: Gateway) -> None:
    shared_gateway.owners.keys.add("reader", Scope.READ)
    shared_gateway.owners.keys.add("limited-admin", Scope.ADMIN, applications=("olives",))

    writing = await shared_gateway.call("POST", "/tekton/api/v1/applications", key="reader", json={})
    managing = await shared_gateway.call("GET", "/auth/api/v1/api-keys", key="limited-admin")

    assert writing.message == "this needs the scope write, the API key has read"
    assert 'error="insufficient_scope"' in writing.headers["WWW-Authenticate"]
    assert "for all applications" in managing.message


async def test_permission_is_decided_before_the_body_is_read(shared_gateway: Gateway) -> None:
    shared_gateway.owners.keys.add("reader", Scope.READ)

    answer = await shared_gateway.call("POST", "/tekton/api/v1/applications", key="reader", data=b"{not json")

    assert answer.status == 403
