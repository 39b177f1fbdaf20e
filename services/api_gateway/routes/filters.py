"""``/epr/api/v1``: endpoint filters (reference 3.1)."""

from libs.contracts import filters as contract
from libs.contracts.api_keys import Scope
from services.api_gateway.routes.declaration import Location, Route, Tag

_FILTERS = "/epr/api/v1/applications/{applicationName}/filters"
_FILTER = f"{_FILTERS}/{{filterId}}"

_TAG = Tag(
    name="Endpoint filters",
    description="A filter groups the endpoints of an application by what they hold. It is `pending` until "
    "the endpoints there are have been judged, then `active`; from then on each endpoint is judged with "
    "every change of its own, and what comes to match or ceases to is told as an event.\n\n"
    "`mongoQuery` is a safe subset of MongoDB's query syntax, as JSON text: fields `endpointId`, "
    "`createdDate`, `appVersion.name`, `appVersion.registeredDate`, `metadataUpdatedDate` and "
    "`metadata.<path>`; `$eq`, `$ne`, `$gt`, `$gte`, `$lt`, `$lte`, `$in`, `$nin`, `$exists`, `$not`, "
    "`$and`, `$or`, `$nor`. Any other operator is a 400 that names it. A query has at most 8 KiB, 64 "
    "conditions and 8 levels, a list 256 values; of arrays in metadata the first 256 elements are "
    "looked at, and the order of an object's members does not matter. "
    "Dates are compared as the text they are shown as.",
)

_QUERY = '{"metadata.model":"BFG 9000","metadata.firmware":{"$lt":7}}'
_EXAMPLE = {
    "id": "5f2c9e0b7a41d836",
    "name": "Old models",
    "description": "To be updated before the harvest",
    "mongoQuery": _QUERY,
    "status": "active",
    "matchedEndpointsCount": 12,
    "createdDate": "2026-11-26T03:32:01.500Z",
    "updatedDate": "2026-11-26T03:32:01.500Z",
}

ROUTES = (
    Route(
        tag=_TAG,
        method="GET",
        path=_FILTERS,
        operation=contract.LIST_FILTERS,
        scope=Scope.READ,
        summary="List filters",
        description="A page of an application's filters, oldest first. The endpoints that match each are "
        "counted now, which takes the longer the more they are.",
        response_example={"content": [_EXAMPLE], "totalElements": 1},
    ),
    Route(
        tag=_TAG,
        method="POST",
        path=_FILTERS,
        operation=contract.CREATE_FILTER,
        scope=Scope.WRITE,
        summary="Create a filter",
        description="The filter is pending at first. An application has at most 100, with 1,000 conditions.",
        success=201,
        location=Location(path=_FILTER, takes={"filterId": "id"}),
        request_example={"name": "Old models", "mongoQuery": _QUERY},
        response_example=_EXAMPLE | {"status": "pending", "matchedEndpointsCount": 0},
        errors={409: "The application has a filter of this name, 100 filters, or 1,000 conditions in them."},
    ),
    Route(
        tag=_TAG,
        method="GET",
        path=_FILTER,
        operation=contract.GET_FILTER,
        scope=Scope.READ,
        summary="Read a filter",
        description="One filter, and how many endpoints match it; its ETag is for If-Match.",
        response_example=_EXAMPLE,
    ),
    Route(
        tag=_TAG,
        method="PATCH",
        path=_FILTER,
        operation=contract.UPDATE_FILTER,
        scope=Scope.WRITE,
        summary="Change a filter",
        description="Changes the fields that are given. With another query the filter is pending again.",
        request_example={"description": "Updated"},
        response_example=_EXAMPLE | {"description": "Updated"},
        errors={409: "The application has a filter of this name, or 1,000 conditions in its filters."},
    ),
    Route(
        tag=_TAG,
        method="DELETE",
        path=_FILTER,
        operation=contract.DELETE_FILTER,
        scope=Scope.WRITE,
        summary="Delete a filter",
        description="It is gone at once; each endpoint that matched it tells so as an event.",
        success=204,
    ),
)
