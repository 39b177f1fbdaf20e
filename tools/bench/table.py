"""Tables of text, and progress on standard error."""

import sys
import time
from collections.abc import Sequence


class Table:
    """Columns as wide as their widest cell, the first to the left and the others to the right."""

    def __init__(self, header: Sequence[str]) -> None:
        self._rows = [tuple(header)]

    def add(self, *cells: str) -> None:
        """Add a row; what is missing at its end stays empty."""
        self._rows.append(cells + ("",) * (len(self._rows[0]) - len(cells)))

    def __str__(self) -> str:
        """All lines."""
        widths = [max(map(len, column)) for column in zip(*self._rows, strict=True)]
        lines = []
        for first, *others in self._rows:
            cells = (cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True))
            lines.append("  ".join((first.ljust(widths[0]), *cells)).rstrip())
        return "\n".join(lines)


def say(text: str) -> None:
    """Show progress."""
    print(f"[{time.strftime('%H:%M:%S')}] {text}", file=sys.stderr, flush=True)
