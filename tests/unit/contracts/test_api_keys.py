"""What an API key may do."""

import pytest

from libs.contracts.api_keys import Scope, allows, check_limits
from libs.contracts.errors import ForbiddenError


@pytest.mark.parametrize("held", Scope, ids=lambda scope: scope.value)
def test_a_scope_allows_itself_and_what_is_below(held: Scope) -> None:
    order = [Scope.READ, Scope.WRITE, Scope.ADMIN]

    assert [allows(held, needed) for needed in order] == [
        order.index(needed) <= order.index(held) for needed in order
    ]


def test_a_limited_key_may_touch_only_its_applications() -> None:
    check_limits(None, "olives")
    check_limits(("grapes", "olives"), "olives")
    with pytest.raises(ForbiddenError, match="'olives'"):
        check_limits(("grapes",), "olives")
    with pytest.raises(ForbiddenError):
        check_limits((), "olives")


def test_a_refusal_repeats_no_more_of_a_name_than_a_log_line_can_bear() -> None:
    with pytest.raises(ForbiddenError) as refused:
        check_limits((), "x" * 10_000 + "\n")

    assert len(refused.value.reason_phrase) < 128
