"""Endpoints and their metadata, as operators manage them (Kaa EPR)."""

from typing import Any, Literal

from msgspec import UNSET, Struct, UnsetType

from libs.contracts.applications import EmptyReply
from libs.contracts.messages import ManagementRequest, Reply
from libs.contracts.relations import NewRelation
from libs.contracts.subjects import Operation

EndpointInclude = Literal["metadata", "filters", "connectivity"]


class AppVersionRef(Struct, rename="camel", frozen=True):
    """Names an application version."""

    name: str


class EndpointAppVersion(Struct, rename="camel", frozen=True):
    """The version an endpoint is at, and since when."""

    name: str
    registered_date: str


class EndpointConnectivity(Struct, rename="camel", frozen=True):
    """Whether and how an endpoint is reached; dates are ISO 8601 UTC.

    Attributes:
        connected: A transport holds a connection on which it was heard.
        active: It is connected, or was heard a short while ago (HTTP keeps no connection).
        transport: What it spoke last, ``MQTT`` or ``HTTP``; absent when it was never heard.
        connected_since: When its connection was first heard; absent when it is not connected.
        last_seen: When it was last heard, at most a minute late; absent when it never was.
    """

    connected: bool
    active: bool
    transport: str | UnsetType = UNSET
    connected_since: str | UnsetType = UNSET
    last_seen: str | UnsetType = UNSET


class Endpoint(Struct, rename="camel", frozen=True):
    """An endpoint. Dates are ISO 8601 UTC; ``metadata`` and ``connectivity`` are there when asked for."""

    endpoint_id: str
    created_date: str
    app_version: EndpointAppVersion
    metadata: dict[str, Any] | UnsetType = UNSET
    metadata_updated_date: str | UnsetType = UNSET
    filters: list[str] | UnsetType = UNSET
    connectivity: EndpointConnectivity | UnsetType = UNSET


class NewEndpoint(Struct, rename="camel", frozen=True):
    """What creates an endpoint.

    Attributes:
        app_version: Where it starts.
        metadata: At most 256 KiB and 1,000 keys ``^[a-zA-Z0-9_]+$``.
        endpoint_token: The token to use; generated when absent.
        endpoint_id: The id to use, ``^[a-zA-Z0-9._~-]+$``; a random UUID when absent.
        relations: At most 100, each to an endpoint that exists.
    """

    app_version: AppVersionRef
    metadata: dict[str, Any] = {}
    endpoint_token: str | None = None
    endpoint_id: str | None = None
    relations: list[NewRelation] = []


class CreatedEndpoint(Struct, rename="camel", frozen=True):
    """A new endpoint; the token is told here and never again."""

    endpoint_id: str
    token: str
    status: str


class EndpointPage(Struct, rename="camel", frozen=True):
    """A page of endpoints."""

    content: list[Endpoint]
    total_elements: int


class CreateEndpoint(ManagementRequest, frozen=True, kw_only=True):
    """A new endpoint with its first token."""

    body: NewEndpoint


class ListEndpoints(ManagementRequest, frozen=True, kw_only=True):
    """A page of endpoints.

    Attributes:
        endpoint_id: Only these.
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

    endpoint_id: tuple[str, ...] = ()
    endpoint_id_prefix: str = ""
    application_name: str | None = None
    application_version_name: str | None = None
    filter_id: str | None = None
    include: tuple[EndpointInclude, ...] = ()
    sort: str | None = None
    offset: int = 0
    limit: int = 20


class GetEndpoint(ManagementRequest, frozen=True, kw_only=True):
    """One endpoint."""

    endpoint_id: str
    include: tuple[EndpointInclude, ...] = ()


class DeleteEndpoint(ManagementRequest, frozen=True, kw_only=True):
    """Remove an endpoint, its tokens first."""

    endpoint_id: str


class GetEndpointVersion(ManagementRequest, frozen=True, kw_only=True):
    """The version an endpoint is at."""

    endpoint_id: str


class PutEndpointVersion(ManagementRequest, frozen=True, kw_only=True):
    """Move an endpoint to another version of its application."""

    endpoint_id: str
    body: AppVersionRef


class GetMetadata(ManagementRequest, frozen=True, kw_only=True):
    """Metadata of an endpoint, all or the keys in ``include``."""

    endpoint_id: str
    include: tuple[str, ...] = ()
    if_none_match: str | None = None


class PutMetadata(ManagementRequest, frozen=True, kw_only=True):
    """Replace all metadata; ``payload`` is a JSON object."""

    endpoint_id: str
    payload: bytes
    if_match: str | None = None


class PatchMetadata(ManagementRequest, frozen=True, kw_only=True):
    """Apply a JSON Patch (RFC 6902), all of it or nothing."""

    endpoint_id: str
    payload: bytes
    if_match: str | None = None


class GetMetadataKey(ManagementRequest, frozen=True, kw_only=True):
    """One key's value."""

    endpoint_id: str
    key: str
    if_none_match: str | None = None


class PutMetadataKey(ManagementRequest, frozen=True, kw_only=True):
    """Set one key; ``payload`` is any JSON value."""

    endpoint_id: str
    key: str
    payload: bytes
    if_match: str | None = None


class DeleteMetadataKey(ManagementRequest, frozen=True, kw_only=True):
    """Remove one key; 404 when it is not there."""

    endpoint_id: str
    key: str
    if_match: str | None = None


class ListMetadataKeys(ManagementRequest, frozen=True, kw_only=True):
    """Names of an endpoint's metadata keys."""

    endpoint_id: str


class ApplicationMetadataKeys(ManagementRequest, frozen=True, kw_only=True):
    """Names of the metadata keys in use in an application."""

    application_name: str


class CreatedEndpointReply(Reply, frozen=True, kw_only=True):
    """The new endpoint."""

    body: CreatedEndpoint


class EndpointReply(Reply, frozen=True, kw_only=True):
    """One endpoint.

    Attributes:
        body: As REST shows it.
        incarnation: Which life of the endpoint id this is; None = not told by an older release.
    """

    body: Endpoint
    incarnation: str | None = None


class EndpointPageReply(Reply, frozen=True, kw_only=True):
    """A page."""

    body: EndpointPage


class EndpointVersionReply(Reply, frozen=True, kw_only=True):
    """The version and since when."""

    body: EndpointAppVersion


class MetadataReply(Reply, frozen=True, kw_only=True):
    """Metadata as JSON bytes; 304 when If-None-Match holds.

    Attributes:
        payload: The document; empty after a write.
        e_tag: Entity tag of the metadata, quotes included.
    """

    payload: bytes = b""
    e_tag: str = ""


class KeysReply(Reply, frozen=True, kw_only=True):
    """Key names, sorted."""

    body: list[str]


class KeysByVersionReply(Reply, frozen=True, kw_only=True):
    """Key names by version name."""

    body: dict[str, list[str]]


_OWNER = "endpoint-register"
_ENDPOINTS = "endpoints"
_METADATA = "epmmp"

CREATE_ENDPOINT = Operation(
    _OWNER, _ENDPOINTS, "create", CreateEndpoint, CreatedEndpointReply, "Create an endpoint."
)
LIST_ENDPOINTS = Operation(_OWNER, _ENDPOINTS, "list", ListEndpoints, EndpointPageReply, "List endpoints.")
GET_ENDPOINT = Operation(_OWNER, _ENDPOINTS, "get", GetEndpoint, EndpointReply, "Read an endpoint.")
DELETE_ENDPOINT = Operation(
    _OWNER, _ENDPOINTS, "delete", DeleteEndpoint, EmptyReply, "Remove an endpoint and its tokens."
)
GET_ENDPOINT_VERSION = Operation(
    _OWNER,
    _ENDPOINTS,
    "get-app-version",
    GetEndpointVersion,
    EndpointVersionReply,
    "Read the version an endpoint is at.",
)
PUT_ENDPOINT_VERSION = Operation(
    _OWNER,
    _ENDPOINTS,
    "put-app-version",
    PutEndpointVersion,
    EndpointVersionReply,
    "Move an endpoint to another version.",
)
GET_METADATA = Operation(
    _OWNER, _METADATA, "ep-metadata-get-request", GetMetadata, MetadataReply, "Read metadata."
)
PUT_METADATA = Operation(
    _OWNER, _METADATA, "ep-metadata-put-request", PutMetadata, MetadataReply, "Replace metadata."
)
PATCH_METADATA = Operation(
    _OWNER, _METADATA, "ep-metadata-patch-request", PatchMetadata, MetadataReply, "Patch metadata."
)
GET_METADATA_KEY = Operation(
    _OWNER,
    _METADATA,
    "ep-metadata-key-get-request",
    GetMetadataKey,
    MetadataReply,
    "Read one metadata key.",
)
PUT_METADATA_KEY = Operation(
    _OWNER,
    _METADATA,
    "ep-metadata-key-update-request",
    PutMetadataKey,
    MetadataReply,
    "Set one metadata key.",
)
DELETE_METADATA_KEY = Operation(
    _OWNER,
    _METADATA,
    "ep-metadata-key-delete-request",
    DeleteMetadataKey,
    MetadataReply,
    "Remove one metadata key.",
)
LIST_METADATA_KEYS = Operation(
    _OWNER,
    _METADATA,
    "ep-metadata-keys-get-request",
    ListMetadataKeys,
    KeysReply,
    "Names of an endpoint's metadata keys.",
)
APPLICATION_METADATA_KEYS = Operation(
    _OWNER,
    _METADATA,
    "application-metadata-keys-request",
    ApplicationMetadataKeys,
    KeysByVersionReply,
    "Names of the metadata keys in use in an application.",
)
