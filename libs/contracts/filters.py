"""Endpoint filters: groups of an application's endpoints by what they hold (Kaa EPR, 18/EFE)."""

from msgspec import UNSET, Struct, UnsetType

from libs.contracts.applications import EmptyReply
from libs.contracts.messages import Event, ManagementRequest, Reply
from libs.contracts.subjects import EventType, Operation


class EndpointFilter(Struct, rename="camel", frozen=True):
    """A filter. Dates are ISO 8601 UTC.

    Attributes:
        id: Generated.
        name: Unique in its application.
        description: For people.
        mongo_query: The query as JSON text.
        status: ``pending`` until the endpoints there are have been judged, then ``active``.
        matched_endpoints_count: How many endpoints match; grows while the filter is pending.
        created_date: When it was created.
        updated_date: When it was last changed.
    """

    id: str
    name: str
    description: str
    mongo_query: str
    status: str
    matched_endpoints_count: int
    created_date: str
    updated_date: str


class FilterPage(Struct, rename="camel", frozen=True):
    """A page of filters."""

    content: list[EndpointFilter]
    total_elements: int


class NewFilter(Struct, rename="camel", frozen=True):
    """What creates a filter.

    Attributes:
        name: 1 to 256 characters, unique in the application.
        mongo_query: A query as JSON text, at most 8 KiB.
        description: Free text, at most 1,024 bytes in UTF-8.
    """

    name: str
    mongo_query: str
    description: str = ""


class FilterChange(Struct, rename="camel", frozen=True):
    """What may change of a filter; absent fields stay as they are."""

    name: str | UnsetType = UNSET
    description: str | UnsetType = UNSET
    mongo_query: str | UnsetType = UNSET


class ListFilters(ManagementRequest, frozen=True, kw_only=True):
    """A page of an application's filters, oldest first.

    Attributes:
        application_name: The application.
        name: Only the filter of this name.
        offset: How many to skip.
        limit: How many to return, at most 1,000.
    """

    application_name: str
    name: str | None = None
    offset: int = 0
    limit: int = 20


class CreateFilter(ManagementRequest, frozen=True, kw_only=True):
    """A new filter."""

    application_name: str
    body: NewFilter


class GetFilter(ManagementRequest, frozen=True, kw_only=True):
    """One filter."""

    application_name: str
    filter_id: str


class UpdateFilter(ManagementRequest, frozen=True, kw_only=True):
    """Change a filter; with another query it is pending again."""

    application_name: str
    filter_id: str
    body: FilterChange
    if_match: str | None = None


class DeleteFilter(ManagementRequest, frozen=True, kw_only=True):
    """Remove a filter."""

    application_name: str
    filter_id: str
    if_match: str | None = None


class FilterReply(Reply, frozen=True, kw_only=True):
    """One filter.

    Attributes:
        body: As REST shows it.
        e_tag: Entity tag of name, description and query, quotes included.
    """

    body: EndpointFilter
    e_tag: str = ""


class FilterPageReply(Reply, frozen=True, kw_only=True):
    """A page."""

    body: FilterPage


class EndpointMatchedEvent(Event, frozen=True, kw_only=True):
    """An endpoint matches a filter, and did not before.

    Attributes:
        filter_id: Which filter.
        application_name: Of both.
        app_version_name: The version the endpoint is at.
        filter_name: Name of the filter.
        endpoint_id: Which endpoint.
    """

    filter_id: str
    application_name: str
    app_version_name: str
    filter_name: str | None = None
    endpoint_id: str


class EndpointUnmatchedEvent(Event, frozen=True, kw_only=True):
    """An endpoint does not match a filter any more, the filter is gone, or the endpoint is.

    Attributes:
        filter_id: Which filter.
        application_name: Of both.
        app_version_name: The version the endpoint is at.
        filter_name: Name of the filter; None = not known any more.
        endpoint_id: Which endpoint.
    """

    filter_id: str
    application_name: str
    app_version_name: str
    filter_name: str | None = None
    endpoint_id: str


_OWNER = "endpoint-register"
_FILTERS = "filters"
_ENTITY, _GROUP, _EXTRA = "endpoint-filter", "endpoint", ("filterId",)

LIST_FILTERS = Operation(
    _OWNER, _FILTERS, "list", ListFilters, FilterPageReply, "List an application's filters."
)
CREATE_FILTER = Operation(_OWNER, _FILTERS, "create", CreateFilter, FilterReply, "Create a filter.")
GET_FILTER = Operation(_OWNER, _FILTERS, "get", GetFilter, FilterReply, "Read a filter.")
UPDATE_FILTER = Operation(_OWNER, _FILTERS, "update", UpdateFilter, FilterReply, "Change a filter.")
DELETE_FILTER = Operation(_OWNER, _FILTERS, "delete", DeleteFilter, EmptyReply, "Remove a filter.")
ENDPOINT_MATCHED = EventType(
    _OWNER,
    _ENTITY,
    _GROUP,
    "ep-matched",
    EndpointMatchedEvent,
    "An endpoint matches a filter, and did not before.",
    extra=_EXTRA,
)
ENDPOINT_UNMATCHED = EventType(
    _OWNER,
    _ENTITY,
    _GROUP,
    "ep-unmatched",
    EndpointUnmatchedEvent,
    "An endpoint does not match a filter any more.",
    extra=_EXTRA,
)
