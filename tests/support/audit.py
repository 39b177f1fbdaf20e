"""The audit trail in memory, held to the same contract as the real one, and records to put into it."""

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from libs.contracts.audit import AuditEntry, record_id, time_ms_of
from libs.contracts.errors import UnavailableError
from services.credential_manager.domain.audit import Holder, Range

NOON_MS = 1_795_262_400_000
"""2026-11-21T12:00:00Z."""


def entry(number: int, *, second: float = 0.0, random: int | None = None, **fields: object) -> AuditEntry:
    """A change made so many seconds after noon; its number is in its id and its correlation id."""
    plain = AuditEntry(
        record_id=record_id(
            NOON_MS + int(second * 1000), (number if random is None else random).to_bytes(8, "big")
        ),
        api_key_id="key-1",
        api_key_name="planner",
        operation="putMetadata",
        method="PUT",
        path="/epr/api/v1/endpoints/{endpointId}/metadata",
        parameters={"endpointId": "tree-1"},
        correlation_id=f"c{number}",
        remote_address="192.0.2.7",
        endpoint_id="tree-1",
        application_name="olives",
        status_code=204,
    )
    return msgspec.structs.replace(plain, **fields)


class InMemoryAuditRepository:
    """Records by id."""

    def __init__(self) -> None:
        self.records: dict[str, AuditEntry] = {}
        self.noted: dict[str, Holder] = {}
        self.away = False

    async def put(self, entries: Sequence[AuditEntry]) -> None:
        self._check_here()
        for given in entries:
            known = self.records.setdefault(given.record_id, given)
            if given.status_code:
                self.records[given.record_id] = msgspec.structs.replace(
                    known,
                    status_code=given.status_code,
                    endpoint_id=given.endpoint_id or known.endpoint_id,
                    application_name=given.application_name or known.application_name,
                )

    async def newest(self, span: Range, *, limit: int) -> list[AuditEntry]:
        self._check_here()
        found = [each for each in self.records.values() if span.first <= each.record_id < span.end]
        if span.criterion is not None:
            name, value = span.criterion
            field = {
                "endpointId": "endpoint_id",
                "apiKeyId": "api_key_id",
                "application": "application_name",
            }
            found = [each for each in found if getattr(each, field[name]) == value]
        return sorted(found, key=lambda each: each.record_id, reverse=True)[:limit]

    async def holders(self, endpoint_ids: Iterable[str]) -> dict[str, Holder]:
        self._check_here()
        return {each: self.noted[each] for each in endpoint_ids if each in self.noted}

    async def note(self, holders: Mapping[str, Holder]) -> None:
        self._check_here()
        self.noted |= holders

    async def forget(self, *, from_ms: int, before_ms: int) -> int:
        self._check_here()
        gone = [each for each in self.records if from_ms <= time_ms_of(each) < before_ms]
        for each in gone:
            del self.records[each]
        return len(gone)

    async def forget_holders(self, *, before_ms: int) -> None:
        self.noted = {name: each for name, each in self.noted.items() if each.noted_ms >= before_ms}

    def _check_here(self) -> None:
        if self.away:
            raise UnavailableError("the store cannot be reached")
