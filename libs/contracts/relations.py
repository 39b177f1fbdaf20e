"""Which endpoint contains which (Kaa EPR; the bodies of link and unlink are ours, Kaa's are not known)."""

from typing import Literal

from msgspec import Struct, field

from libs.contracts.applications import EmptyReply
from libs.contracts.messages import ManagementRequest, Reply
from libs.contracts.subjects import Operation

RelationType = Literal["contains"]


class Relation(Struct, rename="camel", frozen=True):
    """One endpoint contains another.

    Attributes:
        type: ``contains``.
        from_id: The endpoint that contains the other.
        to_id: The endpoint that is contained.
    """

    type: RelationType
    from_id: str = field(name="from")
    to_id: str = field(name="to")


class NewRelation(Struct, rename="camel", frozen=True):
    """A relation of an endpoint that is being created; exactly one of the two ends is the other endpoint.

    Attributes:
        type: ``contains``.
        from_id: The endpoint that contains the new one.
        to_id: The endpoint that the new one contains.
    """

    type: RelationType
    from_id: str | None = field(default=None, name="from")
    to_id: str | None = field(default=None, name="to")


class RelationPage(Struct, rename="camel", frozen=True):
    """A page of an endpoint's relations."""

    content: list[Relation]
    total_elements: int


class ListRelations(ManagementRequest, frozen=True, kw_only=True):
    """A page of the relations at either end of which an endpoint is.

    Attributes:
        endpoint_id: Whose.
        relation: Only those of this type.
        offset: How many to skip.
        limit: How many to return, at most 1,000.
    """

    endpoint_id: str
    relation: RelationType | None = None
    offset: int = 0
    limit: int = 20


class LinkEndpoints(ManagementRequest, frozen=True, kw_only=True):
    """Relate two endpoints; the same again changes nothing."""

    body: Relation


class UnlinkEndpoints(ManagementRequest, frozen=True, kw_only=True):
    """End a relation; one that is not there is no error."""

    body: Relation


class RelationPageReply(Reply, frozen=True, kw_only=True):
    """A page."""

    body: RelationPage


_OWNER = "endpoint-register"
_PROTOCOL = "relations"

LIST_RELATIONS = Operation(
    _OWNER, _PROTOCOL, "list", ListRelations, RelationPageReply, "List an endpoint's relations."
)
LINK_ENDPOINTS = Operation(_OWNER, _PROTOCOL, "link", LinkEndpoints, EmptyReply, "Relate two endpoints.")
UNLINK_ENDPOINTS = Operation(
    _OWNER, _PROTOCOL, "unlink", UnlinkEndpoints, EmptyReply, "End a relation of two endpoints."
)
