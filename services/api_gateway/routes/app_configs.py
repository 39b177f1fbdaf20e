"""``/tekton/api/v1/app-configs``: configuration of applications and versions (reference 3.7)."""

from libs.contracts import applications as contract
from libs.contracts import time_series
from libs.contracts.api_keys import Scope
from services.api_gateway.routes.declaration import Route, Tag

_ALL = "/tekton/api/v1/app-configs"
_CONFIG = f"{_ALL}/applications/{{applicationName}}"
_CONFIG_OF_VERSION = f"{_CONFIG}/app-versions/{{versionName}}"

TAG = Tag(
    name="Application configuration",
    description="What the services do for an application, or for one version of it: a document for each "
    "service instance, in Kaa's envelope.",
)

_KEYS = {"metadata-keys": {"model": {"write-enabled": True}, "mac": {"write-enabled": False}}}
_EXAMPLE = {"epmx": {"kaa": {"applications": {"olives": _KEYS}}}}
_VERSION_EXAMPLE = {"epmx": {"kaa": {"applications": {"olives": {"versions": {"olives-v1": _KEYS}}}}}}
_ALL_EXAMPLE = {"epmx": {"kaa": {"applications": {"olives": _KEYS | {"versions": {"olives-v1": _KEYS}}}}}}
_CHANGE = {"metadata-keys": {"model": {"write-enabled": True}, "location": None}}
_PATCH_EXAMPLE = {"epmx": {"kaa": {"applications": {"olives": _CHANGE}}}}
_VERSION_PATCH_EXAMPLE = {"epmx": {"kaa": {"applications": {"olives": {"versions": {"olives-v1": _CHANGE}}}}}}

_ELSEWHERE = ("epts", "dcx")
_READ_ELSEWHERE = dict.fromkeys(_ELSEWHERE, time_series.GET_SERIES_CONFIG)
_WRITTEN_ELSEWHERE = dict.fromkeys(_ELSEWHERE, time_series.PUT_SERIES_CONFIG)
_PATCHED_ELSEWHERE = dict.fromkeys(_ELSEWHERE, time_series.PATCH_SERIES_CONFIG)

_PATCH_TEXT = (
    "A JSON Merge Patch (RFC 7396) of the document, in the same envelope as for PUT: a null removes, "
    "objects are merged, anything else replaces, arrays as a whole. What comes of it is checked as a PUT "
    "is. The answer is the whole document. `application/merge-patch+json` is taken as well."
)

ROUTES = (
    Route(
        tag=TAG,
        method="GET",
        path=_ALL,
        operation=contract.LIST_APP_CONFIGS,
        by_instance=dict.fromkeys(_ELSEWHERE, time_series.LIST_SERIES_CONFIGS),
        scope=Scope.READ,
        summary="Read all configurations",
        description="What one service instance does for every application the API key may see, and for "
        "their versions, in one envelope. Applications for which nothing was ever configured are left out.",
        response_example=_ALL_EXAMPLE,
        errors={413: "They have more than 512 KiB together; read them application by application."},
    ),
    Route(
        tag=TAG,
        method="POST",
        path=_ALL,
        operation=contract.PUT_APP_CONFIGS,
        by_instance=dict.fromkeys(_ELSEWHERE, time_series.PUT_SERIES_CONFIGS),
        scope=Scope.WRITE,
        summary="Replace several configurations",
        description="Documents of several applications and versions in one envelope, at most 200. An "
        "application that names `versions` and nothing else keeps what is configured for itself; what the "
        "body does not name stays as it is. The answer names what was written.\n\n"
        "Everything is checked before anything is written, so a 400, 403, 404 or 413 has changed nothing. "
        "Then one is written after the other, in the order of the body. Where the store fails in "
        "between, what came before is written and holds; the message of the error says how far it came, "
        "and the same request again completes it.",
        request_example=_ALL_EXAMPLE,
        response_example={
            "written": [
                {"applicationName": "olives", "versionName": None},
                {"applicationName": "olives", "versionName": "olives-v1"},
            ],
        },
        errors={
            404: "An application or a version in the body does not exist.",
            413: "The body has more than 768 KiB or 200 documents, or a document more than 256 KiB.",
        },
        timeout_s=30.0,
    ),
    Route(
        tag=TAG,
        method="GET",
        path=_CONFIG,
        operation=contract.GET_APP_CONFIG,
        by_instance=_READ_ELSEWHERE,
        scope=Scope.READ,
        fixed=("version_name",),
        summary="Read an application's configuration",
        description="What one service instance does for the application.",
        response_example=_EXAMPLE,
    ),
    Route(
        tag=TAG,
        method="PUT",
        path=_CONFIG,
        operation=contract.PUT_APP_CONFIG,
        by_instance=_WRITTEN_ELSEWHERE,
        scope=Scope.WRITE,
        fixed=("version_name",),
        summary="Replace an application's configuration",
        description="`epmx` takes `metadata-keys`: the keys devices may read, and which of them they may "
        "write. `kpc` takes `allowed-extension-instances`, an array of `epmx`, `dcx`, ... Without them "
        "everything is allowed. `epts` takes `time-series`, what is read out of samples; `dcx` `message-id` "
        "and `retention`. The change is felt without a restart.",
        request_example=_EXAMPLE,
        response_example=_EXAMPLE,
    ),
    Route(
        tag=TAG,
        method="PATCH",
        path=_CONFIG,
        operation=contract.PATCH_APP_CONFIG,
        by_instance=_PATCHED_ELSEWHERE,
        scope=Scope.WRITE,
        fixed=("version_name",),
        summary="Change an application's configuration",
        description=_PATCH_TEXT,
        request_example=_PATCH_EXAMPLE,
        response_example=_EXAMPLE,
    ),
    Route(
        tag=TAG,
        method="GET",
        path=_CONFIG_OF_VERSION,
        operation=contract.GET_APP_CONFIG,
        by_instance=_READ_ELSEWHERE,
        scope=Scope.READ,
        summary="Read a version's configuration",
        description="What one service instance does for this version; it wins over the application's.",
        response_example=_VERSION_EXAMPLE,
    ),
    Route(
        tag=TAG,
        method="PUT",
        path=_CONFIG_OF_VERSION,
        operation=contract.PUT_APP_CONFIG,
        by_instance=_WRITTEN_ELSEWHERE,
        scope=Scope.WRITE,
        summary="Replace a version's configuration",
        description="As for the application, for one version of it alone.",
        request_example=_VERSION_EXAMPLE,
        response_example=_VERSION_EXAMPLE,
    ),
    Route(
        tag=TAG,
        method="PATCH",
        path=_CONFIG_OF_VERSION,
        operation=contract.PATCH_APP_CONFIG,
        by_instance=_PATCHED_ELSEWHERE,
        scope=Scope.WRITE,
        summary="Change a version's configuration",
        description=_PATCH_TEXT,
        request_example=_VERSION_PATCH_EXAMPLE,
        response_example=_VERSION_EXAMPLE,
    ),
)
