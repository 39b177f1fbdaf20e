"""An endpoint, and what it has to tell: the twin's state and its outbox are one thing.

::

    CREATING --token stored--> READY --delete--> DELETING --tokens gone, event told--> (no more)
        |
        +--refused, or a minute old--> DISCARDING --tokens gone--> (no more)

Only READY endpoints are seen by anyone. Every change is a compare-and-set on ``seq`` and brings its
event with it, in the outbox, so that the event survives whatever happens after the write.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import Enum
from itertools import takewhile
from typing import Any, Final

import msgspec

from libs.contracts.filters import (
    ENDPOINT_MATCHED,
    ENDPOINT_UNMATCHED,
    EndpointMatchedEvent,
    EndpointUnmatchedEvent,
)
from libs.contracts.ids import ApplicationName, AppVersionName, EndpointId
from libs.contracts.lifecycle import (
    APP_VERSION_UPDATED,
    METADATA_UPDATED,
    REGISTERED,
    UNREGISTERED,
    AppVersionUpdatedEvent,
    MetadataUpdatedEvent,
    RegisteredEvent,
    UnregisteredEvent,
)
from libs.contracts.messages import Event
from libs.contracts.subjects import EventType
from services.endpoint_register.domain.metadata import Difference, Metadata

MAX_OUTBOX: Final = 256
MAX_OUTBOX_BYTES: Final = 4 * 1024 * 1024
"""Events of one endpoint that may wait: all of them are read with every change, and a document has 16 MiB."""


class EndpointState(Enum):
    """Where an endpoint is in its life."""

    CREATING = "creating"
    READY = "ready"
    DISCARDING = "discarding"
    DELETING = "deleting"


@dataclass(frozen=True, slots=True)
class OutboxEntry:
    """An event that has happened and may not have been published yet.

    Attributes:
        seq: Its place among all events of this incarnation; they are published in this order.
        kind: What kind of event.
        body: The event, packed: it is only carried about until somebody publishes it.
    """

    seq: int
    kind: EventType[Any]
    body: bytes

    def event(self) -> Event:
        """Unpack the event."""
        event: Event = msgspec.msgpack.decode(self.body, type=self.kind.event)
        return event


EVENT_KINDS: Final[Mapping[str, EventType[Any]]] = {
    kind.name: kind
    for kind in (
        REGISTERED,
        UNREGISTERED,
        APP_VERSION_UPDATED,
        METADATA_UPDATED,
        ENDPOINT_MATCHED,
        ENDPOINT_UNMATCHED,
    )
}
"""What an outbox may hold, by name."""

OF_A_NEWER_RELEASE: Final[EventType[Any]] = EventType(
    originator="endpoint-register",
    entity="endpoint",
    group="unknown",
    name="unknown",
    event=Event,
    summary="Something that only a newer release can tell.",
)
"""The kind of an entry whose name is none of :data:`EVENT_KINDS`; whoever wrote it publishes it."""


def e_tag_of(*, incarnation: str, revision: int) -> str:
    """Spell the strong entity tag of metadata, quotes included.

    With the incarnation in it an endpoint that was removed and created again never shows a tag that
    it has shown before.
    """
    return f'"{incarnation}-{revision}"'


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """A digital twin.

    Attributes:
        id: Given or generated; never changes.
        application: Where it belongs, for good.
        version: The application version it is at.
        version_since: When it came there.
        created_at: When its creation began.
        incarnation: Random; tells it from an earlier endpoint of the same id, and an insert of
            ours from somebody else's.
        state: Where it is in its life.
        seq: Counts its changes; every write is a compare-and-set on it.
        revision: Counts the changes of its metadata.
        metadata: Any JSON by key; empty when the repository was not asked for it.
        metadata_updated_at: When its metadata last changed; None = as created.
        filters: Ids of the filters it matches, in their order.
        filters_as_of: Generation of the filters by which it was judged last; 0 = never.
        outbox: Events that may not have been published; empty when not asked for.
    """

    id: EndpointId
    application: ApplicationName
    version: AppVersionName
    version_since: datetime
    created_at: datetime
    incarnation: str
    state: EndpointState = EndpointState.CREATING
    seq: int = 0
    revision: int = 0
    metadata: Metadata = field(default_factory=dict)
    metadata_updated_at: datetime | None = None
    filters: tuple[str, ...] = ()
    filters_as_of: int = 0
    outbox: tuple[OutboxEntry, ...] = ()

    @property
    def e_tag(self) -> str:
        """Entity tag of the metadata."""
        return e_tag_of(incarnation=self.incarnation, revision=self.revision)

    @property
    def has_room(self) -> bool:
        """Whether one more event may wait; metadata does not change before there is room."""
        return len(self.outbox) < MAX_OUTBOX and self.outbox_bytes < MAX_OUTBOX_BYTES

    @property
    def tellable(self) -> tuple[OutboxEntry, ...]:
        """The waiting events that can be published here: those before one of a newer release."""
        return tuple(takewhile(lambda entry: entry.kind is not OF_A_NEWER_RELEASE, self.outbox))

    @property
    def outbox_bytes(self) -> int:
        """What the waiting events take."""
        return sum(len(entry.body) for entry in self.outbox)

    def message_id(self, entry: OutboxEntry) -> str:
        """Name an event for the stream, so that it keeps one of several copies."""
        return f"{self.incarnation}-{entry.seq}"

    def registered(self, *, correlation_id: str) -> "Endpoint":
        """Its token is stored: let it be seen."""
        event = RegisteredEvent(
            correlation_id=correlation_id, app_version_name=self.version, endpoint_id=self.id
        )
        return replace(_told(self, REGISTERED, event), state=EndpointState.READY)

    def announced(self, *, correlation_id: str) -> "Endpoint":
        """Keep it hidden with the event of its registration, which nobody tells before it is seen."""
        return replace(self, outbox=self.registered(correlation_id=correlation_id).outbox)

    def revealed(self) -> "Endpoint":
        """Let it be seen that was announced."""
        return replace(self, seq=self.outbox[-1].seq, state=EndpointState.READY)

    def with_metadata(
        self, metadata: Metadata, difference: Difference, *, at: datetime, correlation_id: str
    ) -> "Endpoint":
        """Change its metadata."""
        revision = self.revision + 1
        event = MetadataUpdatedEvent(
            correlation_id=correlation_id,
            app_version_name=self.version,
            endpoint_id=self.id,
            removed=difference.removed,
            added=difference.added,
            updated=difference.updated,
            e_tag=e_tag_of(incarnation=self.incarnation, revision=revision),
        )
        told = _told(self, METADATA_UPDATED, event)
        return replace(told, metadata=metadata, revision=revision, metadata_updated_at=at)

    def moved(self, version: AppVersionName, *, at: datetime, correlation_id: str) -> "Endpoint":
        """Move it to another version of its application."""
        event = AppVersionUpdatedEvent(
            correlation_id=correlation_id,
            app_version_name=version,
            previous_app_version_name=self.version,
            endpoint_id=self.id,
        )
        return replace(_told(self, APP_VERSION_UPDATED, event), version=version, version_since=at)

    def grouped(
        self, filters: tuple[str, ...], *, names: Mapping[str, str], as_of: int, correlation_id: str
    ) -> "Endpoint":
        """Let it match these filters and no others; ``names`` are those of all filters there are."""
        endpoint = self
        for filter_id in self.filters:
            if filter_id not in filters:
                gone = EndpointUnmatchedEvent(
                    correlation_id=correlation_id,
                    filter_id=filter_id,
                    application_name=self.application,
                    app_version_name=self.version,
                    filter_name=names.get(filter_id),
                    endpoint_id=self.id,
                )
                endpoint = _told(endpoint, ENDPOINT_UNMATCHED, gone)
        for filter_id in filters:
            if filter_id not in self.filters:
                come = EndpointMatchedEvent(
                    correlation_id=correlation_id,
                    filter_id=filter_id,
                    application_name=self.application,
                    app_version_name=self.version,
                    filter_name=names.get(filter_id),
                    endpoint_id=self.id,
                )
                endpoint = _told(endpoint, ENDPOINT_MATCHED, come)
        return replace(endpoint, filters=filters, filters_as_of=as_of)

    def discarded(self) -> "Endpoint":
        """Give its creation up; nobody has ever heard of it."""
        return replace(self, seq=self.seq + 1, state=EndpointState.DISCARDING, outbox=())

    def deleted(self, *, correlation_id: str) -> "Endpoint":
        """Hide it for good; the event that says so waits until its tokens are gone."""
        event = UnregisteredEvent(
            correlation_id=correlation_id, app_version_name=self.version, endpoint_id=self.id
        )
        left = self.grouped((), names={}, as_of=self.filters_as_of, correlation_id=correlation_id)
        return replace(_told(left, UNREGISTERED, event), state=EndpointState.DELETING)


def _told(endpoint: Endpoint, kind: EventType[Any], event: Event) -> Endpoint:
    entry = OutboxEntry(endpoint.seq + 1, kind, msgspec.msgpack.encode(event))
    return replace(endpoint, seq=entry.seq, outbox=(*endpoint.outbox, entry))
