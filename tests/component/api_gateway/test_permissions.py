"""Every route with every kind of key: a new route is in here by being in the table."""

import pytest

from libs.contracts.api_keys import Scope, allows
from libs.contracts.errors import ForbiddenError
from services.api_gateway.routes import ROUTES, Route
from tests.component.api_gateway.conftest import Gateway
from tests.support.api_gateway import body_of, route_id, target_of

pytestmark = pytest.mark.asyncio(loop_scope="module")

Expected = dict[str, int]


async def _statuses(gateway: Gateway, key: str | None) -> Expected:
    found = {}
    for route in ROUTES:
        data, content_type = body_of(route)
        headers = {"Content-Type": content_type} if data else {}
        answer = await gateway.call(route.method, target_of(route), key=key, data=data, headers=headers)
        found[route_id(route)] = answer.status
    return found


def _expected(scope: Scope, *, limited: bool = False) -> Expected:
    def status(route: Route) -> int:
        allowed = allows(scope, route.scope) and not (limited and route.whole)
        return route.success if allowed else 403

    return {route_id(route): status(route) for route in ROUTES}


@pytest.mark.parametrize("scope", list(Scope), ids=lambda scope: scope.value)
@pytest.mark.parametrize("limited", [False, True], ids=["all applications", "limited"])
async def test_a_key_may_call_what_its_scope_allows(
    shared_gateway: Gateway, scope: Scope, *, limited: bool
) -> None:
    key = f"{scope.value}, limited: {limited}".replace(" ", "-")
    shared_gateway.owners.keys.add(key, scope, applications=("olives",) if limited else None)

    assert await _statuses(shared_gateway, key) == _expected(scope, limited=limited)


@pytest.mark.parametrize(
    "key", [None, "wrong", "revoked", "expired"], ids=["no key", "wrong", "revoked", "expired"]
)
async def test_no_route_is_open_to_a_caller_without_a_valid_key(
    shared_gateway: Gateway, key: str | None
) -> None:
    shared_gateway.owners.keys.add("revoked", Scope.ADMIN)
    shared_gateway.owners.keys.add("expired", Scope.ADMIN, expiry_date="2026-01-01T00:00:00.000Z")
    await shared_gateway.owners.keys.revoke("revoked")

    statuses = await _statuses(shared_gateway, key)

    assert statuses == {route_id(route): 401 for route in ROUTES}
    assert not shared_gateway.owners.asked


async def test_a_key_limited_to_another_application_is_refused_by_the_owner(shared_gateway: Gateway) -> None:
    shared_gateway.owners.keys.add("figs-only", Scope.ADMIN, applications=("figs",))
    outside = ForbiddenError("the API key is limited to other applications than olives")
    for route in ROUTES:
        if not route.from_caller and not route.live:
            shared_gateway.owners.fail(route.operation, outside)

    statuses = await _statuses(shared_gateway, "figs-only")

    # "Who am I" is for everybody, and of events a limited key is told its own.
    assert statuses == {route_id(route): 200 if route.from_caller or route.live else 403 for route in ROUTES}
    assert all(each.applications == ("figs",) for each in shared_gateway.owners.asked)


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
