"""What a question about the audit trail means, and how what is said of a change twice is put together.

A question is answered from one index, that of its rarest criterion; the others are compared one by one.
Time is gone back through in steps, small ones first, because a store may read all of a range for its newest.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import msgspec
from msgspec import UNSET

from libs.contracts.api_keys import check_limits
from libs.contracts.audit import (
    AuditEntry,
    AuditRecord,
    ListAuditRecords,
    first_id,
    is_cursor,
    outcome_of,
    time_ms_of,
)
from libs.contracts.errors import BadRequestError
from libs.contracts.ids import MAX_NAME_LENGTH, check_application_name, check_endpoint_id
from libs.contracts.instants import iso_ms
from libs.contracts.paging import check_page

FIRST_STEP_MS: Final = 1_000
"""How far back is looked first; each step is eight times the one before."""

_GROWTH: Final = 8
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)
_LATEST_ID: Final = "g"
"""Behind every id: they are hexadecimal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """Records one index finds.

    Attributes:
        criterion: Field and value they have in common; None = all.
        first: No id is less than this.
        end: All ids are less than this.
    """

    criterion: tuple[str, str] | None = None
    first: str = first_id(0)
    end: str = _LATEST_ID


@dataclass(frozen=True, slots=True)
class Holder:
    """The application an endpoint is of, and when that was noted, Unix milliseconds."""

    application: str
    noted_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditQuery:
    """A checked question.

    Attributes:
        span: Where the records are looked for.
        api_key_id: Only of this key; empty = of any.
        endpoint_id: Only of this endpoint.
        operation: Only this one.
        applications: Only of these; None = whatever they are of.
        limit: Most records of the answer.
    """

    span: Range
    api_key_id: str
    endpoint_id: str
    operation: str
    applications: frozenset[str] | None
    limit: int

    def wants(self, entry: AuditEntry) -> bool:
        """Whether a record of :attr:`span` belongs to the answer."""
        return (
            self.api_key_id in {"", entry.api_key_id}
            and self.endpoint_id in {"", entry.endpoint_id}
            and self.operation in {"", entry.operation}
            and (self.applications is None or entry.application_name in self.applications)
        )


def steps(span: Range, *, now_ms: int, first_step_ms: int = FIRST_STEP_MS) -> Iterator[Range]:
    """Take a range apart, the newest part first; together they are all of it."""
    end, step_ms = span.end, first_step_ms
    while end > span.first:
        end_ms = now_ms if end == _LATEST_ID else time_ms_of(end)
        first = max(span.first, first_id(max(0, end_ms - step_ms)))
        yield Range(criterion=span.criterion, first=first, end=end)
        end, step_ms = first, step_ms * _GROWTH


def query_of(request: ListAuditRecords, *, oldest_ms: int) -> AuditQuery:
    """Accept a question; nothing is older than ``oldest_ms``.

    Raises:
        BadRequestError: A parameter is wrong; the phrase names it.
        ForbiddenError: The key may not touch the application.
    """
    check_page(offset=0, limit=request.limit)
    first, end = _span(request, first_id(oldest_ms))
    if request.endpoint_id is not None:
        check_endpoint_id(request.endpoint_id)
    if request.application_name is not None:
        check_application_name(request.application_name)
        check_limits(request.applications, request.application_name)
    allowed = request.applications if request.application_name is None else (request.application_name,)
    return AuditQuery(
        span=Range(criterion=_criterion(request, allowed), first=first, end=end),
        api_key_id=_short(request.api_key_id, name="apiKeyId"),
        endpoint_id=request.endpoint_id or "",
        operation=_short(request.operation, name="operation"),
        applications=None if allowed is None else frozenset(allowed),
        limit=request.limit,
    )


def merged(entries: Iterable[AuditEntry]) -> list[AuditEntry]:
    """Put together what is said of the same changes: an outcome says all that its beginning says."""
    found: dict[str, AuditEntry] = {}
    for entry in entries:
        known = found.get(entry.record_id)
        if known is None or (entry.status_code and not known.status_code):
            found[entry.record_id] = entry
    return list(found.values())


def with_application(entry: AuditEntry, application: str) -> AuditEntry:
    """Say which application a record is of."""
    return msgspec.structs.replace(entry, application_name=application)


def record_of(entry: AuditEntry) -> AuditRecord:
    """A record as REST shows it."""
    return AuditRecord(
        record_id=entry.record_id,
        time=iso_ms(_EPOCH + timedelta(milliseconds=time_ms_of(entry.record_id))),
        api_key_id=entry.api_key_id,
        api_key_name=entry.api_key_name,
        operation=entry.operation,
        method=entry.method,
        path=entry.path,
        parameters=entry.parameters,
        application_name=entry.application_name or UNSET,
        endpoint_id=entry.endpoint_id or UNSET,
        correlation_id=entry.correlation_id,
        remote_address=entry.remote_address,
        outcome=outcome_of(entry.status_code),
        status_code=entry.status_code or UNSET,
    )


def _span(request: ListAuditRecords, oldest: str) -> tuple[str, str]:
    first = oldest if request.from_date is None else first_id(_date_ms(request.from_date, name="from"))
    end = _LATEST_ID if request.to_date is None else first_id(_date_ms(request.to_date, name="to"))
    if request.from_date is not None and first > end:
        raise BadRequestError("from: must not be after to")
    if request.cursor is not None:
        if not is_cursor(request.cursor):
            raise BadRequestError("cursor: must be the next of the page before")
        end = min(end, request.cursor)
    return max(first, oldest), end


def _criterion(request: ListAuditRecords, allowed: tuple[str, ...] | None) -> tuple[str, str] | None:
    if request.endpoint_id:
        return "endpointId", request.endpoint_id
    if request.api_key_id:
        return "apiKeyId", request.api_key_id
    if allowed is not None and len(allowed) == 1:
        return "application", allowed[0]
    return None


def _short(text: str | None, *, name: str) -> str:
    if text is not None and len(text) > MAX_NAME_LENGTH:
        raise BadRequestError(f"{name}: must be at most {MAX_NAME_LENGTH} characters")
    return text or ""


def _date_ms(text: str, *, name: str) -> int:
    try:
        # In a query string a + that was not escaped arrives as a space.
        instant = datetime.fromisoformat(text.strip().replace(" ", "+") if "T" in text else text)
        found = ((instant if instant.tzinfo else instant.replace(tzinfo=UTC)) - _EPOCH) // _MILLISECOND
    except (ValueError, OverflowError):
        raise BadRequestError(f"{name}: must be an ISO 8601 date such as 2026-11-21T03:31:38Z") from None
    if found < 0:
        raise BadRequestError(f"{name}: must not be before 1970")
    return found
