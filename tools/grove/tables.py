"""Tables of endpoints between files and the platform, of any length."""

import sys
import time
from collections import Counter
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

import msgspec

from libs.contracts.row_lines import CSV_HEADER, RowLine, as_csv
from tools.grove import files
from tools.grove.output import Progress, note, silence
from tools.grove.problem import AWAY, REFUSED, CommandError
from tools.grove.rest import Rest

_ENDPOINTS: Final = "/epr/api/v1/endpoints"
_SHOWN: Final = 5
_KINDS: Final[Mapping[int, str]] = {HTTPStatus.CREATED: "created", HTTPStatus.CONFLICT: "taken"}
_decode = msgspec.json.Decoder(RowLine).decode


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
        kind = _KINDS.get(line.status, "refused")
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
    with files.reading(name) as table, files.results(results, table) as out:
        progress = Progress(table.lines)
        call = rest.streamed(
            "POST",
            f"{_ENDPOINTS}/import",
            files.pieces(table),
            query={"applicationVersionName": version},
            headers={"Content-Type": "text/csv", "Accept": "application/x-ndjson"},
        )
        try:
            async with call as answer:
                out.write(b"" if as_json else CSV_HEADER)
                async for raw in answer.content:
                    line = _decode(raw)
                    out.write(raw if as_json else as_csv([line]))
                    out.flush()  # a token that was told stays, whatever happens to us
                    tally.add(line)
                    progress.show(line.line, tally.text())
        except BaseException as error:
            progress.clear()
            if tally.rows:
                note(tally.text())
            if isinstance(error, BrokenPipeError):
                silence()
                raise CommandError("stopped: nobody reads the results any more", code=REFUSED) from error
            if isinstance(error, msgspec.MsgspecError | ValueError):  # no row, or a line without an end
                raise CommandError("no answer of this platform; is that its address?", code=AWAY) from error
            raise
        progress.clear()
    return _told(tally)


async def export_file(rest: Rest, query: Mapping[str, Any], *, output: str | None) -> None:
    """Export endpoints; a file that is named is whole, or is not there.

    Raises:
        CommandError: It failed, or broke off.
    """
    progress, received = Progress(None), 0
    with files.whole(output) as out:
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
        again = "correct that and import it again: rows with an endpointId or endpointToken are made once"
        raise CommandError(f"line {tally.ended.line}: {tally.ended.reason}\n  {again}", code=code)
    return REFUSED if tally.counts["refused"] else 0
