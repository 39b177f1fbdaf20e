"""The four states of a credential: protocol/rest.md."""

import pytest

from libs.contracts.errors import ConflictError
from libs.contracts.tokens import ACCEPTED, TokenStatus, check_transition

INACTIVE, ACTIVE, SUSPENDED, REVOKED = TokenStatus
_ALLOWED = {
    (INACTIVE, ACTIVE),
    (INACTIVE, REVOKED),
    (ACTIVE, SUSPENDED),
    (ACTIVE, REVOKED),
    (SUSPENDED, ACTIVE),
    (SUSPENDED, REVOKED),
}
_PAIRS = [
    pytest.param(current, target, id=f"{current.value} to {target.value}")
    for current in TokenStatus
    for target in TokenStatus
]


@pytest.mark.parametrize(("current", "target"), _PAIRS)
def test_only_the_listed_transitions_are_possible(current: TokenStatus, target: TokenStatus) -> None:
    if current is target:
        assert check_transition(current, target) is False
    elif (current, target) in _ALLOWED:
        assert check_transition(current, target) is True
    else:
        with pytest.raises(ConflictError, match=f"{current.value} cannot become {target.value}"):
            check_transition(current, target)


def test_suspended_and_revoked_are_not_let_in() -> None:
    assert {INACTIVE, ACTIVE} == ACCEPTED
