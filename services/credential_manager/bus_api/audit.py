"""The audit trail on the bus: what the stream holds, and questions of operators."""

from collections.abc import Sequence
from typing import Final

import msgspec
import structlog

from libs.bus import Bus, Delivery
from libs.contracts.audit import (
    LIST_AUDIT_RECORDS,
    AuditBatch,
    AuditEntry,
    AuditPageReply,
    ListAuditRecords,
    is_record_id,
)
from libs.contracts.streams import audit_consumer
from services.credential_manager.usecases.auditing import AuditParts, keep, list_records

_BATCHES: Final = 8
"""Taken together; each holds up to 64 records, and a thousand take the embedded store a second."""

_decode = msgspec.msgpack.Decoder(AuditBatch).decode
_log = structlog.get_logger()


class AuditHandlers:
    """One method for the stream, and one for the operation."""

    def __init__(self, parts: AuditParts) -> None:
        self._parts = parts

    async def serve(self, bus: Bus) -> None:
        """Answer questions."""
        await bus.serve(
            LIST_AUDIT_RECORDS.subject(bus.subjects),
            ListAuditRecords,
            self.on_list_records,
            queue=LIST_AUDIT_RECORDS.instance,
        )

    async def on_entries(self, deliveries: Sequence[Delivery]) -> None:
        """Keep what was written down; returning acknowledges it."""
        entries: list[AuditEntry] = []
        for delivery in deliveries:
            try:
                entries += _read(delivery.body)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ValueError) as error:
                _log.error("audit.not_readable", sequence=delivery.sequence, reason=str(error))
                delivery.term("not readable")
        if entries:
            await keep(entries, parts=self._parts)

    async def on_list_records(self, request: ListAuditRecords) -> AuditPageReply:
        return AuditPageReply(body=await list_records(request, parts=self._parts))


async def keep_audit(bus: Bus, handlers: AuditHandlers) -> None:
    """Root task: take what is in the stream."""
    await bus.consume(audit_consumer(bus.subjects), handlers.on_entries, batch=_BATCHES)


def _read(body: bytes) -> list[AuditEntry]:
    entries = _decode(body).entries
    if not all(is_record_id(entry.record_id) for entry in entries):
        raise ValueError("a record id is none")
    return entries
