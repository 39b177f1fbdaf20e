"""What is wrong with a request, all of it at once: ``{"message": ..., "details": [...]}``.

A problem says where (``query.limit``, ``header.If-Match``, ``path.key``, ``$.appVersion.name`` in
the body) and what, in words that follow the place.
"""

import difflib
from collections.abc import Collection, Sequence

from msgspec import Struct

from libs.contracts.errors import BadRequestError

MAX_TOLD = 100
"""Problems listed in one answer; a body of ten thousand unknown keys is not sent back."""
_GLIMPSE = 64


class Problem(Struct, frozen=True):
    """One thing that is wrong.

    Attributes:
        path: Where: `query.limit`, `header.If-Match`, `path.key`, `$.appVersion.name` in the body.
        problem: What is wrong there.
    """

    path: str
    problem: str


class ErrorBody(Struct, frozen=True, omit_defaults=True):
    """What every error answers.

    Attributes:
        message: One sentence for a person.
        details: Every problem of a malformed request, at most 100.
    """

    message: str
    details: list[Problem] | None = None


class InvalidRequestError(BadRequestError):
    """A request with problems, each with its place."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        """Tell the only problem, or how many there are and the first."""
        first = f"{problems[0].path}: {problems[0].problem}"
        count = f"more than {MAX_TOLD}" if len(problems) > MAX_TOLD else str(len(problems))
        super().__init__(first if len(problems) == 1 else f"{count} problems, the first is {first}")
        self.problems = problems


def unknown(name: str, known: Collection[str], *, what: str) -> str:
    """Say that nothing has this name, and which one may have been meant."""
    near = difflib.get_close_matches(name[:_GLIMPSE], known, n=1)
    return f"unknown {what}" + (f"; did you mean {near[0]}?" if near else "")


def glimpse(text: str) -> str:
    """Quote a part of somebody's text, safe to print anywhere."""
    return ascii(text if len(text) <= _GLIMPSE else f"{text[:_GLIMPSE]}...")
