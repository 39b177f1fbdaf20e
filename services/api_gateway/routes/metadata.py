"""``/epr/api/v1``: metadata of endpoints (reference 3.1).

Documents pass through as the bytes they are: numbers and key order are the operator's business.
"""

from collections.abc import Mapping
from typing import Any

from libs.contracts import endpoints as contract
from libs.contracts.api_keys import Scope
from services.api_gateway.routes.declaration import Document, Link, Route, Tag

_METADATA = "/epr/api/v1/endpoints/{endpointId}/metadata"
_KEY = f"{_METADATA}/{{key}}"

_TAG = Tag(
    name="Metadata",
    description="What is known of an endpoint, written by the device and by operators: a JSON object of at "
    "most 256 KiB and 1,000 keys. Every answer has an `ETag`; send it back as `If-Match` so that nobody's "
    "change is overwritten unseen.",
)

_OBJECT: Mapping[str, Any] = {
    "type": "object",
    "description": "Keys match `^[a-zA-Z0-9_]{1,256}$`; values are any JSON.",
    "propertyNames": {"pattern": "^[a-zA-Z0-9_]{1,256}$"},
    "maxProperties": 1000,
}
_ANY: Mapping[str, Any] = {"description": 'Any JSON value, bare: `"some text"`, `12.5`, `[1, 2]`.'}
_POINTER: Mapping[str, Any] = {"type": "string", "description": "JSON Pointer: `/model`, `/position/lat`."}


def _operation(*names: str, **needs: Mapping[str, Any]) -> Mapping[str, Any]:
    """One operation of a patch; what it does not need is ignored."""
    return {
        "type": "object",
        "required": ["op", "path", *needs],
        "properties": {"op": {"enum": list(names)}, "path": _POINTER, **needs},
    }


_PATCH: Mapping[str, Any] = {
    "type": "array",
    "description": "JSON Patch, RFC 6902.",
    "items": {
        "anyOf": [
            _operation("add", "replace", "test", value={"description": "Any JSON."}),
            _operation("remove"),
            _operation("move", "copy", **{"from": _POINTER}),
        ]
    },
}
_OF_THIS = {"endpointId": "$request.path.endpointId"}
_THIS = _OF_THIS | {"key": "$request.path.key"}
_EXAMPLE = {"description": "Third row, by the well", "model": "BFG 9000"}

ROUTES = (
    Route(
        tag=_TAG,
        method="GET",
        path=_METADATA,
        operation=contract.GET_METADATA,
        scope=Scope.READ,
        summary="Read metadata",
        description="All of it, or only the keys in `include`; keys that are not there are left out.",
        links=(
            Link(to="getMetadata", parameters=_OF_THIS | {"If-None-Match": "$response.header.ETag"}),
            Link(to="putMetadata", parameters=_OF_THIS | {"If-Match": "$response.header.ETag"}),
            Link(to="patchMetadata", parameters=_OF_THIS | {"If-Match": "$response.header.ETag"}),
        ),
        answer=_OBJECT,
        response_example=_EXAMPLE,
    ),
    Route(
        tag=_TAG,
        method="PUT",
        path=_METADATA,
        operation=contract.PUT_METADATA,
        scope=Scope.WRITE,
        summary="Replace metadata",
        description="Keys that are not in the body are gone afterwards.",
        success=204,
        document=Document(schema=_OBJECT, kind=dict),
        request_example=_EXAMPLE,
    ),
    Route(
        tag=_TAG,
        method="PATCH",
        path=_METADATA,
        operation=contract.PATCH_METADATA,
        scope=Scope.WRITE,
        summary="Patch metadata",
        description="Applies a JSON Patch, all of it or nothing. The Content-Type must be "
        "`application/json-patch+json`.",
        success=204,
        document=Document(schema=_PATCH, kind=list, media_type="application/json-patch+json"),
        request_example=[{"op": "replace", "path": "/model", "value": "BFG 9000"}],
        errors={422: "The patch is well formed and cannot be applied to this metadata."},
    ),
    Route(
        tag=_TAG,
        method="GET",
        path=_KEY,
        operation=contract.GET_METADATA_KEY,
        scope=Scope.READ,
        summary="Read a metadata key",
        description="The bare value, as JSON. The entity tag is that of all metadata.",
        answer=_ANY,
        response_example="BFG 9000",
        errors={404: "The endpoint, or this key of it, does not exist."},
    ),
    Route(
        tag=_TAG,
        method="PUT",
        path=_KEY,
        operation=contract.PUT_METADATA_KEY,
        scope=Scope.WRITE,
        summary="Set a metadata key",
        description="The body is the bare JSON value, quotes included when it is text.",
        success=204,
        links=(
            Link(to="getMetadataKey", parameters=_THIS),
            Link(to="deleteMetadataKey", parameters=_THIS),
        ),
        document=Document(schema=_ANY),
        request_example="BFG 9000",
    ),
    Route(
        tag=_TAG,
        method="DELETE",
        path=_KEY,
        operation=contract.DELETE_METADATA_KEY,
        scope=Scope.WRITE,
        summary="Delete a metadata key",
        description="Removes one key and its value.",
        success=204,
        errors={404: "The endpoint, or this key of it, does not exist."},
    ),
    Route(
        tag=_TAG,
        method="GET",
        path="/epr/api/v1/endpoints/{endpointId}/metadata-keys",
        operation=contract.LIST_METADATA_KEYS,
        scope=Scope.READ,
        summary="List an endpoint's metadata keys",
        description="The names alone, sorted.",
        response_example=["description", "model"],
    ),
    Route(
        tag=_TAG,
        method="GET",
        path="/epr/api/v1/applications/{applicationName}/metadata-keys",
        operation=contract.APPLICATION_METADATA_KEYS,
        scope=Scope.READ,
        summary="List an application's metadata keys",
        description="Names in use by any endpoint, by application version.",
        response_example={"olives-v1": ["description", "model"]},
    ),
)
