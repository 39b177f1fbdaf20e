"""CSV of whatever kind: records with the right lines, cells as they were meant, and never a traceback."""

import csv
import io
from collections.abc import Iterable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.contracts.csv_text import table
from libs.contracts.endpoint_tables import EndpointRow
from libs.contracts.errors import BadRequestError
from services.api_gateway.csv_columns import Columns, cell_of, header_line
from services.api_gateway.csv_records import MAX_RECORD_BYTES, BrokenTableError, CsvRecords, Record

CELLS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r"), max_size=8)
NOISE = st.binary(max_size=40) | st.text("\",\n\r;ab\ufeff='", max_size=40).map(str.encode)


def read(data: bytes, *, sizes: Iterable[int] = ()) -> tuple[list[Record], BrokenTableError | None]:
    """Feed the data in pieces of these sizes, then the rest; tell the records, and what ended them."""
    records, found, at = CsvRecords(), [], 0
    try:
        for size in sizes:
            records.feed(data[at : at + size])
            at += size
            while record := records.next():
                found.append(record)
        records.feed(data[at:])
        records.end()
        while record := records.next():
            found.append(record)
    except BrokenTableError as broken:
        return found, broken
    return found, None


def cells_of(data: bytes) -> list[tuple[int, list[str]]]:
    records, broken = read(data)
    assert broken is None
    return [(record.line, record.cells) for record in records]


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        pytest.param(b"a,b\r\n1,2\r\n", [(1, ["a", "b"]), (2, ["1", "2"])], id="CRLF"),
        pytest.param(b"a,b\n1,2", [(1, ["a", "b"]), (2, ["1", "2"])], id="LF, no end"),
        pytest.param(b"\xef\xbb\xbfa\n1\n", [(1, ["a"]), (2, ["1"])], id="BOM"),
        pytest.param(b"\xef\xbb\xbf", [], id="only a BOM"),
        pytest.param(b'a\n"x\ny\r\nz"\nlast\n', [(1, ["a"]), (2, ["x\ny\r\nz"]), (5, ["last"])], id="quoted"),
        pytest.param(b'"say ""hi""",\n', [(1, ['say "hi"', ""])], id="doubled quotes"),
        pytest.param(b'5" pipe,x\n', [(1, ['5" pipe', "x"])], id="a quote inside"),
        pytest.param(b"a\n\n\r\n,,\nb\n", [(1, ["a"]), (5, ["b"])], id="empty lines and cells"),
        pytest.param(b"a\n1,2,3\n", [(1, ["a"]), (2, ["1", "2", "3"])], id="ragged"),
    ],
)
def test_records_begin_at_their_lines(data: bytes, expected: Sequence[tuple[int, list[str]]]) -> None:
    assert cells_of(data) == expected


@pytest.mark.parametrize(
    ("data", "line", "status"),
    [
        pytest.param(b'a\nb\n"c\nd\n', 3, 400, id="open quote"),
        pytest.param(b'a\n"b"c\n', 2, 400, id="text behind a quote"),
        pytest.param(b"a\nb\rc\nd\n", 2, 400, id="carriage return alone"),
        pytest.param(b'a\n"' + b"x" * 10_000_000 + b'"\n', 2, 413, id="10 MB cell"),
        pytest.param(b'a\n"' + b"x\n" * 100_000 + b'"\n', 2, 413, id="endless cell"),
    ],
)
def test_what_cannot_be_read_ends_the_table_where_it_begins(data: bytes, line: int, status: int) -> None:
    records, broken = read(data, sizes=[65536] * 200)

    assert broken is not None
    assert (broken.line, broken.error.status_code) == (line, status)
    assert [record.line for record in records] == list(range(1, line))


def test_the_longest_row_is_read() -> None:
    longest = b"x" * (MAX_RECORD_BYTES - 2) + b"\r\n"

    assert read(longest + b"b\n", sizes=[1000] * 100)[1] is None
    assert read(b"x" + longest)[1] is not None


@given(rows=st.lists(st.lists(CELLS, min_size=1, max_size=4), max_size=6), sizes=st.lists(st.integers(0, 9)))
def test_what_was_written_is_read_with_its_lines(rows: list[list[str]], sizes: list[int]) -> None:
    text = io.StringIO(newline="")
    expected = []
    for row in rows:
        line = text.getvalue().count("\n") + 1
        csv.writer(text, quoting=csv.QUOTE_ALL).writerow(row)
        expected += [(line, row)] if any(row) else []

    records, broken = read(text.getvalue().encode(), sizes=sizes)

    assert broken is None
    assert [(record.line, record.cells) for record in records] == expected


@given(data=NOISE, sizes=st.lists(st.integers(0, 9), max_size=8))
def test_noise_is_read_the_same_however_it_arrives_and_never_a_traceback(
    data: bytes, sizes: list[int]
) -> None:
    whole, pieces = read(data), read(data, sizes=sizes)

    assert whole[0] == pieces[0]
    assert (whole[1] and whole[1].line) == (pieces[1] and pieces[1].line)


@given(header=NOISE, rows=NOISE)
def test_rows_are_read_or_refused_with_a_reason(header: bytes, rows: bytes) -> None:
    records, _ = read(header + b"\n" + rows)

    said = [_outcome(records[0], record) for record in records]

    assert all(isinstance(each, EndpointRow) or each.isprintable() for each in said)


def _outcome(header: Record, record: Record) -> EndpointRow | str:
    try:
        return Columns(header).row_of(record)
    except BadRequestError as error:
        return error.reason_phrase


def row(header: str, cells: str) -> EndpointRow:
    records, _ = read(f"{header}\n{cells}\n".encode())
    return Columns(records[0]).row_of(records[1])


@pytest.mark.parametrize(
    ("header", "cells", "expected"),
    [
        pytest.param("endpointId,endpointToken", "a,b", EndpointRow("a", "b", {}), id="names"),
        pytest.param("endpointId,x", ",1", EndpointRow(None, None, {"x": "1"}), id="text is the default"),
        pytest.param(
            "x:number,y:number", "1.5,-2", EndpointRow(None, None, {"x": 1.5, "y": -2}), id="numbers"
        ),
        pytest.param("x:boolean", "true", EndpointRow(None, None, {"x": True}), id="boolean"),
        pytest.param("x:json", '"[1,null]"', EndpointRow(None, None, {"x": [1, None]}), id="json"),
        pytest.param("x:json,y", "null,", EndpointRow(None, None, {"x": None}), id="nothing and null"),
        pytest.param("metadata.x", "1", EndpointRow(None, None, {"x": "1"}), id="prefix"),
        pytest.param(
            "metadata.endpointId,metadata.token",
            "1,2",
            EndpointRow(None, None, {"endpointId": "1", "token": "2"}),
            id="keys like columns",
        ),
        pytest.param("endpointId,appVersion,createdDate", "a,b,c", EndpointRow("a", None, {}), id="export"),
        pytest.param("x", "'=1", EndpointRow(None, None, {"x": "=1"}), id="shielded"),
        pytest.param("x", "'tis", EndpointRow(None, None, {"x": "'tis"}), id="not shielded"),
    ],
)
def test_cells_mean_what_their_column_says(header: str, cells: str, expected: EndpointRow) -> None:
    assert row(header, cells) == expected


@pytest.mark.parametrize(
    ("header", "cells", "reason"),
    [
        pytest.param("a,b", "1", "the row has 1 cells, the header has 2", id="too few"),
        pytest.param("a", "1,2", "the row has 2 cells, the header has 1", id="too many"),
        pytest.param("a:number", "x", "a: must be a number: payload is not JSON", id="no number"),
        pytest.param("a:number", "true", "a: must be a number", id="boolean is no number"),
        pytest.param("a:boolean", "1", "a: must be true or false", id="no boolean"),
        pytest.param("a:json", "{", "a: must be JSON: payload is not JSON", id="no JSON"),
        pytest.param("a:number", "9" * 30, "outside int64", id="integer too large"),
        pytest.param("a", "x\x00", "a: the cell holds a NUL character", id="NUL"),
        pytest.param("endpointToken", "x ", "endpointToken: begins or ends with a space", id="space"),
    ],
)
def test_a_cell_that_does_not_fit_is_named(header: str, cells: str, reason: str) -> None:
    with pytest.raises(BadRequestError) as refused:
        row(header, cells)

    assert reason in refused.value.reason_phrase


@given(
    texts=st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\x00"), min_size=1), min_size=1)
)
def test_every_text_that_is_exported_comes_back(texts: list[str]) -> None:
    keys = [f"k{number}" for number in range(len(texts))]
    written = table([[*header_line(keys)], ["a", "o-v1", "d", *map(cell_of, texts)]])

    records, _ = read(written)

    found = Columns(records[0]).row_of(records[1])
    assert found.metadata == dict(zip(keys, texts, strict=True))
    assert not any(cell.startswith(("=", "+", "-", "@", "\t")) for cell in records[1].cells)
