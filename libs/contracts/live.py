"""What the gateway answers itself: a stream of events, as they happen and as they happened."""

from typing import Final

from msgspec import field

from libs.contracts.messages import ManagementRequest, Reply
from libs.contracts.subjects import AnyEventType, Operation

DATA_GROUP: Final = "data-collection"
"""The group whose events are in no stream."""


class FollowEvents(ManagementRequest, frozen=True, kw_only=True):
    """Events from now on, or from where the caller left off.

    Attributes:
        endpoint_id: Only events of these endpoints, several separated by commas.
        event_types: Only these types of events, several separated by commas.
        last_event_id: The last id you were told: what happened since is told first. Clients of Server-Sent
            Events send it by themselves.
    """

    endpoint_id: tuple[str, ...] = ()
    event_types: tuple[str, ...] = field(default=(), name="type")
    last_event_id: str | None = None


class FollowReply(Reply, frozen=True, kw_only=True):
    """Never sent: what is answered goes from the gateway to its caller."""

    payload: bytes = b""


FOLLOW_EVENTS: Final = Operation(
    instance="api-gateway",
    protocol="live",
    name="follow",
    request=FollowEvents,
    reply=FollowReply,
    summary="Follow events.",
)


def type_name(event: AnyEventType) -> str:
    """Name a type of events as callers do: ``endpoint.metadata.updated``, whoever says it."""
    return f"{event.entity}.{event.group}.{event.name}"
