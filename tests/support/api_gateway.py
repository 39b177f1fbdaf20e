"""Calls made from the gateway's route table: the example of every route, as a client would send it."""

import json

from libs.contracts.api_keys import Scope, allows
from services.api_gateway.curl import example_target
from services.api_gateway.openapi import openapi
from services.api_gateway.routes import ROUTES, Route

_PATHS = openapi(ROUTES)["paths"]


def route_id(route: Route) -> str:
    """Name a route in test output."""
    return f"{route.method} {route.path}"


def target_of(route: Route) -> str:
    """Path and query with the example values."""
    return example_target(route.path, _PATHS[route.path][route.method.lower()])


def body_of(route: Route) -> tuple[bytes | None, str]:
    """The example body and its Content-Type; None when the route takes none."""
    if not route.has_body:
        return None, ""
    media_type = route.document.media_type if route.document else "application/json"
    if route.table is not None:
        return route.request_example.encode(), media_type
    return json.dumps(route.request_example).encode(), media_type


def refusal(route: Route, scope: Scope, *, limited: bool) -> int | None:
    """The status with which a valid key is turned away by the route's declaration; None = it is not.

    A key that is ``limited`` to the very application the call is about may do what concerns one alone.
    """
    allowed = allows(scope, route.scope) and not (limited and route.whole)
    return None if allowed else 403
