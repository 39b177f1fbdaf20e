"""``/cm/api/v1``: endpoint tokens and their states (reference 3.2)."""

from libs.contracts import credentials as contract
from libs.contracts.api_keys import Scope
from services.api_gateway.routes.declaration import Link, Location, Route, Tag

_TOKENS = "/cm/api/v1/endpoints/{endpointId}/tokens"
_TOKEN = f"{_TOKENS}/{{tokenId}}"

_TAG = Tag(
    name="Endpoint tokens",
    description="What a device proves its identity with. A token is Inactive until first used, then Active; "
    "it can be Suspended and made Active again, or Revoked for good. An endpoint may have several, so that "
    "they can be rotated without a gap. Changes are felt within a second.",
)

_OF_THIS = {"endpointId": "$request.path.endpointId"}
_NEWEST = _OF_THIS | {"tokenId": "$response.body#/content/0/endpointTokenId"}
_ID = "9c8836ca-505f-4fcb-aeaa-d39e13b6a3f1"

ROUTES = (
    Route(
        tag=_TAG,
        method="GET",
        path=_TOKENS,
        operation=contract.LIST_TOKENS,
        scope=Scope.READ,
        summary="List tokens",
        description="A page of an endpoint's tokens, newest first, without their values.",
        links=(
            Link(
                to="createToken",
                parameters=_OF_THIS,
                body={"applicationName": "$response.body#/content/0/applicationName"},
            ),
            Link(to="setTokenStatus", parameters=_NEWEST),
            Link(to="deleteToken", parameters=_NEWEST),
        ),
        response_example={
            "content": [
                {
                    "endpointTokenId": _ID,
                    "status": "Active",
                    "createdDate": "2026-11-21T03:32:01.498Z",
                    "applicationName": "olives",
                    "updateDate": "2026-11-21T03:40:12.077Z",
                }
            ],
            "totalElements": 1,
        },
    ),
    Route(
        tag=_TAG,
        method="POST",
        path=_TOKENS,
        operation=contract.CREATE_TOKEN,
        scope=Scope.WRITE,
        summary="Create a token",
        description="One more token for the endpoint; older ones stay valid. Leave `token` out to have 24 "
        "random characters generated. Keep the value: it is told here and never again.",
        success=201,
        location=Location(path=_TOKEN, takes={"tokenId": "endpointTokenId"}),
        request_example={"applicationName": "olives"},
        response_example={
            "endpointTokenId": _ID,
            "token": "hQ8b2xXk0vT3mZ1yR7sWc4Pd",
            "createdDate": "2026-11-21T03:32:01.498Z",
            "applicationName": "olives",
            "status": "Inactive",
        },
        errors={409: "The token is taken already in this application, or the endpoint has too many."},
    ),
    Route(
        tag=_TAG,
        method="PUT",
        path=f"{_TOKEN}/status",
        operation=contract.SET_TOKEN_STATUS,
        scope=Scope.WRITE,
        summary="Suspend, reactivate or revoke a token",
        description="Active <-> Suspended; Revoked from any state, for good. The state it already has is a "
        "success that changes nothing.",
        success=204,
        request_example={"status": "Suspended"},
        errors={409: "There is no such step from the state it is in; the message names both."},
    ),
    Route(
        tag=_TAG,
        method="DELETE",
        path=_TOKEN,
        operation=contract.DELETE_TOKEN,
        scope=Scope.WRITE,
        summary="Delete a token",
        description="Forgets the token; a device that still uses it is refused.",
        success=204,
    ),
)
