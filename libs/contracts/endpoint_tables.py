"""Endpoints by the thousand, as rows of tables: what an import brings and an export takes along.

The gateway reads and writes CSV; here are the messages between it and endpoint-register, bounded in rows
and bytes so that neither holds more than a few of them.
"""

from typing import Any, Final

from msgspec import Struct

from libs.contracts.messages import ManagementRequest, Reply
from libs.contracts.subjects import Operation

MAX_ROWS: Final = 50
"""Most endpoints of one message; each is created in a few writes, and all of them at once."""


class EndpointRow(Struct, array_like=True, frozen=True):
    """An endpoint to create.

    Attributes:
        endpoint_id: The id to use; None = a random UUID.
        endpoint_token: The token to use; None = a generated one.
        metadata: As of a single endpoint.
    """

    endpoint_id: str | None
    endpoint_token: str | None
    metadata: dict[str, Any]


class RowOutcome(Struct, array_like=True, frozen=True):
    """What became of a row.

    Attributes:
        status_code: 201 = created, 409 = the id or the token is taken; others as of a single creation.
        endpoint_id: Of what was created.
        token: The same; it is told here and never again.
        reason: Why it was not created.
    """

    status_code: int
    endpoint_id: str = ""
    token: str = ""
    reason: str = ""


class ImportEndpoints(ManagementRequest, frozen=True, kw_only=True):
    """Some rows of an import; each becomes an endpoint or is refused, for itself.

    Attributes:
        application_version_name: The application version at which the endpoints start.
        payload: At most 50.
    """

    application_version_name: str
    payload: tuple[EndpointRow, ...] = ()


class ImportEndpointsReply(Reply, frozen=True, kw_only=True):
    """An outcome for each row, in their order."""

    rows: tuple[RowOutcome, ...]


class ExportedRow(Struct, array_like=True, frozen=True):
    """An endpoint as a row; the date is ISO 8601 UTC, ``metadata`` has the keys asked for."""

    endpoint_id: str
    app_version: str
    created_date: str
    metadata: dict[str, Any]


class ExportEndpoints(ManagementRequest, frozen=True, kw_only=True):
    """Some endpoints as rows, by application and id.

    Attributes:
        application_name: Only of this application.
        application_version_name: Only at this version.
        columns: Metadata keys to add, a column each, several separated by commas.
        after: What the last message named as next; empty = from the start.
    """

    application_name: str | None = None
    application_version_name: str | None = None
    columns: tuple[str, ...] = ()
    after: str = ""


class ExportEndpointsReply(Reply, frozen=True, kw_only=True):
    """Rows, and where the next begin; no ``next`` = these are the last."""

    rows: tuple[ExportedRow, ...]
    next: str = ""


_OWNER, _PROTOCOL = "endpoint-register", "endpoints"

IMPORT_ENDPOINTS = Operation(
    _OWNER, _PROTOCOL, "import", ImportEndpoints, ImportEndpointsReply, "Create endpoints from rows."
)
EXPORT_ENDPOINTS = Operation(
    _OWNER, _PROTOCOL, "export", ExportEndpoints, ExportEndpointsReply, "Read endpoints as rows."
)
