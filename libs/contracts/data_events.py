"""What is told of telemetry: samples (Kaa 13/DSTP), points of time series (14/TSTP), and what was refused.

Data events are core NATS only, at least once while somebody listens (protocol/bus.md): whoever needs what it
missed queries it. ``batchId`` and ``position`` are the same when something is told again; points that an
operator wrote have none, and are told again when the request that wrote them is repeated.
"""

from typing import Final

from msgspec import Struct

from libs.contracts.messages import Event
from libs.contracts.subjects import EventType

CONTENT_TYPE: Final = "application/json"


class DataSamplesEvent(Event, frozen=True, kw_only=True):
    """Samples of an endpoint are stored.

    Attributes:
        app_version_name: Version of the endpoint when they were received.
        endpoint_id: Whose samples.
        content_type: Of each sample.
        data_samples: Each as JSON text in UTF-8.
        batch_id: The batch that brought them.
        position: Of the first of them in that batch.
    """

    app_version_name: str
    endpoint_id: str
    content_type: str = CONTENT_TYPE
    data_samples: list[bytes]
    batch_id: str = ""
    position: int = 0


class DataPoint(Struct, rename="camel", frozen=True):
    """One point of a time series.

    Attributes:
        timestamp: Sample time, Unix milliseconds.
        values: By value name.
        ingestion_timestamp: When it was received, Unix milliseconds.
    """

    timestamp: int
    values: dict[str, float | int | str | bool | None]
    ingestion_timestamp: int = 0


class TimeSeriesEvent(Event, frozen=True, kw_only=True):
    """A time series of an endpoint has new points; the series is the last token of the subject.

    Attributes:
        app_version_name: Version of the endpoint when they were received.
        endpoint_id: Whose points.
        time_series_name: Which series.
        data_points: In the order in which they came.
        batch_id: The batch that brought them; empty where an operator wrote them.
        position: Of the first of them in that batch; 0 where an operator wrote them.
    """

    app_version_name: str
    endpoint_id: str
    time_series_name: str
    data_points: list[DataPoint]
    batch_id: str = ""
    position: int = 0


class RejectedMessage(Event, frozen=True, kw_only=True):
    """A device message, or a batch nobody can read, that was acknowledged and cannot be stored.

    Attributes:
        reason: One sentence.
        batch_id: The batch that brought it; empty for one that cannot be read.
        position: Of the message in that batch.
        endpoint_id: Who sent it.
        app_version_name: For which version.
        resource: ``/json``, ``/json/...`` or ``/plain/<metric>``; ``/senml`` for a resolved SenML pack.
        payload: As received, or the beginning of what cannot be read.
        payload_bytes: How long it was.
        received_ms: When the transport had it, Unix milliseconds.
    """

    reason: str
    batch_id: str = ""
    position: int = 0
    endpoint_id: str = ""
    app_version_name: str = ""
    resource: str = ""
    payload: bytes = b""
    payload_bytes: int = 0
    received_ms: int = 0


DATA_SAMPLES_RECEIVED: Final = EventType(
    originator="data-collection",
    entity="endpoint",
    group="data-collection",
    name="data-samples-received",
    event=DataSamplesEvent,
    summary="Samples of an endpoint are stored.",
)
DATA_POINTS_RECEIVED: Final = EventType(
    originator="data-collection",
    entity="endpoint",
    group="data-collection",
    name="data-points-received",
    event=TimeSeriesEvent,
    summary="A time series of an endpoint has new points; its name is one more token of the subject.",
    extra=("timeSeriesName",),
)
