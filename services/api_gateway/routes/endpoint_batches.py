"""``/epr/api/v1/endpoints``: many endpoints at once (reference 3.1, since Kaa 1.4)."""

from libs.contracts import endpoint_batches as contract
from libs.contracts.api_keys import Scope
from services.api_gateway.routes.declaration import Route, Tag
from services.api_gateway.routes.endpoints import SORTED_WITHIN_S, SORTING

_ENDPOINTS = "/epr/api/v1/endpoints"

_TAG = Tag(
    name="Many endpoints",
    description="Create, find and delete up to 1,000 endpoints with one call.",
)

_TASK = "7f2b9c41d08e35aa"
_DELETING_S = 40.0
"""Removals begin within 20 s; the last of them may take 15 s more."""

ROUTES = (
    Route(
        tag=_TAG,
        method="POST",
        path=f"{_ENDPOINTS}/batch",
        operation=contract.CREATE_BATCH,
        scope=Scope.WRITE,
        summary="Create many endpoints",
        description="Accepts 1 to 1,000 endpoints and answers with the task that creates them, each as a "
        "single one is created; `GET /endpoints/batch/status` tells how far it is. The task goes on "
        "whatever stops meanwhile, and creates nothing twice. A request in which something is malformed, "
        "or named twice, is refused as a whole.",
        request_example={
            "appVersion": {"name": "olives-v1"},
            "endpoints": [
                {"endpointId": "tree-17", "endpointToken": "sn-0017", "metadata": {"row": 3}},
                {"metadata": {"row": 4}},
            ],
        },
        response_example={"taskId": _TASK},
        errors={
            404: "The application version does not exist.",
            409: "The application version is being removed.",
            429: "16 tasks of this application wait already.",
        },
    ),
    Route(
        tag=_TAG,
        method="GET",
        path=f"{_ENDPOINTS}/batch/status",
        operation=contract.GET_BATCH_STATUS,
        scope=Scope.WRITE,
        summary="See how far a task is",
        description="What became of each endpoint so far. A `token` is there where it was generated, until "
        "an hour after the task is DONE: read it and keep it, no other call tells it; that is why this needs "
        "the scope `write`. A task is forgotten a day after its end.",
        response_example={
            "status": "DONE",
            "totalCount": 2,
            "createdCount": 1,
            "failedCount": 1,
            "created": [
                {
                    "index": 1,
                    "endpointId": "6a2e3a55-7c0f-4f7c-9d0f-0d5c2f7a3c11",
                    "token": "hQ8b2xXk0vT3mZ1yR7sWc4Pd",
                    "status": "CREATED",
                }
            ],
            "failed": [
                {
                    "index": 0,
                    "statusReason": "endpoint id tree-17 is taken",
                    "endpointId": "tree-17",
                    "endpointToken": "sn-0017",
                    "metadata": {"row": 3},
                    "status": "FAILED",
                }
            ],
        },
        errors={404: "There is no such task of this application, or it was forgotten."},
    ),
    Route(
        tag=_TAG,
        method="POST",
        path=f"{_ENDPOINTS}/search",
        operation=contract.SEARCH_ENDPOINTS,
        only_asks=True,
        scope=Scope.READ,
        summary="Search endpoints",
        description="The same page as `GET /endpoints`, for lists of ids that are too long for a URL."
        f"\n\n{SORTING}",
        timeout_s=SORTED_WITHIN_S,
        request_example={"endpointId": ["tree-17", "tree-18"], "include": ["metadata"], "limit": 1000},
        response_example={
            "content": [
                {
                    "endpointId": "tree-17",
                    "createdDate": "2026-11-21T03:32:01.500Z",
                    "appVersion": {"name": "olives-v1", "registeredDate": "2026-11-21T03:32:01.500Z"},
                    "metadata": {"row": 3},
                }
            ],
            "totalElements": 1,
        },
        errors={
            400: "The request is malformed, or names more than 10,000 endpoints to be sorted by what has no "
            "index; `message` says which.",
            404: "The `applicationVersionName` cannot be the name of a version.",
            413: "The body has more than 768 KiB, or the page with its metadata would.",
        },
    ),
    Route(
        tag=_TAG,
        method="POST",
        path=f"{_ENDPOINTS}/delete",
        operation=contract.DELETE_ENDPOINTS,
        scope=Scope.WRITE,
        summary="Delete many endpoints",
        description="Deletes up to 1,000 endpoints, each as a single one is deleted, and answers when all is "
        "done, or after some 20 s, with what became of each: `statusCode` is what its own deletion would "
        "have answered. 404 counts as failed too: it was not there. After 503 or 504 ask again for the "
        "same: what has begun is finished in any case.",
        request_example={"endpointIds": ["tree-17", "tree-18"]},
        response_example={
            "deletedCount": 1,
            "failedCount": 1,
            "deleted": ["tree-17"],
            "failed": [
                {
                    "endpointId": "tree-18",
                    "statusCode": 404,
                    "statusReason": "there is no endpoint 'tree-18'",
                    "status": "FAILED",
                }
            ],
        },
        timeout_s=_DELETING_S,
    ),
)
