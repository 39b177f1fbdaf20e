import signal

import pytest

from deploy.local.backoff import Backoff, cause_of


def test_a_crash_loop_is_retried_ever_more_slowly_up_to_ten_seconds() -> None:
    backoff = Backoff()

    delays = [backoff.delay_s(exit_code=1, ready_for_s=0.1) for _ in range(7)]

    assert delays == [0.5, 1, 2, 4, 8, 10, 10]


def test_a_process_that_was_ready_for_long_starts_over_with_the_first_delay() -> None:
    backoff = Backoff()
    for _ in range(5):
        backoff.delay_s(exit_code=1, ready_for_s=None)

    assert backoff.delay_s(exit_code=1, ready_for_s=30.0) == 0.5
    assert backoff.delay_s(exit_code=1, ready_for_s=29.9) == 1.0


@pytest.mark.parametrize(
    "exit_code",
    [
        pytest.param(0, id="stopped"),
        pytest.param(-signal.SIGKILL, id="killed"),
        pytest.param(-signal.SIGTERM, id="terminated"),
    ],
)
def test_a_process_ended_by_hand_comes_back_at_once_however_often(exit_code: int) -> None:
    backoff = Backoff()

    assert [backoff.delay_s(exit_code=exit_code, ready_for_s=0.1) for _ in range(10)] == [0.5] * 10


def test_one_killed_before_it_was_ready_counts_as_a_crash() -> None:
    backoff = Backoff()

    assert [backoff.delay_s(exit_code=-signal.SIGKILL, ready_for_s=None) for _ in range(3)] == [0.5, 1, 2]


@pytest.mark.parametrize(
    ("exit_code", "words"),
    [
        pytest.param(3, "ended with exit code 3", id="exit code"),
        pytest.param(-9, "ended by SIGKILL", id="signal"),
        pytest.param(-250, "ended by signal 250", id="unknown signal"),
    ],
)
def test_the_cause_of_an_end_is_told_in_words(exit_code: int, words: str) -> None:
    assert cause_of(exit_code) == words
