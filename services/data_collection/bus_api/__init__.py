"""The service on the bus: the stream of batches, events out, requests of operators.

No rule lives here. ``ingest`` is what arrives from streams, ``forgetting`` which applications may be gone,
``telling`` the ports that are the bus.
"""

from libs.contracts.data_events import DATA_POINTS_RECEIVED, DATA_SAMPLES_RECEIVED
from libs.contracts.lifecycle import CONFIGURATION_DELETED, CONFIGURATION_UPSERTED, UNREGISTERED
from libs.contracts.subjects import AnyEventType, AnyOperation
from services.data_collection.bus_api.forgetting import ApplicationHandlers, follow_applications
from services.data_collection.bus_api.ingest import IngestHandlers, collect_batches, follow_removals
from services.data_collection.bus_api.queries import QUERY_SUBJECTS
from services.data_collection.bus_api.telling import (
    BusDataEvents,
    BusReplies,
    StreamIngest,
    StreamRejections,
)

SUBJECTS: tuple[AnyOperation | AnyEventType, ...] = (
    DATA_SAMPLES_RECEIVED,
    DATA_POINTS_RECEIVED,
    UNREGISTERED,
    CONFIGURATION_UPSERTED,
    CONFIGURATION_DELETED,
    *QUERY_SUBJECTS,
)

__all__ = [
    "SUBJECTS",
    "ApplicationHandlers",
    "BusDataEvents",
    "BusReplies",
    "IngestHandlers",
    "StreamIngest",
    "StreamRejections",
    "collect_batches",
    "follow_applications",
    "follow_removals",
]
