"""The budget of bytes: never above its limit, and what is given back may be taken again."""

from libs.process.budget import Budget


def test_bytes_are_refused_above_the_limit_and_given_back() -> None:
    budget = Budget(100)

    taken = [budget.take(60), budget.take(41), budget.take(40)]
    budget.give(60)

    assert taken == [True, False, True]
    assert budget.held_bytes == 40
