"""The service on the bus: ``operations`` of credentials and API keys, ``audit`` who changed what.

No rule lives here.
"""

from libs.contracts.audit import LIST_AUDIT_RECORDS
from libs.contracts.subjects import AnyEventType, AnyOperation
from services.credential_manager.bus_api.audit import AuditHandlers, keep_audit
from services.credential_manager.bus_api.operations import (
    CREDENTIAL_SUBJECTS,
    BusApi,
    BusEndpointDirectory,
    BusEventPublisher,
)

SUBJECTS: tuple[AnyOperation | AnyEventType, ...] = (*CREDENTIAL_SUBJECTS, LIST_AUDIT_RECORDS)

__all__ = [
    "SUBJECTS",
    "AuditHandlers",
    "BusApi",
    "BusEndpointDirectory",
    "BusEventPublisher",
    "keep_audit",
]
