"""A session survives whatever comes: 20,000 mutated packets here, a million in ``make soak``."""

import random
from concurrent.futures import ProcessPoolExecutor
from itertools import islice
from multiprocessing import get_context

import pytest

from tests.support.mqtt_mutator import Case, cases, judge

_PROCESSES = 2


def run(seed: int, mutated: int) -> tuple[int, int, int]:
    """Judge cases until so many packets were mutated; how many cases, how many packets, how many closed."""
    judged = total = closed = 0
    for case in cases(seed):
        try:
            closed += judge(case)
        except Exception as error:
            raise AssertionError(f"case {judged} of seed {seed} fails: {case!r}") from error
        judged += 1
        total += case.mutated
        if total >= mutated:
            break
    return judged, total, closed


def test_twenty_thousand_mutated_packets_break_nothing(soak_seed: int) -> None:
    judged, total, closed = run(soak_seed, 20_000)

    assert total >= 20_000
    assert 0.3 * judged < closed < judged  # else the mutator misses what it is for


@pytest.mark.soak
def test_a_million_mutated_packets_break_nothing(soak_seed: int) -> None:
    seeds = [soak_seed + 1_000_003 * (index + 1) for index in range(2 * _PROCESSES)]

    with ProcessPoolExecutor(_PROCESSES, mp_context=get_context("spawn")) as pool:
        results = list(pool.map(run, seeds, [250_000] * len(seeds)))

    assert sum(total for _, total, _ in results) >= 1_000_000


def test_a_seed_makes_the_same_cases() -> None:
    def first(seed: int) -> list[Case]:
        return list(islice(cases(seed), 20))

    seed = random.Random(1).getrandbits(32)

    assert first(seed) == first(seed)
    assert first(seed) != first(seed + 1)
