"""What a list shows, and the entity tags by which a caller says which list it has seen.

The tag covers all tokens of an endpoint, not the page: with ``If-Match`` a caller says "change this
one, if nothing about the endpoint's tokens has changed since I looked".
"""

import hashlib
import re
from collections.abc import Iterable, Sequence
from typing import Final

from libs.contracts.errors import BadRequestError, PreconditionFailedError
from libs.contracts.tokens import TokenStatus
from services.credential_manager.domain.tokens import EndpointToken

MAX_LIMIT: Final = 1000

_TAG: Final = re.compile(r'(W/)?("[^"]*")')


def check_page(*, offset: int, limit: int) -> None:
    """Accept the bounds of a page.

    Raises:
        BadRequestError: One of them is out of range.
    """
    if offset < 0:
        raise BadRequestError("offset must be 0 or more")
    if not 1 <= limit <= MAX_LIMIT:
        raise BadRequestError(f"limit must be 1 to {MAX_LIMIT}")


def page_of(
    tokens: Iterable[EndpointToken],
    *,
    statuses: Sequence[TokenStatus],
    newest_first: bool,
    offset: int,
    limit: int,
) -> tuple[list[EndpointToken], int]:
    """Select one page and count what all pages hold; no ``statuses`` means any."""
    wanted = [token for token in tokens if not statuses or token.status in statuses]
    wanted.sort(key=lambda token: (token.created_at, token.id), reverse=newest_first)
    return wanted[offset : offset + limit], len(wanted)


def e_tag_of(tokens: Iterable[EndpointToken]) -> str:
    """Tag the state of all tokens of an endpoint; any change of any of them gives another tag."""
    revisions = sorted(f"{token.id}:{token.revision}" for token in tokens)
    return f'"{hashlib.sha256(",".join(revisions).encode()).hexdigest()[:32]}"'


def is_unchanged(if_none_match: str | None, e_tag: str) -> bool:
    """Whether the caller has this state already (RFC 9110 section 13.1.2)."""
    if if_none_match is None:
        return False
    tags = (tag for _, tag in _TAG.findall(if_none_match))
    return if_none_match.strip() == "*" or e_tag in tags


def check_still_matches(if_match: str | None, e_tag: str) -> None:
    """Hold an ``If-Match`` condition; a weak tag never matches (RFC 9110 section 13.1.1).

    Raises:
        PreconditionFailedError: The caller has seen another state.
    """
    if if_match is None or if_match.strip() == "*":
        return
    if e_tag not in (tag for weak, tag in _TAG.findall(if_match) if not weak):
        raise PreconditionFailedError("the endpoint's tokens have changed; list them again")
