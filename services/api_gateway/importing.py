"""An import on its way: rows are read while the outcomes of those before them are written.

Nothing here grows with the table: a few batches are with their owner at once, and nothing more is read from
the caller before there is room for it, nor before it reads what became of its rows. The header and the first
question come before the answer begins, so that what is wrong with all of it is still a status.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Final

import msgspec
import structlog
from aiohttp import hdrs, web

from libs.contracts.endpoint_tables import IMPORT_ENDPOINTS, MAX_ROWS, EndpointRow, ImportEndpoints
from libs.contracts.errors import BadRequestError, GroveError, PayloadTooLargeError, UnavailableError
from libs.contracts.row_lines import RowLine
from services.api_gateway.answers import RequestTimeoutError
from services.api_gateway.bodies import arriving
from services.api_gateway.csv_columns import Columns
from services.api_gateway.csv_records import BrokenTableError, CsvRecords, Record
from services.api_gateway.edge import dress
from services.api_gateway.ports import Owners
from services.api_gateway.problems import InvalidRequestError, Problem
from services.api_gateway.row_formats import ROW_FORMATS, row_format
from services.api_gateway.series_formats import CSV
from services.api_gateway.streaming import READ_WITHIN_S

MAX_TABLE_ROWS: Final = 100_000
MAX_IMPORTS: Final = 8
"""At the same time; each holds about a megabyte."""

BATCH_BYTES: Final = 128 * 1024
"""Of the table; on the bus its numbers may take twice that, and keys come on top."""
_BATCHES_AT_ONCE: Final = 4
_BATCH_TIMEOUT_S: Final = 30.0
_FAILURES: Final = 3
"""So many failed batches in a row end an import: the rest would wait for the same."""

_log = structlog.get_logger()
Check = Callable[[], Awaitable[object]]


@dataclass(slots=True)
class _Batch:
    """Rows that go to the owner together, and lines that are settled already; both in order."""

    rows: list[tuple[int, EndpointRow]] = field(default_factory=list)
    settled: list[RowLine] = field(default_factory=list)
    size: int = 0

    @property
    def full(self) -> bool:
        return len(self.rows) >= MAX_ROWS or self.size >= BATCH_BYTES

    @property
    def first_line(self) -> int:
        return min([line for line, _ in self.rows] + [each.line for each in self.settled])

    def __bool__(self) -> bool:
        return bool(self.rows or self.settled)


class Imports:
    """The imports of a gateway.

    Args:
        owners: The services behind the gateway.
        row_timeout_s: How long the next row may take to arrive.
    """

    def __init__(self, owners: Owners, *, row_timeout_s: float) -> None:
        self._owners = owners
        self._row_timeout_s = row_timeout_s
        self._running = 0

    async def answer(
        self, request: web.Request, message: ImportEndpoints, *, check: Check
    ) -> web.StreamResponse:
        """Import the table in the body, and tell what becomes of each row while it does.

        Args:
            request: Its body has not been touched.
            message: What is asked of the owner, without rows.
            check: Awaited before each batch; raises when the caller may go no further.

        Raises:
            GroveError: The import cannot even begin.
        """
        if self._running >= MAX_IMPORTS:
            raise UnavailableError("too many imports at the same time")
        self._running += 1
        try:
            rows = _Rows(arriving(request, CSV), timeout_s=self._row_timeout_s)
            await rows.begin()
            await self._owners.ask(IMPORT_ENDPOINTS, message)
            media_type = row_format(request.headers.get(hdrs.ACCEPT, ""))
            response = web.StreamResponse(headers={hdrs.VARY: hdrs.ACCEPT})
            response.content_type, response.charset = media_type, "utf-8"
            dress(request, response)
            await response.prepare(request)
            run = _Run(message, self._owners, rows, response, check=check)
            try:
                await run.go()
            finally:
                if not run.whole and request.transport is not None:
                    request.transport.abort()
        finally:
            self._running -= 1
        return response


class _Rows:
    """The rows of a table, some at a time, as they arrive."""

    def __init__(self, chunks: Callable[[], Awaitable[bytes]], *, timeout_s: float) -> None:
        self._chunks = chunks
        self._timeout_s = timeout_s
        self._records = CsvRecords()
        self._columns: Columns | None = None
        self._broken: BrokenTableError | None = None
        self._ended = False
        self._count = 0
        self._line = 0

    async def begin(self) -> None:
        """Read the header.

        Raises:
            GroveError: There is none, or it says what nobody understands.
        """
        try:
            async with asyncio.timeout(self._timeout_s):
                while (header := self._records.next()) is None and not self._ended:
                    await self._more()
        except BrokenTableError as broken:
            raise InvalidRequestError([Problem(f"line {broken.line}", str(broken))]) from broken
        except TimeoutError as error:
            raise self._late() from error
        if header is None:
            raise InvalidRequestError([Problem("$", "the body is empty, it must be CSV with a header")])
        self._columns = Columns(header)
        self._line = header.line

    async def batch(self) -> _Batch:
        """Give the rows at hand, as many as go together; waits for one; empty = there are no more.

        Raises:
            BrokenTableError: There may be more, and nobody can read them.
        """
        batch = _Batch()
        try:
            async with asyncio.timeout(self._timeout_s):
                while not self._fill(batch) and not self._ended:
                    await self._more()
        except TimeoutError:
            raise BrokenTableError(self._line + 1, self._late()) from None
        except GroveError as error:
            raise BrokenTableError(self._line + 1, error) from error
        return batch

    def _fill(self, batch: _Batch) -> _Batch:
        while not batch.full and (record := self._next()) is not None:
            self._count += 1
            self._line = record.line
            self._take(record, batch)
        if self._broken is not None and not batch:
            raise self._broken
        return batch

    def _next(self) -> Record | None:
        """Give the next record; one that cannot be read is told when those before it are settled."""
        if self._broken is not None:
            return None
        try:
            record = self._records.next()
        except BrokenTableError as broken:
            self._broken = broken
            return None
        if record is not None and self._count >= MAX_TABLE_ROWS:
            phrase = f"a table has at most {MAX_TABLE_ROWS} rows; import the rest as another"
            self._broken = BrokenTableError(record.line, PayloadTooLargeError(phrase))
            return None
        return record

    def _take(self, record: Record, batch: _Batch) -> None:
        assert self._columns is not None  # noqa: S101 - begin() came first; for the type checker
        batch.size += record.size
        try:
            batch.rows.append((record.line, self._columns.row_of(record)))
        except BadRequestError as error:
            batch.settled.append(
                RowLine(line=record.line, status=error.status_code, reason=error.reason_phrase)
            )

    async def _more(self) -> None:
        chunk = await self._chunks()
        if chunk:
            self._records.feed(chunk)
        else:
            self._records.end()
            self._ended = True

    def _late(self) -> GroveError:
        return RequestTimeoutError(f"no row arrived within {self._timeout_s:g} s")


class _Run:
    """One import whose answer has begun."""

    def __init__(
        self,
        message: ImportEndpoints,
        owners: Owners,
        rows: _Rows,
        response: web.StreamResponse,
        *,
        check: Check,
    ) -> None:
        self._message = message
        self._owners = owners
        self._rows = rows
        self._response = response
        self._check = check
        self._start, self._write_down = ROW_FORMATS[response.content_type]
        self.whole = False
        self._failures = 0
        # One more is in the writer's hands, and one in the reader's.
        self._flying: asyncio.Queue[asyncio.Task[list[RowLine]] | None] = asyncio.Queue(_BATCHES_AT_ONCE - 2)

    async def go(self) -> None:
        """Import until there are no more rows, or it can go no further, or the caller is gone."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._write(), name="import answer")
                await self._read(group)
            self.whole = True
        except* (ConnectionError, TimeoutError) as lost:
            _log.warning("import.broken", reason=str(lost.exceptions[0]) or type(lost.exceptions[0]).__name__)

    async def _read(self, group: asyncio.TaskGroup) -> None:
        try:
            while batch := await self._rows.batch():
                await self._check_on(batch)
                await self._flying.put(group.create_task(self._create(batch), name="import batch"))
        except BrokenTableError as broken:
            await self._flying.put(group.create_task(_last_words(broken), name="import end"))
        await self._flying.put(None)

    async def _check_on(self, batch: _Batch) -> None:
        """Go no further when nobody answers, or the caller may not any more."""
        if self._failures >= _FAILURES:
            error = UnavailableError("the service is not available; import the table again later")
            raise BrokenTableError(batch.first_line, error)
        try:
            await self._check()
        except GroveError as error:
            raise BrokenTableError(batch.first_line, error) from error

    async def _create(self, batch: _Batch) -> list[RowLine]:
        lines = [*batch.settled, *await self._created(batch.rows)]
        return sorted(lines, key=lambda each: each.line)

    async def _created(self, rows: Sequence[tuple[int, EndpointRow]]) -> list[RowLine]:
        if not rows:
            return []
        request = msgspec.structs.replace(self._message, payload=tuple(row for _, row in rows))
        try:
            reply = await self._owners.ask(IMPORT_ENDPOINTS, request, timeout_s=_BATCH_TIMEOUT_S)
        except GroveError as error:
            self._note(error.status_code)
            return [_refused(line, row, error.status_code, _told(error)) for line, row in rows]
        self._note(*(each.status_code for each in reply.rows))
        return [
            RowLine(line=line, status=each.status_code, endpoint_id=each.endpoint_id, token=each.token)
            if each.status_code == HTTPStatus.CREATED
            else _refused(line, row, each.status_code, each.reason)
            for (line, row), each in zip(rows, reply.rows, strict=True)
        ]

    def _note(self, *statuses: int) -> None:
        """Count batches in a row of which nothing came but failures."""
        failed = all(status >= HTTPStatus.INTERNAL_SERVER_ERROR for status in statuses)
        self._failures = self._failures + 1 if failed else 0

    async def _write(self) -> None:
        if self._start:
            await self._response.write(self._start)
        while (task := await self._flying.get()) is not None:
            lines = await task
            async with asyncio.timeout(READ_WITHIN_S):
                await self._response.write(self._write_down(lines))
        await self._response.write_eof()


async def _last_words(broken: BrokenTableError) -> list[RowLine]:
    status, reason = broken.error.status_code, f"{_told(broken.error)}; the import ends here"
    return [RowLine(line=broken.line, status=status, reason=reason, ended=True)]


def _refused(line: int, row: EndpointRow, status: int, reason: str) -> RowLine:
    return RowLine(line=line, status=status, endpoint_id=row.endpoint_id or "", reason=reason)


def _told(error: GroveError) -> str:
    """What a caller is told; a 500 never says more than that."""
    return error.default_phrase if error.status_code == HTTPStatus.INTERNAL_SERVER_ERROR else str(error)
