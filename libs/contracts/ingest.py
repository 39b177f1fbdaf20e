"""Telemetry on its way from a transport to the store: batches (protocol/delivery.md rules 2, 3 and 10).

A batch gets its identity where it is made and keeps it through every retry, so whoever stores it twice writes
the same documents. These Structs are arrays on the wire: fields are appended with a default and never
inserted, reordered or removed; an unknown higher ``format`` is left to a newer replica.
"""

from typing import Final

from msgspec import Struct

from libs.contracts.dcx import MAX_SAMPLES
from libs.contracts.subjects import Subjects

MAX_MESSAGES: Final = 256
"""Messages of one batch."""
MAX_BATCH_BYTES: Final = 512 * 1024
"""Bytes of payloads and resources of one batch; a single message may have 256 KiB, and 28 KiB of resource."""
MAX_BATCH_SAMPLES: Final = MAX_SAMPLES
"""Samples of one batch."""
FORMAT: Final = 1
SENML_RESOURCE: Final = "/senml"
"""Resource of a message that is a resolved SenML pack, an array of records."""

_RUN_BYTES, _COUNTER_BYTES, _POSITION_BYTES = 8, 5, 3


class IngestMessage(Struct, array_like=True, frozen=True):
    """One device message that passed :func:`libs.contracts.dcx.check_message`.

    Attributes:
        endpoint_id: Who sent it.
        app_version: For which application version.
        resource: ``/json``, ``/json/...`` or ``/plain/<metric>``; ``/senml`` for a resolved SenML pack.
        payload: As received.
        received_ms: When the transport had it, Unix milliseconds.
        wants_reply: Whether the device is told what became of it.
    """

    endpoint_id: str
    app_version: str
    resource: str
    payload: bytes
    received_ms: int
    wants_reply: bool = False


class IngestBatch(Struct, array_like=True, frozen=True):
    """What one publish to the stream holds.

    Attributes:
        format: Of everything behind it.
        run_id: Of the transport process, 64 bits.
        counter: Of its batches, from 1, 40 bits.
        messages: At most :data:`MAX_MESSAGES`.
    """

    format: int
    run_id: int
    counter: int
    messages: list[IngestMessage]


class IngestReplies(Struct, array_like=True, frozen=True):
    """What became of the messages of one batch whose devices want to know.

    Attributes:
        counter: Of the batch.
        stored: Positions of messages that are stored.
        refused: Position, status code and reason of messages that could not be.
    """

    counter: int
    stored: list[int]
    refused: list[tuple[int, int, str]] = []


def ingest_subject(subjects: Subjects) -> str:
    """``<root>.ingest.dcx``: where batches are published."""
    return f"{subjects.root}.ingest.dcx"


def rejected_subject(subjects: Subjects) -> str:
    """``<root>.rejected.dcx``: where messages go whose content could not be stored."""
    return f"{subjects.root}.rejected.dcx"


def replies_subject(subjects: Subjects, run_id: int) -> str:
    """``<root>.replica.<runId>.dcx.replies``: what became of the batches of one transport process."""
    return subjects.replica(f"{run_id:016x}", "dcx", "replies")


def batch_id(run_id: int, counter: int) -> str:
    """Name a batch, for ``Nats-Msg-Id``."""
    return f"{run_id:016x}-{counter:x}"


def sample_id(run_id: int, counter: int, position: int) -> bytes:
    """Name a sample: 16 bytes that sort by run, batch and position."""
    return (
        run_id.to_bytes(_RUN_BYTES, "big")
        + counter.to_bytes(_COUNTER_BYTES, "big")
        + position.to_bytes(_POSITION_BYTES, "big")
    )
