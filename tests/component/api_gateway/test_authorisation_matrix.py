"""Every route with every kind of key: a new route is in here by being in the table.

What is expected follows from the route's declaration alone. What owners were asked is held beside each
status, for a refusal that comes after the effect is none. That real owners keep to the applications they are
told is tests/system/test_authorisation.py.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

import pytest

from libs.contracts.api_keys import Scope
from libs.contracts.errors import ForbiddenError
from libs.contracts.messages import ManagementRequest
from services.api_gateway.routes import ROUTES
from tests.component.api_gateway.conftest import Gateway
from tests.component.api_gateway.owners import ADMIN
from tests.support.api_gateway import body_of, refusal, route_id, target_of

pytestmark = pytest.mark.asyncio(loop_scope="module")

Limits: TypeAlias = tuple[str, ...] | None
Outcomes: TypeAlias = dict[str, tuple[int, list[Limits]]]
"""Of each route: the status, and the limits with which owners were asked."""

NOBODY: Mapping[str, Mapping[str, str]] = {
    "no key": {},
    "wrong key": {"Authorization": "Bearer wrong"},
    "wrong key of a Kaa client": {"x-iamcore-api-key": "wrong"},
    "empty Authorization": {"Authorization": ""},
    "scheme alone": {"Authorization": "Bearer"},
    "other scheme": {"Authorization": f"Basic {ADMIN}"},
    "key without a scheme": {"Authorization": ADMIN},
    "two keys": {"Authorization": f"Bearer {ADMIN} {ADMIN}"},
    "revoked key": {"Authorization": "Bearer revoked"},
    "expired key": {"Authorization": "Bearer expired"},
}


@dataclass(frozen=True)
class Held:
    """What a valid key may do."""

    scope: Scope
    limits: Limits = None

    def __str__(self) -> str:
        return f"{self.scope.value}-{'-'.join(self.limits or ('all',))}"


HELD = [Held(scope, limits) for scope in Scope for limits in (None, ("olives",))]
OUTSIDERS = [Held(scope, ("figs",)) for scope in Scope]


async def outcomes(gateway: Gateway, headers: Mapping[str, str]) -> Outcomes:
    """Call every route with its own example, so that nothing but the key can be wrong."""
    found = {}
    for route in ROUTES:
        gateway.owners.asked.clear()
        data, content_type = body_of(route)
        sent = {**headers, "Content-Type": content_type} if data else headers
        answer = await gateway.call(route.method, target_of(route), key=None, data=data, headers=sent)
        asked = {getattr(each, "applications", None) for each in gateway.owners.asked}
        found[route_id(route)] = (answer.status, sorted(asked, key=str))
    return found


def unexpected(found: Outcomes, held: Held, *, outside: int | None = None) -> Outcomes:
    """What the declaration of a route does not say; ``outside`` is what owners answer to this key.

    Nobody is asked by a route that the gateway answers itself.
    """
    wrong = {}
    for route in ROUTES:
        status, asked = found[route_id(route)]
        refused = refusal(route, held.scope, limited=held.limits is not None)
        managed = issubclass(route.operation.request, ManagementRequest)
        right = [] if refused or not asked else [held.limits if managed else None]
        if (status, asked) != (refused or (outside if asked else None) or route.success, right):
            wrong[route_id(route)] = (status, asked)
    return wrong


@pytest.mark.parametrize("headers", NOBODY.values(), ids=list(NOBODY))
async def test_no_route_is_open_without_a_valid_key(
    shared_gateway: Gateway, headers: Mapping[str, str]
) -> None:
    keys = shared_gateway.owners.keys
    keys.add("expired", Scope.ADMIN, expiry_date="2026-01-01T00:00:00.000Z")
    keys.add("revoked", Scope.ADMIN)
    await keys.revoke("revoked")

    assert await outcomes(shared_gateway, headers) == {route_id(route): (401, []) for route in ROUTES}


@pytest.mark.parametrize("held", HELD, ids=str)
async def test_a_key_reaches_what_its_scope_and_limits_allow_and_nothing_else(
    shared_gateway: Gateway, held: Held
) -> None:
    shared_gateway.owners.keys.add(str(held), held.scope, applications=held.limits)

    assert unexpected(await outcomes(shared_gateway, {"Authorization": f"Bearer {held}"}), held) == {}


@pytest.mark.parametrize("held", OUTSIDERS, ids=str)
async def test_a_key_limited_to_another_application_is_refused_by_whoever_owns_the_data(
    shared_gateway: Gateway, held: Held
) -> None:
    shared_gateway.owners.keys.add(str(held), held.scope, applications=held.limits)
    outside = ForbiddenError("the API key may not touch application 'olives'")
    for route in ROUTES:
        for operation in (route.operation, *route.by_instance.values()):
            shared_gateway.owners.fail(operation, outside)

    found = await outcomes(shared_gateway, {"Authorization": f"Bearer {held}"})

    assert unexpected(found, held, outside=outside.status_code) == {}
