"""The bounds of a page (protocol/rest.md)."""

from typing import Final

from libs.contracts.errors import BadRequestError

MAX_LIMIT: Final = 1000
"""Most elements of a page."""
MAX_OFFSET: Final = 2**31 - 1
"""Largest offset a store takes."""


def check_page(*, offset: int, limit: int) -> None:
    """Accept the bounds of a page.

    Raises:
        BadRequestError: One of them is out of range.
    """
    if not 0 <= offset <= MAX_OFFSET:
        raise BadRequestError(f"offset must be 0 to {MAX_OFFSET}")
    if not 1 <= limit <= MAX_LIMIT:
        raise BadRequestError(f"limit must be 1 to {MAX_LIMIT}")
