"""Many endpoints at once: created by a task, searched by long lists of ids, removed (Kaa EPR 1.4)."""

from typing import Any, Literal

from msgspec import UNSET, Struct, UnsetType

from libs.contracts.endpoints import AppVersionRef, EndpointInclude, EndpointPageReply
from libs.contracts.messages import ManagementRequest, Reply
from libs.contracts.subjects import Operation


class BatchedEndpoint(Struct, rename="camel", frozen=True):
    """One endpoint of a batch; the same as at the creation of a single one.

    Attributes:
        endpoint_token: The token to use; generated when absent.
        endpoint_id: The id to use, ``^[a-zA-Z0-9._~-]+$``; a random UUID when absent.
        metadata: At most 256 KiB and 1,000 keys ``^[a-zA-Z0-9_]+$``.
    """

    endpoint_token: str | None = None
    endpoint_id: str | None = None
    metadata: dict[str, Any] = {}


class NewBatch(Struct, rename="camel", frozen=True):
    """What creates endpoints.

    Attributes:
        app_version: Where they start.
        endpoints: 1 to 1,000 of them.
    """

    app_version: AppVersionRef
    endpoints: list[BatchedEndpoint]


class BatchTask(Struct, rename="camel", frozen=True):
    """The task that does it."""

    task_id: str


class BatchCreated(Struct, rename="camel", frozen=True):
    """An endpoint that a task has created.

    Attributes:
        index: Its place in the request, from 0.
        endpoint_id: Given or generated.
        token: Its token, where it was generated; absent an hour after the end of the task.
        status: ``CREATED``.
    """

    index: int
    endpoint_id: str
    token: str | UnsetType = UNSET
    status: Literal["CREATED"] = "CREATED"


class BatchFailed(Struct, rename="camel", frozen=True):
    """An endpoint that a task has not created.

    Attributes:
        index: Its place in the request, from 0.
        status_reason: Why not.
        endpoint_id: The id that was given.
        endpoint_token: The token that was given; absent an hour after the end of the task, and when
            the answer would be above 512 KiB.
        metadata: The metadata that were given; absent when the answer would be above 512 KiB.
        status: ``FAILED``.
    """

    index: int
    status_reason: str
    endpoint_id: str | UnsetType = UNSET
    endpoint_token: str | UnsetType = UNSET
    metadata: dict[str, Any] | UnsetType = UNSET
    status: Literal["FAILED"] = "FAILED"


class BatchStatus(Struct, rename="camel", frozen=True):
    """How far a task is."""

    status: Literal["PENDING", "RUNNING", "DONE"]
    total_count: int
    created_count: int
    failed_count: int
    created: list[BatchCreated]
    failed: list[BatchFailed]


class EndpointSearch(Struct, rename="camel", frozen=True):
    """A list that is too long to ask for in a URL.

    Attributes:
        endpoint_id: Only these, at most 1,000.
        endpoint_id_prefix: Only those whose id begins so, in the order of ids.
        application_name: Only of this application.
        application_version_name: Only at this version.
        filter_id: Only those that match this filter.
        include: What to add to each endpoint.
        sort: ``endpointId``, ``createdDate``, ``appVersion``, or of at most 10,000 endpoints ``lastSeen`` and
            ``metadata.<key>``, with ``-`` for descending.
        offset: How many to skip.
        limit: How many to return, at most 1,000.
    """

    endpoint_id: list[str] = []
    endpoint_id_prefix: str = ""
    application_name: str | None = None
    application_version_name: str | None = None
    filter_id: str | None = None
    include: list[EndpointInclude] = []
    sort: str | None = None
    offset: int = 0
    limit: int = 20


class EndpointIds(Struct, rename="camel", frozen=True):
    """Which endpoints to remove: 1 to 1,000."""

    endpoint_ids: list[str]


class NotDeleted(Struct, rename="camel", frozen=True):
    """An endpoint that was not removed, or not completely.

    Attributes:
        endpoint_id: Which one.
        status_code: What its own deletion would have answered.
        status_reason: Why.
        status: ``FAILED``.
    """

    endpoint_id: str
    status_code: int
    status_reason: str
    status: Literal["FAILED"] = "FAILED"


class DeletedEndpoints(Struct, rename="camel", frozen=True):
    """What became of each endpoint that was to be removed."""

    deleted_count: int
    failed_count: int
    deleted: list[str]
    failed: list[NotDeleted]


class CreateBatch(ManagementRequest, frozen=True, kw_only=True):
    """New endpoints, created by a task."""

    body: NewBatch


class GetBatchStatus(ManagementRequest, frozen=True, kw_only=True):
    """How far a task is.

    Attributes:
        app_name: Application of its endpoints.
        task_id: Which task.
    """

    app_name: str
    task_id: str


class SearchEndpoints(ManagementRequest, frozen=True, kw_only=True):
    """A page of endpoints."""

    body: EndpointSearch


class DeleteEndpoints(ManagementRequest, frozen=True, kw_only=True):
    """Remove endpoints, each as always."""

    body: EndpointIds


class BatchTaskReply(Reply, frozen=True, kw_only=True):
    """The task."""

    body: BatchTask


class BatchStatusReply(Reply, frozen=True, kw_only=True):
    """How far it is."""

    body: BatchStatus


class DeletedEndpointsReply(Reply, frozen=True, kw_only=True):
    """What became of each."""

    body: DeletedEndpoints


_OWNER = "endpoint-register"
_PROTOCOL = "endpoints"

CREATE_BATCH = Operation(
    _OWNER, _PROTOCOL, "create-batch", CreateBatch, BatchTaskReply, "Have up to 1,000 endpoints created."
)
GET_BATCH_STATUS = Operation(
    _OWNER, _PROTOCOL, "get-batch-status", GetBatchStatus, BatchStatusReply, "How far such a creation is."
)
SEARCH_ENDPOINTS = Operation(
    _OWNER, _PROTOCOL, "search", SearchEndpoints, EndpointPageReply, "List endpoints by long lists of ids."
)
DELETE_ENDPOINTS = Operation(
    _OWNER,
    _PROTOCOL,
    "delete-many",
    DeleteEndpoints,
    DeletedEndpointsReply,
    "Remove up to 1,000 endpoints and their tokens.",
)
