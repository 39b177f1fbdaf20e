"""``/epr/api/v1``: which endpoint contains which (reference 3.1)."""

from libs.contracts import relations as contract
from libs.contracts.api_keys import Scope
from services.api_gateway.routes.declaration import Route, Tag

_RELATIONS = "/epr/api/v1/relations"

_TAG = Tag(
    name="Relations",
    description="One endpoint may contain others, as a gateway or a building does. A relation goes with "
    "either of its ends; an endpoint has at most 1,000.",
)

_EXAMPLE = {"type": "contains", "from": "orchard-3", "to": "tree-17"}
_MISSING = "One of the endpoints does not exist."

ROUTES = (
    Route(
        tag=_TAG,
        method="GET",
        path="/epr/api/v1/endpoints/{endpointId}/relations",
        operation=contract.LIST_RELATIONS,
        scope=Scope.READ,
        summary="List an endpoint's relations",
        description="The relations in which the endpoint contains another or is contained; those to "
        "applications that the API key may not see are left out.",
        response_example={"content": [_EXAMPLE], "totalElements": 1},
    ),
    Route(
        tag=_TAG,
        method="PUT",
        path=f"{_RELATIONS}/link",
        operation=contract.LINK_ENDPOINTS,
        scope=Scope.WRITE,
        summary="Relate two endpoints",
        description="`from` contains `to`; the same again changes nothing. The API key must reach the "
        "applications of both.",
        success=204,
        request_example=_EXAMPLE,
        errors={404: _MISSING, 409: "One of the endpoints has 1,000 relations already."},
    ),
    Route(
        tag=_TAG,
        method="PUT",
        path=f"{_RELATIONS}/unlink",
        operation=contract.UNLINK_ENDPOINTS,
        scope=Scope.WRITE,
        summary="End a relation",
        description="It is no error when there was none.",
        success=204,
        request_example=_EXAMPLE,
        errors={404: _MISSING},
    ),
)
