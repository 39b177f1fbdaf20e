"""What a list shows, and the entity tags by which a caller says what it has seen.

The tag of a token list covers all tokens of an endpoint, not the page: with ``If-Match`` a caller says
"change this one, if nothing about the endpoint's tokens has changed since I looked".
"""

import hashlib
from collections.abc import Iterable, Sequence
from typing import TypeVar

from libs.contracts.tokens import TokenStatus
from services.credential_manager.domain.credentials import Credential

CredentialT = TypeVar("CredentialT", bound=Credential)


def page_of(
    credentials: Iterable[CredentialT],
    *,
    statuses: Sequence[TokenStatus],
    newest_first: bool,
    offset: int,
    limit: int,
) -> tuple[list[CredentialT], int]:
    """Select one page and count what all pages hold; no ``statuses`` means any."""
    wanted = [one for one in credentials if not statuses or one.status in statuses]
    wanted.sort(key=lambda one: (one.created_at, one.id), reverse=newest_first)
    return wanted[offset : offset + limit], len(wanted)


def e_tag_of(credentials: Iterable[Credential]) -> str:
    """Tag the state of some credentials; any change of any of them gives another tag."""
    revisions = sorted(f"{one.id}:{one.revision}" for one in credentials)
    return f'"{hashlib.sha256(",".join(revisions).encode()).hexdigest()[:32]}"'
