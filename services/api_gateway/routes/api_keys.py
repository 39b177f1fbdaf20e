"""``/auth/api/v1``: API keys, and who am I."""

from libs.contracts import api_keys as contract
from libs.contracts.api_keys import Scope
from services.api_gateway.routes.declaration import Location, Route, Tag

_KEYS = "/auth/api/v1/api-keys"
_KEY = f"{_KEYS}/{{apiKeyId}}"

_TAG = Tag(
    name="API keys",
    description="What programs and people call this API with. A key has one scope - `read`, `write` or "
    "`admin`, each including the ones before it - may be limited to some applications, and may expire. "
    "Managing keys needs an `admin` key that is not limited.",
)

_EXAMPLE = {
    "apiKeyId": "2af4e4a9-c92b-4aa3-822d-ba71860161fc",
    "name": "irrigation planner",
    "scope": "write",
    "applications": ["olives"],
    "createdDate": "2026-11-21T04:00:00.000Z",
    "expiryDate": "2027-11-21T04:00:00.000Z",
    "revoked": False,
}

ROUTES = (
    Route(
        tag=_TAG,
        method="GET",
        path="/auth/api/v1/me",
        operation=contract.CHECK_API_KEY,
        scope=Scope.READ,
        from_caller=("key",),
        summary="Who am I",
        description="What the API key of this very call may do.",
        response_example=_EXAMPLE,
    ),
    Route(
        tag=_TAG,
        method="GET",
        path=_KEYS,
        operation=contract.LIST_API_KEYS,
        scope=Scope.ADMIN,
        summary="List API keys",
        description="A page of keys, newest first, without their values.",
        response_example={"content": [_EXAMPLE], "totalElements": 1},
    ),
    Route(
        tag=_TAG,
        method="POST",
        path=_KEYS,
        operation=contract.CREATE_API_KEY,
        scope=Scope.ADMIN,
        summary="Create an API key",
        description="Leave `applications` out for all of them and `expiryDate` out for a key that does not "
        "expire. Keep the `key`: it is told here and never again.",
        success=201,
        location=Location(path=_KEY, takes={"apiKeyId": "apiKeyId"}),
        request_example={
            "name": "irrigation planner",
            "scope": "write",
            "applications": ["olives"],
            "expiryDate": "2027-11-21T04:00:00Z",
        },
        response_example=_EXAMPLE | {"key": "grove_5tVb0c3nYkQ8hR2wLx7eJm1sPz6uTd4a"},
    ),
    Route(
        tag=_TAG,
        method="DELETE",
        path=_KEY,
        operation=contract.REVOKE_API_KEY,
        scope=Scope.ADMIN,
        summary="Revoke an API key",
        description="It is refused from now on, for good, within a second. Revoking it again is a success.",
        success=204,
        errors={409: "It is the key of GROVE_ADMIN_KEY, or concurrent changes could not be reconciled."},
    ),
)
