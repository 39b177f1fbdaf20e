import pytest

from tools.simulator.ledger import Ledger, percentile


def test_a_tree_numbers_its_samples_from_one() -> None:
    ledger = Ledger(2)

    numbers = [ledger.next_number(0), ledger.next_number(0), ledger.next_number(1)]

    assert numbers == [1, 2, 1]
    assert (ledger.sent, ledger.waiting) == (3, 3)


def test_nothing_is_known_before_the_first_acknowledgement() -> None:
    assert Ledger(1).percentiles_ms() is None


def test_acknowledgements_are_counted_and_timed() -> None:
    ledger = Ledger(1)
    for n in (1, 2):
        ledger.next_number(0)
        ledger.acknowledge(0, n, took_s=n / 1000)

    assert (ledger.acknowledged, ledger.waiting) == (2, 0)
    assert ledger.percentiles_ms() == ledger.percentiles_ms(recent=True) == (1.0, 2.0)


@pytest.mark.parametrize("acknowledged_first", [True, False], ids=["after its PUBACK", "before its PUBACK"])
def test_a_refused_sample_is_no_promise_and_is_settled_once(*, acknowledged_first: bool) -> None:
    ledger = Ledger(1)
    ledger.next_number(0)

    if acknowledged_first:
        ledger.acknowledge(0, 1, took_s=0.0)
        ledger.refuse(0, 1, "403 token is suspended")
    else:
        ledger.refuse(0, 1, "403 token is suspended")
        ledger.acknowledge(0, 1, took_s=0.0)

    assert ledger.accounts[0].promised == set()
    assert (ledger.refused, ledger.waiting, ledger.trouble) == (1, 0, "403 token is suspended")


@pytest.mark.parametrize(
    ("part", "expected"),
    [
        pytest.param(0.0, 1, id="the smallest"),
        pytest.param(0.5, 50, id="the median"),
        pytest.param(0.99, 99, id="all but one"),
        pytest.param(1.0, 100, id="the greatest"),
    ],
)
def test_percentiles_are_values_that_occurred(part: float, expected: int) -> None:
    assert percentile(range(1, 101), part) == expected
