"""In which format an import tells what became of its rows."""

from collections.abc import Callable, Iterable, Mapping
from typing import Final

from libs.contracts.row_lines import CSV_HEADER, RowLine, as_csv, as_json
from services.api_gateway.series_formats import CSV, NDJSON, chosen

ROW_FORMATS: Final[Mapping[str, tuple[bytes, Callable[[Iterable[RowLine]], bytes]]]] = {
    NDJSON: (b"", as_json),
    CSV: (CSV_HEADER, as_csv),
}
"""What stands in front, and how lines are written, by media type."""


def row_format(accept: str) -> str:
    """The media type for an Accept header: CSV where it is asked for, else lines of JSON."""
    return CSV if chosen(accept) == CSV else NDJSON
