"""The life of a token, a SenML secret, an endpoint key: one state machine for every credential.

::

    Inactive --first use--> Active <--> Suspended
        |                     |            |
        +------ revoke -------+------------+--> Revoked (for good)

Inactive and Active are accepted, the other two are refused (protocol/rest.md).
"""

from enum import Enum

from libs.contracts.errors import ConflictError


class TokenStatus(Enum):
    """The four states, spelled as on the wire."""

    INACTIVE = "Inactive"
    ACTIVE = "Active"
    SUSPENDED = "Suspended"
    REVOKED = "Revoked"


ACCEPTED: frozenset[TokenStatus] = frozenset({TokenStatus.INACTIVE, TokenStatus.ACTIVE})
"""States in which the holder is let in."""

_TRANSITIONS: dict[TokenStatus, frozenset[TokenStatus]] = {
    TokenStatus.INACTIVE: frozenset({TokenStatus.ACTIVE, TokenStatus.REVOKED}),
    TokenStatus.ACTIVE: frozenset({TokenStatus.SUSPENDED, TokenStatus.REVOKED}),
    TokenStatus.SUSPENDED: frozenset({TokenStatus.ACTIVE, TokenStatus.REVOKED}),
    TokenStatus.REVOKED: frozenset(),
}


def check_transition(current: TokenStatus, target: TokenStatus) -> bool:
    """Decide about a change of state: True when it changes something, False when it is the same.

    Raises:
        ConflictError: The state machine has no such step; the phrase names both states.
    """
    if current is target:
        return False
    if target not in _TRANSITIONS[current]:
        message = f"a credential that is {current.value} cannot become {target.value}"
        raise ConflictError(message)
    return True
