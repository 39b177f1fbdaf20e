"""``/epr/api/v1/endpoints``: tables of endpoints, in and out. Ours; Kaa has batches of a thousand."""

from libs.contracts import endpoint_tables as contract
from libs.contracts.api_keys import Scope
from services.api_gateway.routes.declaration import Document, Route, Table, Tag
from services.api_gateway.series_formats import CSV, NDJSON

_ENDPOINTS = "/epr/api/v1/endpoints"

_TAG = Tag(
    name="Tables of endpoints",
    description="Endpoints by the thousand, as CSV; `python -m tools.grove import` does it from a terminal.",
)
_TABLE = (
    "endpointId,endpointToken,location,floor:number\r\n"
    "tree-17,secret17,By the well,3\r\n"
    "tree-18,,By the gate,-1\r\n"
)
_EXPORTED = (
    "endpointId,appVersion,createdDate,location\r\ntree-17,olives-v1,2026-11-21T03:32:01.500Z,By the well\r\n"
)
_LINES = (
    '{"line":2,"status":409,"endpointId":"tree-17","reason":"endpoint id tree-17 is taken"}\n'
    '{"line":3,"status":201,"endpointId":"tree-18","token":"hQ8b2xXk0vT3mZ1yR7sWc4Pd"}\n'
)
_ROWS = (
    "line,status,endpointId,token,reason\r\n"
    "2,409,tree-17,,endpoint id tree-17 is taken\r\n"
    "3,201,tree-18,hQ8b2xXk0vT3mZ1yR7sWc4Pd,\r\n"
)

ROUTES = (
    Route(
        tag=_TAG,
        method="POST",
        path=f"{_ENDPOINTS}/import",
        operation=contract.IMPORT_ENDPOINTS,
        scope=Scope.WRITE,
        table=Table.IMPORT,
        summary="Import endpoints",
        description="Creates an endpoint for each row of a CSV table (RFC 4180, UTF-8, commas, a header, at "
        "most 100,000 rows of 128 KiB), and tells what becomes of each while the table is still sent: read "
        "the answer while you send. A row is created whole, as by *Create an endpoint*, or refused with its "
        "reason; none stops the others. The `token` is told here and never again.\n\n"
        "The columns `endpointId` and `endpointToken` may be left out, or empty: then they are generated. "
        "Every other column is a metadata key, `location` or `metadata.location`; its values are text unless "
        "it says otherwise: `floor:number`, `shaded:boolean`, `position:json`. An empty cell sets no key, a "
        "row of empty cells is passed over, and so are the columns `appVersion` and `createdDate` of an "
        "export.\n\n"
        "Import the same table again and what is there already is told as 409, as long as its rows name an "
        "`endpointId` or an `endpointToken`. A line with `ended` is the last: after a broken quote, a row "
        "that is too long, 20 s without a row, or while the service is away, the rest is left undone.",
        document=Document(schema={"type": "string"}, kind=str, media_type=CSV),
        answer={"type": "string"},
        request_example=_TABLE,
        response_example=_LINES,
        texts={NDJSON: _LINES, CSV: _ROWS},
        errors={
            404: "The application version does not exist.",
            408: "The header did not arrive in time.",
            409: "The application version is being removed.",
            413: "The header is too long; rows that are too long are told in the answer.",
        },
    ),
    Route(
        tag=_TAG,
        method="GET",
        path=f"{_ENDPOINTS}/export",
        operation=contract.EXPORT_ENDPOINTS,
        scope=Scope.READ,
        table=Table.EXPORT,
        summary="Export endpoints",
        description="All endpoints the API key may see, or those of an application or version, as CSV "
        "ordered by application and id, streamed. An answer that breaks off has no end.\n\n"
        "`columns` adds metadata keys: texts as they are, other values as JSON, nothing where there is none. "
        "A text that begins with `=`, `+`, `-`, `@`, a tab or a carriage return has an apostrophe in front, "
        "so that no spreadsheet takes it for a formula; an import takes it away again.",
        answer={"type": "string"},
        response_example=_EXPORTED,
        texts={CSV: _EXPORTED},
        errors={404: "The `applicationVersionName` cannot be the name of a version."},
    ),
)
