"""CSV as the platform and its command line write it (RFC 4180), made so that no spreadsheet runs any of it.

A text that a spreadsheet would take for a formula is written with an apostrophe in front, and so is one that
has an apostrophe there already; reading takes one away again. So every text comes back as it was.
"""

import csv
import io
import re
from collections.abc import Iterable, Sequence

_FORMULA = re.compile(r"'*[=+\-@\t\r]")
_SHIELDED = re.compile(r"'+[=+\-@\t\r]")


def shielded(text: str) -> str:
    """Write a text so that no spreadsheet takes it for a formula."""
    return f"'{text}" if _FORMULA.match(text) else text


def unshielded(cell: str) -> str:
    """Undo :func:`shielded`."""
    return cell[1:] if _SHIELDED.match(cell) else cell


def table(rows: Iterable[Sequence[str]]) -> bytes:
    """Write rows."""
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue().encode()
