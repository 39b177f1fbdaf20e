"""What became of the rows of an import, as lines of JSON or CSV: the gateway writes and grove reads them."""

from collections.abc import Iterable
from typing import Final

import msgspec

from libs.contracts.csv_text import shielded, table

CSV_HEADER: Final = b"line,status,endpointId,token,reason\r\n"

_encode = msgspec.json.Encoder().encode


class RowLine(msgspec.Struct, rename="camel", frozen=True, omit_defaults=True, kw_only=True):
    """What became of a row.

    Attributes:
        line: Number of the line where the row begins; the header is usually line 1.
        status: 201 = created, 409 = the id or the token is taken, else why not.
        endpoint_id: Of what was created, or the one that was asked for.
        token: Of what was created; it is told here and never again.
        reason: Why it was not created.
        ended: The import ends here, although there may be more rows.
    """

    line: int
    status: int
    endpoint_id: str = ""
    token: str = ""
    reason: str = ""
    ended: bool = False


def as_json(lines: Iterable[RowLine]) -> bytes:
    """One object a line; what there is not is left out."""
    return b"".join(_encode(line) + b"\n" for line in lines)


def as_csv(lines: Iterable[RowLine]) -> bytes:
    """One row a line, without a header."""
    return table(
        [str(line.line), str(line.status), *map(shielded, (line.endpoint_id, line.token, line.reason))]
        for line in lines
    )
