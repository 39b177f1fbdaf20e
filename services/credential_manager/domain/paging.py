"""What a list shows, and the entity tags by which a caller says which list it has seen.

The tag covers all tokens of an endpoint, not the page: with ``If-Match`` a caller says "change this
one, if nothing about the endpoint's tokens has changed since I looked".
"""

import hashlib
from collections.abc import Iterable, Sequence

from libs.contracts.tokens import TokenStatus
from services.credential_manager.domain.tokens import EndpointToken


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
