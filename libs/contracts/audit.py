"""The audit trail: what was changed over REST, by whom, and what came of it.

The gateway writes every change down twice: before its owner is asked, and when the outcome is known. Both
say the same of the change and have the same id, so they may be stored in any order and any number of times.
Neither holds a body, a header or a value of anything: names and ids alone.
"""

import re
from typing import Final, Literal

from msgspec import UNSET, Struct, UnsetType, field

from libs.contracts.messages import ManagementRequest, Reply
from libs.contracts.subjects import Operation, Subjects

Outcome = Literal["succeeded", "refused", "unknown"]

MAX_ENTRIES: Final = 64
"""Of one batch: each has some hundred bytes, and 5 KiB at the very most."""

_FIRST_REFUSAL: Final = 400
_FIRST_FAULT: Final = 500
_TIME_DIGITS: Final = 12
_CURSOR = re.compile(r"[0-9a-f]{12}([0-9a-f]{16})?")
_RECORD_ID = re.compile(r"[0-9a-f]{28}")


class AuditEntry(Struct, rename="camel", frozen=True, kw_only=True, omit_defaults=True):
    """One change.

    Attributes:
        record_id: 28 hexadecimal digits: of the time in Unix milliseconds, then random ones. So ids are
            in the order of time.
        api_key_id: Who.
        api_key_name: What the key was called.
        operation: What, as OpenAPI names it: ``createEndpoint``.
        method: HTTP method.
        path: Path template.
        parameters: What its placeholders stood for.
        correlation_id: Finds the request in the logs.
        remote_address: Where the connection came from.
        application_name: Of which application it is; empty = of none, or not known.
        endpoint_id: Of which endpoint it is; empty = of none, or not known.
        status_code: HTTP status of the answer; 0 = not known yet.
    """

    record_id: str
    api_key_id: str
    api_key_name: str
    operation: str
    method: str
    path: str
    parameters: dict[str, str]
    correlation_id: str
    remote_address: str
    application_name: str = ""
    endpoint_id: str = ""
    status_code: int = 0

    @property
    def succeeded(self) -> bool:
        """Whether it is known to have been done."""
        return outcome_of(self.status_code) == "succeeded"


class AuditBatch(Struct, rename="camel", frozen=True):
    """What one publish to the stream holds: at most :data:`MAX_ENTRIES`."""

    entries: list[AuditEntry]


def audit_subject(subjects: Subjects) -> str:
    """``<root>.audit.rest``: where changes over REST are written down."""
    return f"{subjects.root}.audit.rest"


def record_id(time_ms: int, random: bytes) -> str:
    """Name a change made at an instant; ``random`` has 8 bytes."""
    return first_id(time_ms) + random.hex()


def is_record_id(text: str) -> bool:
    """Whether :func:`record_id` may have made it."""
    return _RECORD_ID.fullmatch(text) is not None


def is_cursor(text: str) -> bool:
    """Whether a page may have ended here: at a record, or between two."""
    return _CURSOR.fullmatch(text) is not None


def first_id(time_ms: int) -> str:
    """What all ids of this instant and of later ones are not less than."""
    return f"{time_ms:0{_TIME_DIGITS}x}"


def time_ms_of(record: str) -> int:
    """When a change was made, Unix milliseconds.

    Raises:
        ValueError: It is no record id.
    """
    return int(record[:_TIME_DIGITS], 16)


def outcome_of(status_code: int) -> Outcome:
    """What became of a change.

    A status of 500 and above leaves it open: the owner may have done it and not been able to say so.
    """
    if not status_code or status_code >= _FIRST_FAULT:
        return "unknown"
    return "refused" if status_code >= _FIRST_REFUSAL else "succeeded"


class AuditRecord(Struct, rename="camel", frozen=True, kw_only=True):
    """A change as REST shows it.

    Attributes:
        record_id: Names the record.
        time: When it was asked for, ISO 8601 UTC.
        api_key_id: Who did it.
        api_key_name: What the key was called then.
        operation: Which operation, as `/openapi.json` names it.
        method: HTTP method.
        path: Path template.
        parameters: What its placeholders stood for.
        application_name: Of which application; absent where it is of none, or not known.
        endpoint_id: Of which endpoint; absent where it is of none or of several.
        correlation_id: `Correlation-ID` of the answer.
        remote_address: Where the connection came from; behind a proxy that is the proxy.
        outcome: Whether it was done; `unknown` = no answer, or one above 499: look at what it was about.
        status_code: HTTP status of the answer; absent when there was none.
    """

    record_id: str
    time: str
    api_key_id: str
    api_key_name: str
    operation: str
    method: str
    path: str
    parameters: dict[str, str]
    application_name: str | UnsetType = UNSET
    endpoint_id: str | UnsetType = UNSET
    correlation_id: str
    remote_address: str
    outcome: Outcome
    status_code: int | UnsetType = UNSET


class AuditPage(Struct, rename="camel", frozen=True):
    """Records, the newest first.

    Attributes:
        content: Fewer than ``limit`` do not mean that there are no more.
        next: The ``cursor`` for those that follow; absent = there are none.
    """

    content: list[AuditRecord]
    next: str | UnsetType = UNSET


class ListAuditRecords(ManagementRequest, frozen=True, kw_only=True):
    """Records of changes, the newest first.

    Attributes:
        from_date: Not before this instant, ISO 8601.
        to_date: Before this instant, ISO 8601.
        api_key_id: Only what this API key did.
        endpoint_id: Only what was done to this endpoint.
        application_name: Only what was done to this application and to its endpoints.
        operation: Only this operation, as `/openapi.json` names it.
        limit: How many to return at most.
        cursor: `next` of the page before; all else as it was.
    """

    from_date: str | None = field(name="from", default=None)
    to_date: str | None = field(name="to", default=None)
    api_key_id: str | None = None
    endpoint_id: str | None = None
    application_name: str | None = None
    operation: str | None = None
    limit: int = 20
    cursor: str | None = None


class AuditPageReply(Reply, frozen=True, kw_only=True):
    """A page."""

    body: AuditPage


LIST_AUDIT_RECORDS = Operation(
    "credential-manager",
    "audit",
    "list",
    ListAuditRecords,
    AuditPageReply,
    "Records of changes over REST.",
)
