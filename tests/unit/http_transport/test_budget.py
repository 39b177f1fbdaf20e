"""The budget of bytes: never above its limit, and everything comes back."""

import pytest

from libs.contracts.errors import UnavailableError
from libs.process.budget import Budget
from services.http_transport.budget import Share


def test_shares_are_refused_above_the_limit_and_given_back() -> None:
    budget = Budget(100)

    with Share(budget) as first:
        first.take(60)
        with Share(budget) as second:
            second.take(40)
            with pytest.raises(UnavailableError):
                second.take(1)
            held_by_both = budget.held_bytes
        held_by_first = budget.held_bytes

    assert (held_by_both, held_by_first, budget.held_bytes) == (100, 60, 0)
