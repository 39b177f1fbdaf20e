"""``/audit/api/v1``: who changed what."""

from libs.contracts import audit as contract
from libs.contracts.api_keys import Scope
from services.api_gateway.routes.declaration import Route, Tag

_TAG = Tag(
    name="Audit",
    description="Every call that changes something is written down before it is carried out, and again with "
    "its outcome; one that cannot be written down is refused with 503. Calls refused because the API key "
    "lacks the scope are kept too, up to one a second for each key. Calls without a valid key and "
    "malformed ones change nothing and are not here. A record has names and ids, never bodies, tokens or "
    "keys. A call about many endpoints is one record.",
)

_EXAMPLE = {
    "recordId": "019aa4d3c6126f3a9c01d2e4b577",
    "time": "2026-11-21T03:31:38.770Z",
    "apiKeyId": "2af4e4a9-c92b-4aa3-822d-ba71860161fc",
    "apiKeyName": "irrigation planner",
    "operation": "setTokenStatus",
    "method": "PUT",
    "path": "/cm/api/v1/endpoints/{endpointId}/tokens/{tokenId}/status",
    "parameters": {"endpointId": "tree-17", "tokenId": "9c8836ca-505f-4fcb-aeaa-d39e13b6a3f1"},
    "applicationName": "olives",
    "endpointId": "tree-17",
    "correlationId": "8f14e45fceea167a",
    "remoteAddress": "192.0.2.7",
    "outcome": "succeeded",
    "statusCode": 204,
}

ROUTES = (
    Route(
        tag=_TAG,
        method="GET",
        path="/audit/api/v1/records",
        operation=contract.LIST_AUDIT_RECORDS,
        scope=Scope.ADMIN,
        summary="List what was changed",
        description="Records of changes, the newest first; the latest is here about a second after its "
        "answer. Send `next` of a page as `cursor` for the one that follows: without `next` there is none. A "
        "page may have fewer records than `limit`, even none, and still have a `next`.\n\n"
        "A key that is limited to applications sees only what is known to have been done to those.",
        response_example={"content": [_EXAMPLE], "next": "019aa4d3c6126f3a9c01d2e4b577"},
    ),
)
