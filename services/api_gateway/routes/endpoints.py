"""``/epr/api/v1``: endpoints, the digital twins (reference 3.1)."""

from libs.contracts import endpoints as contract
from libs.contracts.api_keys import Scope
from services.api_gateway.routes.declaration import Link, Location, Route, Tag

_ENDPOINTS = "/epr/api/v1/endpoints"
_ENDPOINT = f"{_ENDPOINTS}/{{endpointId}}"
_VERSION = f"{_ENDPOINT}/app-version"

_TAG = Tag(
    name="Endpoints",
    description="An endpoint is the digital twin of a device: it has an id, tokens, metadata, and is at a "
    "version of an application.",
)

SORTING = (
    "`sort` is `endpointId`, `createdDate` (unless given), `appVersion`, `lastSeen` or `metadata.<key>`, "
    "with `-` in front for descending. The last two sort at most 10,000 endpoints: name an application, a "
    "version or a filter where there are more. Values of a key come as null, numbers, texts, objects, "
    "arrays, false, true; texts by code point as far as their first 256 characters, objects among "
    "themselves and arrays among themselves as equals. Endpoints without the key, or never heard, are "
    "last in both directions; equals follow each other by id. Large lists of that kind are sorted one at "
    "a time: too many at once are a 503 or 504."
)
SORTED_WITHIN_S = 15.0
"""The embedded store takes 2 to 4 s for 10,000 endpoints, and longer when others ask as well."""

_AT = {"name": "olives-v1", "registeredDate": "2026-11-21T03:32:01.500Z"}
_EXAMPLE = {"endpointId": "tree-17", "createdDate": "2026-11-21T03:32:01.500Z", "appVersion": _AT}
_IGNORED = {
    "metadataFilter": "conditions on metadata",
    "multiFilter": "several filters at once",
    "regex": "patterns in metadata conditions",
    "tenantId": "tenants",
}

ROUTES = (
    Route(
        tag=_TAG,
        method="GET",
        path=_ENDPOINTS,
        operation=contract.LIST_ENDPOINTS,
        scope=Scope.READ,
        summary="List endpoints",
        description="A page of the endpoints the API key may see; unknown names match nothing, "
        "nor does a filter that is pending. Metadata is "
        "there only with `include=metadata`, whether each is connected only with `include=connectivity`. "
        "`endpointIdPrefix` finds ids by their beginning, in the order of ids. "
        "`totalElements` counts all that match (exact up to 10,000 when "
        "filtered). Where the API key is limited to several applications and none is named, pages end within "
        "the first 10,000."
        f"\n\n{SORTING}",
        timeout_s=SORTED_WITHIN_S,
        ignored=_IGNORED,
        response_example={"content": [_EXAMPLE], "totalElements": 1},
        errors={
            400: "The request is malformed, or names more than 10,000 endpoints to be sorted by what has no "
            "index; `message` says which.",
            404: "The `applicationVersionName` cannot be the name of a version.",
            413: "The page with its metadata would be above 768 KiB; ask for fewer endpoints.",
        },
    ),
    Route(
        tag=_TAG,
        method="POST",
        path=_ENDPOINTS,
        operation=contract.CREATE_ENDPOINT,
        scope=Scope.WRITE,
        summary="Create an endpoint",
        description="Creates the endpoint and its first token, which is Inactive until the device uses it. "
        "Keep the `token`: it is told here and never again.",
        success=201,
        location=Location(path=_ENDPOINT, takes={"endpointId": "endpointId"}),
        links=(
            Link(to="putMetadataKey", parameters={"endpointId": "$response.body#/endpointId"}),
            Link(to="listSenmlCredentials", parameters={"endpointId": "$response.body#/endpointId"}),
            Link(to="createSenmlCredential", body={"endpointId": "$response.body#/endpointId"}),
        ),
        request_example={
            "appVersion": {"name": "olives-v1"},
            "endpointId": "tree-17",
            "metadata": {"description": "Third row, by the well"},
        },
        response_example={"endpointId": "tree-17", "token": "hQ8b2xXk0vT3mZ1yR7sWc4Pd", "status": "Inactive"},
        errors={
            404: "The application version, or an endpoint named in `relations`, does not exist.",
            409: "The endpoint id, or the token in this application, is taken already; or an endpoint named "
            "in `relations` has 1,000 of them.",
        },
    ),
    Route(
        tag=_TAG,
        method="GET",
        path=_ENDPOINT,
        operation=contract.GET_ENDPOINT,
        scope=Scope.READ,
        summary="Read an endpoint",
        description="One endpoint; its metadata only with `include=metadata`, whether it is connected only "
        "with `include=connectivity`.",
        response_example=_EXAMPLE
        | {
            "metadata": {"model": "BFG 9000"},
            "connectivity": {
                "connected": True,
                "active": True,
                "transport": "MQTT",
                "connectedSince": "2026-11-21T03:31:38.123Z",
                "lastSeen": "2026-11-21T04:02:11.870Z",
            },
        },
    ),
    Route(
        tag=_TAG,
        method="DELETE",
        path=_ENDPOINT,
        operation=contract.DELETE_ENDPOINT,
        scope=Scope.WRITE,
        summary="Delete an endpoint",
        description="Deletes its tokens first, so that the device is refused at once, then the rest.",
        success=204,
    ),
    Route(
        tag=_TAG,
        method="GET",
        path=_VERSION,
        operation=contract.GET_ENDPOINT_VERSION,
        scope=Scope.READ,
        summary="Read an endpoint's version",
        description="The application version the endpoint is at, and since when.",
        response_example=_AT,
    ),
    Route(
        tag=_TAG,
        method="PUT",
        path=_VERSION,
        operation=contract.PUT_ENDPOINT_VERSION,
        scope=Scope.WRITE,
        summary="Move an endpoint to another version",
        description="To another version of the same application (of another one: 400); a device that speaks "
        "with another version moves by itself.",
        request_example={"name": "olives-v1"},
        response_example=_AT,
        errors={404: "The endpoint or the application version does not exist."},
    ),
)
