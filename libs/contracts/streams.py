"""JetStream streams: who owns which, and how each is kept (protocol/bus.md, Streams).

The owner creates its stream and upgrades it in place; a higher ``revision`` here is the only
thing that changes one that exists, so that old and new replicas do not fight over it.
"""

from dataclasses import dataclass
from typing import Literal

from libs.contracts.audit import audit_subject
from libs.contracts.connectivity import CONNECTED, DISCONNECTED
from libs.contracts.ingest import ingest_subject
from libs.contracts.lifecycle import CONFIGURATION_DELETED, CONFIGURATION_UPSERTED, UNREGISTERED
from libs.contracts.subjects import DEFAULT_ROOT, Subjects

_GIB = 1024**3
_DAY_S = 24 * 3600.0

EVENT_GROUPS: tuple[tuple[str, str], ...] = (
    ("endpoint", "token"),
    ("endpoint", "senml-credential"),
    ("endpoint", "lifecycle"),
    ("endpoint", "metadata"),
    ("endpoint", "connectivity"),
    ("endpoint", "config"),
    ("endpoint", "command"),
    ("endpoint-filter", "*"),
    ("api-key", "status"),
    ("service", "configuration"),
)
"""(entity, group) of every event that EVENTS keeps: all but ``data-collection``, one by one."""


def stream_name(subjects: Subjects, name: str) -> str:
    """Name a stream; under another root than the default it carries the root, so stacks can share NATS."""
    if subjects.root == DEFAULT_ROOT:
        return name
    return f"{subjects.root.replace('.', '_')}_{name}"


@dataclass(frozen=True, slots=True)
class StreamSpec:
    """How a stream is kept.

    Attributes:
        name: Stream name.
        owner: The service that creates it.
        subjects: What it captures.
        retention: When messages go: by ``limits``, or once taken from a ``workqueue``.
        discard: What gives way when it is full.
        max_age_s: Oldest message kept, seconds; 0 = any age.
        max_bytes: Size limit, bytes.
        duplicate_window_s: How long a message id is remembered, seconds.
        revision: Raised with every change of this declaration.
        description: For people who list streams.
    """

    name: str
    owner: str
    subjects: tuple[str, ...]
    retention: Literal["limits", "workqueue"]
    discard: Literal["old", "new"]
    max_age_s: float
    max_bytes: int
    duplicate_window_s: float
    revision: int
    description: str


@dataclass(frozen=True, slots=True)
class ConsumerSpec:
    """How a service reads a stream: one durable consumer, shared by all its replicas.

    Everything is delivered, from the beginning of the stream, as often as it takes.

    Attributes:
        stream: Name of the stream.
        name: Durable name; NATS permissions hold it.
        subjects: What it is given, one by one: a work queue lets no two consumers overlap.
        max_ack_pending: Messages that all replicas together may hold unacknowledged.
        ack_wait_s: Silence after which a message is given to somebody else, seconds; whoever works
            on one says so more often than that.
        revision: Raised with every change of this declaration.
        description: For people who list consumers.
    """

    stream: str
    name: str
    subjects: tuple[str, ...]
    max_ack_pending: int
    revision: int
    description: str
    ack_wait_s: float = 30.0


def events_stream(subjects: Subjects) -> StreamSpec:
    """EVENTS: control events, kept a day so that services replay what they missed."""
    return StreamSpec(
        name=stream_name(subjects, "EVENTS"),
        owner="endpoint-register",
        subjects=tuple(subjects.events_of(entity, group) for entity, group in EVENT_GROUPS),
        retention="limits",
        discard="old",
        max_age_s=_DAY_S,
        max_bytes=_GIB,
        duplicate_window_s=120.0,
        revision=2,
        description="Control events of the suite: lifecycle, metadata, credentials, presence.",
    )


def ingest_stream(subjects: Subjects) -> StreamSpec:
    """INGEST: telemetry between acknowledgement and store; nothing leaves it but by being stored.

    No age limit, for it deletes acknowledged data; when it is full, devices are told to wait (rule 6).
    """
    return StreamSpec(
        name=stream_name(subjects, "INGEST"),
        owner="data-collection",
        subjects=(f"{subjects.root}.ingest.>",),
        retention="workqueue",
        discard="new",
        max_age_s=0.0,
        max_bytes=4 * _GIB,
        duplicate_window_s=120.0,
        revision=1,
        description="Telemetry that was acknowledged and is not stored yet.",
    )


def rejected_stream(subjects: Subjects) -> StreamSpec:
    """REJECTED: device messages whose content could not be stored, one by one, with the reason."""
    return StreamSpec(
        name=stream_name(subjects, "REJECTED"),
        owner="data-collection",
        subjects=(f"{subjects.root}.rejected.>",),
        retention="limits",
        discard="old",
        max_age_s=7 * _DAY_S,
        max_bytes=_GIB,
        duplicate_window_s=120.0,
        revision=1,
        description="Device messages whose content could not be stored.",
    )


def audit_stream(subjects: Subjects) -> StreamSpec:
    """AUDIT: changes over REST between their being written down and their being stored.

    What it does not take is not done (docs/adr/0007). The age limit only clears away what a killed server
    forgot to remove: while its owner is away no API key is known for longer than 30 s, so no change is made.
    """
    return StreamSpec(
        name=stream_name(subjects, "AUDIT"),
        owner="credential-manager",
        subjects=(f"{subjects.root}.audit.>",),
        retention="workqueue",
        discard="new",
        max_age_s=30 * _DAY_S,
        max_bytes=_GIB // 4,
        duplicate_window_s=120.0,
        revision=1,
        description="Changes over REST that are not in the audit trail yet.",
    )


def audit_consumer(subjects: Subjects) -> ConsumerSpec:
    """What credential-manager keeps of it."""
    return ConsumerSpec(
        stream=stream_name(subjects, "AUDIT"),
        name="keep",
        subjects=(audit_subject(subjects),),
        max_ack_pending=16,
        revision=1,
        description="credential-manager keeps the audit trail.",
    )


def collect_consumer(subjects: Subjects) -> ConsumerSpec:
    """What data-collection drains (rule 7)."""
    return ConsumerSpec(
        stream=stream_name(subjects, "INGEST"),
        name="collect",
        subjects=(ingest_subject(subjects),),
        max_ack_pending=64,
        revision=1,
        description="data-collection stores telemetry.",
    )


def removals_consumer(subjects: Subjects) -> ConsumerSpec:
    """Whose samples data-collection has to delete."""
    return ConsumerSpec(
        stream=stream_name(subjects, "EVENTS"),
        name="data-collection-lifecycle",
        subjects=(UNREGISTERED.subject(subjects),),
        max_ack_pending=256,
        revision=1,
        description="data-collection deletes the samples of endpoints that are gone.",
    )


def applications_consumer(subjects: Subjects) -> ConsumerSpec:
    """Which applications and versions may be gone, for data-collection."""
    return ConsumerSpec(
        stream=stream_name(subjects, "EVENTS"),
        name="data-collection-applications",
        subjects=(CONFIGURATION_UPSERTED.subject(subjects), CONFIGURATION_DELETED.subject(subjects)),
        max_ack_pending=256,
        revision=1,
        description="data-collection drops what was configured for applications that are gone.",
    )


def presence_consumer(subjects: Subjects) -> ConsumerSpec:
    """What transports say about who is connected, for the register."""
    return ConsumerSpec(
        stream=stream_name(subjects, "EVENTS"),
        name="endpoint-register-presence",
        subjects=(CONNECTED.subject(subjects), DISCONNECTED.subject(subjects)),
        max_ack_pending=256,
        revision=1,
        description="endpoint-register keeps who is connected.",
    )


def all_streams(subjects: Subjects) -> tuple[StreamSpec, ...]:
    """Every stream of the suite, for disk budgets and documents."""
    return (
        events_stream(subjects),
        ingest_stream(subjects),
        rejected_stream(subjects),
        audit_stream(subjects),
    )
