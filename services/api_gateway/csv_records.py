"""CSV out of bytes as they arrive: records with their lines, and no more memory than one of them takes.

RFC 4180 in UTF-8, with a byte order mark or without, lines ended by LF or CRLF, quoted cells over several
lines. After a broken quote nobody can tell where rows begin, so a table ends there: what stands in a cell
must never be taken for a row.
"""

import codecs
import csv
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from libs.contracts.errors import BadRequestError, GroveError, PayloadTooLargeError

MAX_RECORD_BYTES: Final = 128 * 1024
"""Longest row with its line ends; Python's own limit of a cell is as much."""


class _MoreNeededError(Exception):
    """The record at hand goes on in bytes that have not arrived."""


class BrokenTableError(Exception):
    """The table cannot be read any further.

    Attributes:
        line: Where the row that cannot be read begins.
        error: What is wrong with it.
    """

    def __init__(self, line: int, error: GroveError) -> None:
        super().__init__(str(error))
        self.line = line
        self.error = error


@dataclass(frozen=True, slots=True)
class Record:
    """A row of cells.

    Attributes:
        line: Number of the line where it begins; the first is 1.
        cells: As they are meant; bytes that are no UTF-8 are lone surrogates.
        size: Its bytes.
    """

    line: int
    cells: list[str]
    size: int


class CsvRecords:
    """Takes bytes and gives records."""

    def __init__(self) -> None:
        self._lines: deque[bytes] = deque()
        self._rest = b""
        self._line = 1
        self._began = False
        self._ended = False

    def feed(self, data: bytes) -> None:
        """Take what arrived; give out all records before the next."""
        self._rest += data
        if not self._began and len(self._rest) >= len(codecs.BOM_UTF8):
            self._rest = self._rest.removeprefix(codecs.BOM_UTF8)
            self._began = True
        *lines, self._rest = self._rest.split(b"\n")
        self._lines.extend(line + b"\n" for line in lines)

    def end(self) -> None:
        """Take note that no more arrives."""
        if self._rest:
            self._lines.append(self._rest.removeprefix(b"" if self._began else codecs.BOM_UTF8))
        self._rest = b""
        self._ended = True

    def next(self) -> Record | None:
        """Give the next record that is not an empty line; None = more bytes are needed, or there is none.

        Raises:
            BrokenTableError: The table cannot be read any further.
        """
        while self._lines or self._rest:
            try:
                record = self._read()
            except _MoreNeededError:
                return None
            if any(record.cells):
                return record
        return None

    def _read(self) -> Record:
        taken: list[bytes] = []
        try:
            cells = next(csv.reader(self._source(taken), strict=True))
        except csv.Error as error:
            raise BrokenTableError(self._line, BadRequestError(_explained(str(error)))) from None
        record = Record(self._line, cells, sum(map(len, taken)))
        for _ in taken:
            self._lines.popleft()
        self._line += len(taken)
        return record

    def _source(self, taken: list[bytes]) -> Iterator[str]:
        size = 0
        for line in self._lines:
            size += len(line)
            self._check(size)
            taken.append(line)
            yield line.decode("utf-8", "surrogateescape")
        self._check(size + len(self._rest))
        if not self._ended:
            raise _MoreNeededError

    def _check(self, size: int) -> None:
        if size > MAX_RECORD_BYTES:
            phrase = f"the row has more than {MAX_RECORD_BYTES} bytes; is a quote not closed?"
            raise BrokenTableError(self._line, PayloadTooLargeError(phrase))


def _explained(reason: str) -> str:
    if "end of data" in reason:
        return "a quote is not closed"
    if "expected after" in reason:
        return "a quoted cell goes on after its quote; a quote inside of one is written twice"
    return "the row is not CSV: a carriage return stands alone"
