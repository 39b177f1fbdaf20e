"""Keep the audit trail, answer questions about it, and forget what is older than it is kept.

Everything comes at least once and perhaps out of order; the repository makes one record of it. A record that
names an endpoint and not its application gets that here, so that it is found, and seen, by application.
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final

import structlog
from msgspec import UNSET

from libs.contracts.audit import (
    AuditEntry,
    AuditPage,
    AuditRecord,
    ListAuditRecords,
    first_id,
    time_ms_of,
)
from libs.contracts.errors import GroveError
from libs.contracts.ids import EndpointId
from libs.contracts.instants import unix_ms
from services.credential_manager.domain.audit import (
    AuditQuery,
    Holder,
    Range,
    merged,
    query_of,
    record_of,
    steps,
    with_application,
)
from services.credential_manager.ports import AuditRepository, Clock, EndpointDirectory

MAX_PASSED: Final = 5_000
"""Records that are looked at for one page; it ends there, full or not."""
MAX_BYTES: Final = 400_000
"""Of a page, half of what a message may have: what a record takes there is only estimated."""
ANSWER_S: Final = 3.0
"""After which a page ends where it is; below the 5 s a caller waits."""
_ROUND: Final = 500
_FIRST_SPAN_MS: Final = 600_000
_DAY_MS: Final = 86_400_000
_DIRECTORY_S: Final = 2.0
"""For all questions about one batch: while nobody answers, records are kept without an application."""
_RECORD_BYTES: Final = 400

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditParts:
    """What the trail is kept with.

    Attributes:
        records: Where.
        endpoints: Who knows the applications of endpoints.
        clock: What time it is.
        kept_for: How long.
    """

    records: AuditRepository
    endpoints: EndpointDirectory
    clock: Clock
    kept_for: timedelta

    def oldest_ms(self) -> int:
        """What is older is not kept, Unix milliseconds."""
        return max(0, unix_ms(self.clock.now() - self.kept_for))


async def keep(entries: Sequence[AuditEntry], *, parts: AuditParts) -> None:
    """Store what was said of changes; again, if need be.

    Raises:
        UnavailableError: The store is away.
    """
    changes = merged(entries)
    applications = await _applications(changes, parts=parts)
    await parts.records.put(
        [
            entry
            if entry.application_name
            else with_application(entry, applications.get(entry.endpoint_id, ""))
            for entry in changes
        ]
    )


async def list_records(request: ListAuditRecords, *, parts: AuditParts) -> AuditPage:
    """Give a page of records, the newest first.

    Raises:
        BadRequestError: A parameter is wrong; the phrase names it.
        ForbiddenError: The key may not touch the application.
        UnavailableError: The store is away.
    """
    query = query_of(request, oldest_ms=parts.oldest_ms())
    page = _Page(query)
    with suppress(TimeoutError):
        async with asyncio.timeout(ANSWER_S):
            for span in steps(query.span, now_ms=unix_ms(parts.clock.now())):
                await _read(span, page, parts=parts)
                if page.full:
                    return AuditPage(page.found, next=page.end)
            return AuditPage(page.found, next=UNSET)
    return AuditPage(page.found, next=page.end)


async def keep_forgetting(parts: AuditParts, *, every_s: float) -> None:
    """Root task: never ends by itself."""
    while True:
        try:
            await forget(parts)
        except GroveError as error:
            _log.warning("audit.forgetting_later", reason=error.reason_phrase)
        await asyncio.sleep(every_s)


async def forget(parts: AuditParts) -> int:
    """Delete what is older than it is kept; return how many records that were.

    Span by span, the latest first: what came to its age since the last time is in the first ones.

    Raises:
        UnavailableError: The store is away; the rest goes another time.
    """
    before_ms = parts.oldest_ms()
    deleted = 0
    for span in steps(Range(end=first_id(before_ms)), now_ms=before_ms, first_step_ms=_FIRST_SPAN_MS):
        from_ms, to_ms = time_ms_of(span.first), time_ms_of(span.end)
        deleted += await parts.records.forget(from_ms=from_ms, before_ms=to_ms)
    await parts.records.forget_holders(before_ms=before_ms)
    return deleted


class _Page:
    """An answer being made."""

    def __init__(self, query: AuditQuery) -> None:
        self.found: list[AuditRecord] = []
        self.end = query.span.end
        self.full = False
        self._query = query
        self._passed = 0
        self._size = 0

    def take(self, entry: AuditEntry) -> None:
        """Look at the next older record."""
        if self._query.wants(entry):
            if len(self.found) == self._query.limit or self._size > MAX_BYTES:
                self.full = True
                return
            self.found.append(record_of(entry))
            self._size += _size_of(entry)
        self.end = entry.record_id
        self._passed += 1
        self.full = self._passed >= MAX_PASSED


async def _read(span: Range, page: _Page, *, parts: AuditParts) -> None:
    """Look at the records of a range until there are no more or the page is full."""
    while True:
        entries = await parts.records.newest(span, limit=_ROUND)
        for entry in entries:
            page.take(entry)
            if page.full:
                return
        if len(entries) < _ROUND:
            page.end = span.first
            return
        span = replace(span, end=page.end)


async def _applications(changes: Sequence[AuditEntry], *, parts: AuditParts) -> dict[str, str]:
    """Find the applications of endpoints: as this batch, what was noted or the register says.

    Only a change that succeeded may say so: what a caller claimed proves nothing.
    """
    now_ms = unix_ms(parts.clock.now())
    named = [each for each in changes if each.endpoint_id]
    noted = await parts.records.holders({each.endpoint_id for each in named})
    known = {endpoint_id: holder.application for endpoint_id, holder in noted.items()}
    known |= {
        each.endpoint_id: each.application_name for each in named if each.application_name and each.succeeded
    }
    missing = {each.endpoint_id for each in named if not each.application_name} - known.keys()
    with suppress(TimeoutError):
        async with asyncio.timeout(_DIRECTORY_S):
            for endpoint_id in sorted(missing):
                with suppress(GroveError):
                    found = await parts.endpoints.find(EndpointId(endpoint_id), allowed=None)
                    known[endpoint_id] = found.application
    new = {
        endpoint_id: Holder(application, now_ms)
        for endpoint_id, application in known.items()
        if endpoint_id not in noted
        or noted[endpoint_id].application != application
        or noted[endpoint_id].noted_ms < now_ms - _DAY_MS
    }
    await parts.records.note(new)
    return known


def _size_of(entry: AuditEntry) -> int:
    texts = (*entry.parameters.values(), entry.api_key_name, entry.endpoint_id, entry.application_name)
    return _RECORD_BYTES + sum(len(text.encode()) for text in texts)
