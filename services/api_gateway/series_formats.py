"""Points of time series as text, piece by piece: Kaa's array, lines of JSON, CSV.

What is written down needs no more memory than the piece at hand: runs come endpoint by endpoint, series by
series, and a run may go on in the next piece.
"""

import csv
import io
from collections.abc import Iterable, Mapping
from typing import Any, Final, Protocol

import msgspec

from libs.contracts.time_series import Run, iso

JSON: Final = "application/json"
NDJSON: Final = "application/x-ndjson"
CSV: Final = "text/csv"

_encode = msgspec.json.Encoder().encode
_UNSAFE: Final = ("=", "+", "-", "@", "\t", "\r")
"""What makes a spreadsheet take a text for a formula."""


class SeriesFormat(Protocol):
    """Writes runs down."""

    def start(self) -> bytes:
        """What stands before everything."""

    def piece(self, run: Run) -> bytes:
        """The points of a run."""

    def end(self) -> bytes:
        """What stands behind everything."""


class JsonArray:
    """``[{"<endpoint>":{"<series>":[{"timestamp","values"},...],...}},...]``."""

    def __init__(self) -> None:
        self._endpoint: str | None = None
        self._series: str | None = None

    def start(self) -> bytes:
        """Open the array."""
        return b"["

    def piece(self, run: Run) -> bytes:
        """Continue the series at hand, or close it and open the next."""
        points = [{"timestamp": iso(at), "values": values} for at, values in run.points]
        before = self._before(run)
        self._endpoint, self._series = run.endpoint_id, run.series
        return before + _encode(points)[1:-1]

    def end(self) -> bytes:
        """Close everything."""
        return b"]" if self._endpoint is None else b"]}}]"

    def _before(self, run: Run) -> bytes:
        if self._endpoint != run.endpoint_id:
            closed = b"" if self._endpoint is None else b"]}},"
            return closed + b"{%b:{%b:[" % (_encode(run.endpoint_id), _encode(run.series))
        return b"," if self._series == run.series else b"],%b:[" % _encode(run.series)


class JsonLines:
    """One line a point."""

    def start(self) -> bytes:
        """Nothing."""
        return b""

    def piece(self, run: Run) -> bytes:
        """A line for each point."""
        named = {"endpointId": run.endpoint_id, "timeSeriesName": run.series}
        lines = [_encode(named | {"timestamp": iso(at), "values": values}) for at, values in run.points]
        return b"".join(line + b"\n" for line in lines)

    def end(self) -> bytes:
        """Nothing."""
        return b""


class CommaSeparated:
    """One line a value (RFC 4180): an aggregate is a value named ``<value>.<aggregate>``."""

    def start(self) -> bytes:
        """The header."""
        return b"endpointId,timeSeriesName,timestamp,name,value\r\n"

    def piece(self, run: Run) -> bytes:
        """A line for each value of each point."""
        text = io.StringIO()
        rows = csv.writer(text)
        for at, values in run.points:
            date = iso(at)
            for name, value in _flat(values):
                rows.writerow([run.endpoint_id, run.series, date, _text(name), _cell(value)])
        return text.getvalue().encode()

    def end(self) -> bytes:
        """Nothing."""
        return b""


FORMATS: Final[Mapping[str, type[SeriesFormat]]] = {JSON: JsonArray, NDJSON: JsonLines, CSV: CommaSeparated}
MEDIA_TYPES: Final = tuple(FORMATS)


EXAMPLE: Final = Run("tree-17", "auto~temperature", [(1_795_231_898_000, {"value": 21.5})])


def written(runs: Iterable[Run], media_type: str) -> str:
    """Write runs down, whole."""
    form = FORMATS[media_type]()
    return b"".join((form.start(), *map(form.piece, runs), form.end())).decode()


def chosen(accept: str) -> str:
    """The media type for an Accept header: the first of ours with the highest weight, else JSON."""
    best, weight = JSON, 0.0
    for part in accept.split(","):
        name, *parameters = (each.strip().lower() for each in part.split(";"))
        found = next((float(each[2:]) for each in parameters if _is_weight(each)), 1.0)
        if name in FORMATS and found > weight:
            best, weight = name, found
    return best


def _is_weight(parameter: str) -> bool:
    return (
        parameter.startswith("q=") and parameter[2:].replace(".", "", 1).isdecimal() and parameter.isascii()
    )


def _flat(values: Mapping[str, Any]) -> list[tuple[str, Any]]:
    return [
        (name if inner is None else f"{name}.{inner}", each)
        for name, value in values.items()
        for inner, each in (value.items() if isinstance(value, dict) else [(None, value)])
    ]


def _cell(value: Any) -> str:  # noqa: ANN401 - a value of a point
    if isinstance(value, str):
        return _text(value)
    return "" if value is None else _encode(value).decode()


def _text(text: str) -> str:
    """A device must not be able to hand a formula to whoever opens the file."""
    return f"'{text}" if text.startswith(_UNSAFE) else text
