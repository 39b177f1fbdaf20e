"""Tables of endpoints between files and the platform, of any length."""

import asyncio
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path
from typing import IO, Any, BinaryIO, Final

import msgspec

from services.api_gateway.row_formats import CSV_HEADER, RowLine, as_csv
from tools.grove.output import Progress, note
from tools.grove.problem import AWAY, REFUSED, WRONG, CommandError
from tools.grove.rest import Rest

_ENDPOINTS: Final = "/epr/api/v1/endpoints"
_PIECE_BYTES: Final = 32 * 1024
_SHOWN: Final = 5
_decode = msgspec.json.Decoder(RowLine).decode


async def _pieces(file: BinaryIO) -> AsyncIterator[bytes]:
    """Read a file piece by piece; a pipe may keep us waiting."""
    while piece := await asyncio.to_thread(file.read, _PIECE_BYTES):
        yield piece


class _Tally:
    """What became of the rows so far."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.refused: list[RowLine] = []
        self.ended: RowLine | None = None
        self._began = time.monotonic()

    def add(self, line: RowLine) -> None:
        """Count a row."""
        if line.ended:
            self.ended = line
            return
        kind = {HTTPStatus.CREATED: "created", HTTPStatus.CONFLICT: "taken"}.get(
            HTTPStatus(line.status), "refused"
        )
        self.counts[kind] += 1
        if kind == "refused" and len(self.refused) < _SHOWN:
            self.refused.append(line)

    @property
    def rows(self) -> int:
        """How many there were."""
        return self.counts.total()

    def text(self) -> str:
        """Say it in one line."""
        rate = self.rows / max(time.monotonic() - self._began, 0.001)
        kinds = ", ".join(f"{self.counts[kind]:,} {kind}" for kind in ("created", "taken", "refused"))
        return f"{self.rows:,} rows: {kinds} ({rate:,.0f}/s)"


async def import_file(rest: Rest, name: str, *, version: str, results: str | None, as_json: bool) -> int:
    """Import a CSV file; returns the exit code.

    Raises:
        CommandError: It cannot be read, or nothing of it was imported, or the rest was not.
    """
    tally = _Tally()
    with _reading(name) as (file, lines), _writing(results, whole=False) as out:
        progress = Progress(lines)
        call = rest.streamed(
            "POST",
            f"{_ENDPOINTS}/import",
            _pieces(file),
            query={"applicationVersionName": version},
            headers={"Content-Type": "text/csv", "Accept": "application/x-ndjson"},
        )
        try:
            async with call as answer:
                out.write(b"" if as_json else CSV_HEADER)
                async for raw in answer.content:
                    line = _decode(raw)
                    out.write(raw if as_json else as_csv([line]))
                    tally.add(line)
                    progress.show(line.line, tally.text())
        finally:
            out.flush()
            progress.clear()
    return _told(tally)


async def export_file(rest: Rest, query: Mapping[str, Any], *, output: str | None) -> None:
    """Export endpoints; a file that is named is whole, or is not there.

    Raises:
        CommandError: It failed, or broke off.
    """
    progress, received = Progress(None), 0
    with _writing(output, whole=True) as out:
        async with rest.streamed("GET", f"{_ENDPOINTS}/export", query=query) as answer:
            async for piece in answer.content.iter_any():
                out.write(piece)
                received += len(piece)
                if output is not None or not sys.stdout.isatty():
                    progress.show(received, f"{received / 1024:,.0f} KiB")
        out.flush()
        progress.clear()


def _told(tally: _Tally) -> int:
    note(tally.text())
    for line in tally.refused:
        note(f"  line {line.line}: {line.reason} ({line.status})")
    if tally.counts["refused"] > len(tally.refused):
        note("  the others stand in the results")
    if tally.ended is not None:
        code = AWAY if tally.ended.status >= HTTPStatus.INTERNAL_SERVER_ERROR else REFUSED
        again = "correct that and import the file again: what is there already is not made twice"
        raise CommandError(f"line {tally.ended.line}: {tally.ended.reason}\n  {again}", code=code)
    return REFUSED if tally.counts["refused"] else 0


@contextmanager
def _reading(name: str) -> Iterator[tuple[BinaryIO, int | None]]:
    if name == "-":
        yield sys.stdin.buffer, None  # nobody knows how long a pipe is
        return
    try:
        file = Path(name).open("rb")  # noqa: SIM115 - closed below; only opening may fail here
    except OSError as error:
        raise CommandError(f"cannot read {name}: {error.strerror}", code=WRONG) from error
    with file:
        lines = sum(piece.count(b"\n") for piece in iter(lambda: file.read(_PIECE_BYTES), b""))
        file.seek(0)
        yield file, lines


@contextmanager
def _writing(name: str | None, *, whole: bool) -> Iterator[IO[bytes]]:
    """Write to standard output, or to a file of its owner's alone, for it may hold tokens.

    Args:
        name: The file; None = standard output.
        whole: Whether the file is there only once all of it is; else what there is, is kept.
    """
    if name is None:
        yield sys.stdout.buffer
        return
    path = Path(name)
    partial = path.with_name(f"{path.name}.part") if whole else path
    try:
        partial.touch(mode=0o600)
        partial.chmod(0o600)
        file = partial.open("wb")
    except OSError as error:
        raise CommandError(f"cannot write {name}: {error.strerror}", code=WRONG) from error
    with file:
        yield file
    partial.replace(path)
