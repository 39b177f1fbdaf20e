"""What a command says: tables for people, JSON for scripts; what is said about progress goes to stderr."""

import json
import os
import sys
import time
from codecs import getincrementaldecoder
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, TextIO

import msgspec

_BAR: Final = 24
_EVERY_S: Final = 0.1
_COLUMNS: Final = 80
"""Of a terminal that does not say."""


class Output:
    """Where a command says what it has to say.

    Args:
        as_json: JSON instead of tables.
    """

    def __init__(self, *, as_json: bool) -> None:
        self.as_json = as_json

    def table(self, answer: Any, rows: Sequence[Mapping[str, object]], *, total: int | None = None) -> None:  # noqa: ANN401 - any JSON
        """Show a list; as JSON it is the answer as it came."""
        if self.as_json:
            self.json(answer)
            return
        for line in table_lines(rows):
            _print(line)
        if total is not None and total > len(rows):
            note(f"{len(rows)} of {total}; --limit and --offset show others")

    def fields(self, answer: Any, shown: Mapping[str, object] | None = None) -> None:  # noqa: ANN401 - any JSON
        """Show one thing; as JSON it is the answer as it came."""
        if self.as_json:
            self.json(answer)
            return
        values = shown or answer
        width = max(map(len, values), default=0)
        for name, value in values.items():
            _print(f"{name:<{width}}  {plain(value)}")

    def secret(self, answer: Mapping[str, object], name: str) -> None:
        """Show what was created, and say that its secret is not shown again."""
        self.fields(answer)
        note(f"keep the {name}: it is shown here and never again")

    def done(self, text: str) -> None:
        """Say that something was done that has no answer."""
        if not self.as_json:
            _print(plain(text))

    def json(self, answer: Any) -> None:  # noqa: ANN401 - any JSON
        """Print JSON."""
        _print(escaped(msgspec.json.format(msgspec.json.encode(answer)).decode(), unicode=_has_unicode()))


def note(text: str) -> None:
    """Say something beside the answer."""
    print("\n".join(map(plain, text.split("\n"))), file=sys.stderr)


def escaped(text: str, *, unicode: bool) -> str:
    """Write JSON so that it speaks to no terminal, and in ASCII where the output has nothing else."""
    return "".join(
        each if each == "\n" or (each.isprintable() and (unicode or each.isascii())) else _code_of(each)
        for each in text
    )


def _code_of(one: str) -> str:
    return json.dumps(one)[1:-1] if ord(one) > 0xFFFF else f"\\u{ord(one):04x}"  # noqa: PLR2004 - two units of UTF-16


def _has_unicode() -> bool:
    return sys.stdout is not None and (sys.stdout.encoding or "").lower().startswith("utf")


def _print(text: str) -> None:
    """Print what may hold characters that the output has not."""
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    print(text.encode(encoding, "replace").decode(encoding))


def silence() -> None:
    """Say nothing more on standard output, whose reader has gone: not even what is buffered."""
    with Path(os.devnull).open("wb") as nowhere:
        os.dup2(nowhere.fileno(), sys.stdout.fileno())


def plain(value: object) -> str:
    """Write a value on one line; what would speak to the terminal is made harmless."""
    if value is None:
        return ""
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    return "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in text)


class Harmless:
    """A terminal to which tables are written: what would speak to it is made harmless.

    Args:
        terminal: Where to.
    """

    def __init__(self, terminal: TextIO) -> None:
        self._terminal = terminal
        self._decode = getincrementaldecoder("utf-8")("replace").decode

    def write(self, piece: bytes) -> None:
        """Write some of a table; a character may be in two pieces."""
        lines = self._decode(piece).replace("\r", "").split("\n")
        text = "\n".join(map(plain, lines))
        encoding = self._terminal.encoding
        self._terminal.write(text.encode(encoding, "replace").decode(encoding))

    def flush(self) -> None:
        """Show what was written."""
        self._terminal.flush()


def table_lines(rows: Sequence[Mapping[str, object]]) -> list[str]:
    """Lay out rows of the same keys as columns, a header on top; no rows are one sentence."""
    if not rows:
        return ["(none)"]
    cells = [[name.upper() for name in rows[0]], *([plain(each) for each in row.values()] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return [
        "  ".join(f"{cell:<{width}}" for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in cells
    ]


def fitting(bar: str, text: str, *, columns: int) -> str:
    """Make one line of a terminal; a longer one would leave a line behind each time it moves."""
    room = (columns or _COLUMNS) - 1
    return (bar + text if len(bar) + len(text) <= room else text)[:room]


class Progress:
    """A line on stderr that moves, when that is a terminal.

    Args:
        total: How much there is; None = nobody knows.
    """

    def __init__(self, total: int | None) -> None:
        self._total = total
        self._shown_at = 0.0
        self._on = sys.stderr.isatty()
        self._width = 0

    def show(self, done: int, text: str, *, at_last: bool = False) -> None:
        """Show how far it is."""
        now = time.monotonic()
        if not self._on or (now - self._shown_at < _EVERY_S and not at_last):
            return
        self._shown_at = now
        line = fitting(self._bar(done), text, columns=os.get_terminal_size(sys.stderr.fileno()).columns)
        print(f"\r{line:<{self._width}}", end="\n" if at_last else "", file=sys.stderr, flush=True)
        self._width = len(line)

    def clear(self) -> None:
        """Leave the line, so that what follows begins on one of its own."""
        if self._on and self._width:
            print(file=sys.stderr)

    def _bar(self, done: int) -> str:
        if not self._total:
            return ""
        part = min(done / self._total, 1.0)
        full = int(part * _BAR)
        return f"[{'#' * full}{'.' * (_BAR - full)}] {part:4.0%}  "
