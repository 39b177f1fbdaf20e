"""What the columns of a table of endpoints mean, and what its cells say.

``endpointId`` and ``endpointToken`` are what they are called; ``appVersion`` and ``createdDate`` are read
over, so that what was exported can be imported. Every other column is a metadata key, in front of which
``metadata.`` may stand (it must, for keys named like one of these). Values are text unless the column says
otherwise: ``floor:number``, ``shaded:boolean``, ``position:json``. An empty cell is no value.
Texts are shielded from spreadsheets: see :mod:`libs.contracts.csv_text`.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from libs.contracts.csv_text import shielded, unshielded
from libs.contracts.endpoint_tables import EndpointRow
from libs.contracts.errors import BadRequestError
from libs.contracts.ids import check_metadata_key
from libs.contracts.payload import JsonValue, decode_json, encode_json
from services.api_gateway.csv_records import Record
from services.api_gateway.problems import InvalidRequestError, Problem, glimpse

ID: Final = "endpointId"
TOKEN: Final = "endpointToken"  # noqa: S105 - the name of a column
READ_OVER: Final = ("appVersion", "createdDate")
MAX_COLUMNS: Final = 1000
MAX_HEADER_BYTES: Final = 8 * 1024
"""Keys are repeated in every row on the bus, where fifty rows share 768 KiB."""

_OWN: Final = (ID, TOKEN, *READ_OVER)
_PREFIX: Final = "metadata."
_MEANT: Final = {"endpointid": ID, "endpointtoken": TOKEN, "token": TOKEN}
_KINDS: Final[Mapping[str, tuple[tuple[type, ...], str]]] = {
    "number": ((int, float), "a number"),
    "boolean": ((bool,), "true or false"),
    "json": ((object,), "JSON"),
}


def cell_of(value: JsonValue) -> str:
    """Write a value: text as it is, all else as JSON, null as nothing."""
    if isinstance(value, str):
        return shielded(value)
    return "" if value is None else encode_json(value).decode()


def header_line(keys: Sequence[str]) -> list[str]:
    """Name the columns of an export."""
    return [ID, *READ_OVER, *(f"{_PREFIX}{key}" if key in _OWN or _meant(key) else key for key in keys)]


@dataclass(frozen=True, slots=True)
class _Column:
    """What stands in a column.

    Attributes:
        name: :data:`ID`, :data:`TOKEN`, one that is read over, or a metadata key.
        is_key: Whether it is a metadata key.
        kind: How the cells are read: ``text`` or one of :data:`_KINDS`.
    """

    name: str
    is_key: bool
    kind: str = "text"


class Columns:
    """The header of a table, and by it every other row."""

    def __init__(self, header: Record) -> None:
        """Understand the header.

        Raises:
            InvalidRequestError: With everything that is wrong with it.
        """
        problems: list[Problem] = []
        if header.size > MAX_HEADER_BYTES or len(header.cells) > MAX_COLUMNS:
            text = f"has more than {MAX_COLUMNS} columns or {MAX_HEADER_BYTES} bytes"
            raise InvalidRequestError([Problem(f"line {header.line}", text)])
        columns: list[_Column] = []
        for number, cell in enumerate(header.cells, start=1):
            try:
                columns.append(_column(_sound(cell.strip())))
            except BadRequestError as error:
                problems.append(Problem(f"line {header.line}, column {number}", error.reason_phrase))
        twice = [
            column
            for column, count in Counter((each.is_key, each.name) for each in columns).items()
            if count > 1
        ]
        problems += [Problem(f"line {header.line}", f"the column {name} is there twice") for _, name in twice]
        if problems:
            raise InvalidRequestError(problems)
        self._columns = columns

    def row_of(self, record: Record) -> EndpointRow:
        """Read an endpoint to create.

        Raises:
            BadRequestError: A cell is not what its column takes, or there are too few or too many.
        """
        if len(record.cells) != len(self._columns):
            raise BadRequestError(
                f"the row has {len(record.cells)} cells, the header has {len(self._columns)}"
            )
        names: dict[str, str] = {}
        metadata: dict[str, Any] = {}
        for column, cell in zip(self._columns, record.cells, strict=True):
            try:
                if not _sound(cell):
                    continue
                if column.is_key:
                    metadata[column.name] = _value(cell, column.kind)
                elif column.name not in READ_OVER:
                    names[column.name] = _name(cell)
            except BadRequestError as error:
                raise BadRequestError(f"{column.name}: {error.reason_phrase}") from None
        return EndpointRow(names.get(ID), names.get(TOKEN), metadata)


def _column(cell: str) -> _Column:
    name, _, kind = cell.partition(":")
    if name in _OWN and not kind:
        return _Column(name, is_key=False)
    if not name:
        raise BadRequestError("has no name")
    meant = _meant(name)
    if meant:
        raise BadRequestError(
            f"{glimpse(name)}: did you mean {meant}? As a metadata key it is {_PREFIX}<key>"
        )
    if kind and kind not in {"text", *_KINDS}:
        raise BadRequestError(f"{glimpse(kind)} is no kind of value, only text, {', '.join(_KINDS)}")
    if ";" in name or "\t" in name:
        raise BadRequestError("columns are separated by commas")
    return _Column(check_metadata_key(name.removeprefix(_PREFIX)), is_key=True, kind=kind or "text")


def _sound(cell: str) -> str:
    if not cell.isascii():
        try:
            cell.encode()
        except UnicodeEncodeError:
            raise BadRequestError("the cell is not UTF-8; save the table as CSV UTF-8") from None
    if "\x00" in cell:
        raise BadRequestError("the cell holds a NUL character")
    return cell


def _name(cell: str) -> str:
    name = _text(cell)
    if name != name.strip():
        raise BadRequestError("begins or ends with a space")
    return name


def _text(cell: str) -> str:
    return unshielded(cell)


def _value(cell: str, kind: str) -> JsonValue:
    if kind == "text":
        return _text(cell)
    accepted, words = _KINDS[kind]
    try:
        value = decode_json(cell.encode())
    except BadRequestError as error:
        raise BadRequestError(f"must be {words}: {error.reason_phrase}") from None
    if not isinstance(value, accepted) or (isinstance(value, bool) and kind == "number"):
        raise BadRequestError(f"must be {words}")
    return value


def _meant(name: str) -> str | None:
    """Tell which column of ours somebody had in mind."""
    return _MEANT.get(name.lower().replace("_", "").replace(" ", ""))
