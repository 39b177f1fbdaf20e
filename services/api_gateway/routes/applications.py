"""``/tekton/api/v1/applications``: applications and their versions (reference 3.7)."""

from libs.contracts import applications as contract
from libs.contracts.api_keys import Scope
from services.api_gateway.routes.declaration import Link, Location, Route, Tag

_APPLICATIONS = "/tekton/api/v1/applications"
_APPLICATION = f"{_APPLICATIONS}/{{applicationName}}"
_VERSIONS = f"{_APPLICATION}/app-versions"
_VERSION = f"{_VERSIONS}/{{versionName}}"

_TAG = Tag(
    name="Applications",
    description="An application is a kind of thing; its versions say what a generation of it can do. "
    "Endpoints belong to a version. Names never change, display names are free.",
)
_VERSION_EXAMPLE = {
    "name": "olives-v1",
    "displayName": "First planting",
    "description": "",
    "createdDate": "2026-11-21T03:31:39.002Z",
    "updatedDate": "2026-11-21T03:31:39.002Z",
}
_EXAMPLE = {
    "name": "olives",
    "displayName": "Olive grove",
    "description": "Trees and the valves that water them",
    "createdDate": "2026-11-21T03:31:38.123Z",
    "updatedDate": "2026-11-21T03:31:38.123Z",
    "versions": [_VERSION_EXAMPLE],
}
_SHOWN = {"displayName": "Olive grove", "description": "Trees and the valves that water them"}
_SHOWN_VERSION = {"displayName": "First planting", "description": ""}
_NAME_TAKEN = "The name is taken already."

ROUTES = (
    Route(
        tag=_TAG,
        method="GET",
        path=_APPLICATIONS,
        operation=contract.LIST_APPLICATIONS,
        scope=Scope.READ,
        summary="List applications",
        description="All applications the API key may see, with their versions, oldest first. "
        "The answer is a plain array, not a page.",
        response_example=[_EXAMPLE],
    ),
    Route(
        tag=_TAG,
        method="POST",
        path=_APPLICATIONS,
        operation=contract.CREATE_APPLICATION,
        scope=Scope.WRITE,
        summary="Create an application",
        description="The name may hold `a-z 0-9 _ -` and never changes. Leave it out to have one generated "
        "(20 characters).",
        success=201,
        location=Location(path=_APPLICATION, takes={"applicationName": "name"}),
        links=(Link(to="listEndpoints", parameters={"applicationName": "$response.body#/name"}),),
        request_example={"name": "olives", **_SHOWN},
        response_example=_EXAMPLE | {"versions": []},
        errors={409: _NAME_TAKEN},
    ),
    Route(
        tag=_TAG,
        method="GET",
        path=_APPLICATION,
        operation=contract.GET_APPLICATION,
        scope=Scope.READ,
        summary="Read an application",
        description="The application with its versions.",
        response_example=_EXAMPLE,
    ),
    Route(
        tag=_TAG,
        method="PATCH",
        path=_APPLICATION,
        operation=contract.UPDATE_APPLICATION,
        scope=Scope.WRITE,
        summary="Change an application",
        description="Changes what people see; fields that are left out stay as they are.",
        request_example=_SHOWN,
        response_example=_EXAMPLE,
    ),
    Route(
        tag=_TAG,
        method="DELETE",
        path=_APPLICATION,
        operation=contract.DELETE_APPLICATION,
        scope=Scope.WRITE,
        summary="Delete an application",
        description="Removes the application, its versions and their configuration. While it has endpoints "
        "this is a 409, unless `force=true`: then they and their tokens are deleted first.",
        success=204,
        errors={409: "It has endpoints and `force` is not set."},
        timeout_s=55.0,
    ),
    Route(
        tag=_TAG,
        method="GET",
        path=_VERSIONS,
        operation=contract.LIST_VERSIONS,
        scope=Scope.READ,
        summary="List versions",
        description="All versions of an application, oldest first, as a plain array.",
        response_example=[_VERSION_EXAMPLE],
    ),
    Route(
        tag=_TAG,
        method="POST",
        path=_VERSIONS,
        operation=contract.CREATE_VERSION,
        scope=Scope.WRITE,
        summary="Create a version",
        description="The name of the version is `<application>-<nameSuffix>`; the suffix may hold `a-z 0-9`. "
        "An application has at most 100 versions, a description at most 1,024 bytes in UTF-8.",
        success=201,
        location=Location(path=_VERSION, takes={"versionName": "name"}),
        links=(
            Link(to="createEndpoint", body={"appVersion": {"name": "$response.body#/name"}}),
            Link(to="listEndpoints", parameters={"applicationVersionName": "$response.body#/name"}),
            Link(to="writeData", parameters={"appVersion": "$response.body#/name"}),
        ),
        request_example={"nameSuffix": "v1", **_SHOWN_VERSION},
        response_example=_VERSION_EXAMPLE,
        errors={409: "The name is taken already, or the application has 100 versions."},
    ),
    Route(
        tag=_TAG,
        method="GET",
        path=_VERSION,
        operation=contract.GET_VERSION,
        scope=Scope.READ,
        summary="Read a version",
        description="One version of an application.",
        response_example=_VERSION_EXAMPLE,
    ),
    Route(
        tag=_TAG,
        method="PATCH",
        path=_VERSION,
        operation=contract.UPDATE_VERSION,
        scope=Scope.WRITE,
        summary="Change a version",
        description="Changes what people see; fields that are left out stay as they are.",
        request_example=_SHOWN_VERSION,
        response_example=_VERSION_EXAMPLE,
    ),
    Route(
        tag=_TAG,
        method="DELETE",
        path=_VERSION,
        operation=contract.DELETE_VERSION,
        scope=Scope.WRITE,
        summary="Delete a version",
        description="Removes a version that no endpoint is at.",
        success=204,
        errors={409: "There are endpoints at this version."},
    ),
)
