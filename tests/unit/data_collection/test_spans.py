"""Long ranges of time in parts: all of it, once, and never too much."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.data_collection.domain.durations import HOUR_MS
from services.data_collection.domain.rollups import SPREAD_MS
from services.data_collection.domain.spans import Spans

NOON = 1_795_608_000_000


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.integers(0, 10**6) | st.integers(4 * 10**12 - 2000, 4 * 10**12), max_size=80),
    st.integers(1, 9),
)
def test_spans_come_to_everything_that_is_due_and_to_nothing_else(due: list[int], most: int) -> None:
    now_ms, spans, left, seen = 4 * 10**12, Spans(most=most), [*due, 4 * 10**12 + 1], []

    spans.begin(0, now_ms + 1)
    while (span := spans.span) is not None:
        found = [each for each in left if span[0] <= each < span[1]][:most]
        for each in found:
            left.remove(each)
        seen += found
        spans.found(len(found))

    assert sorted(seen) == sorted(due)
    assert left == [now_ms + 1]


def test_spans_become_as_long_as_suits_what_is_in_them() -> None:
    """What came due within ten minutes, an hour ago, is mostly read by the hundred."""
    begin_ms, spans, read = NOON - SPREAD_MS, Spans(most=256), []
    left = [begin_ms + number * SPREAD_MS // 20_000 for number in range(20_000)]

    spans.begin(0, NOON + HOUR_MS + 1)
    while (span := spans.span) is not None:
        inside = [each for each in left if span[0] <= each < span[1]]
        read.append(len(inside))
        taken = set(inside[:256])
        left = [each for each in left if each not in taken]
        spans.found(min(len(inside), 256))

    assert not left
    assert sum(read) < 6 * 20_000
    assert sorted(read)[len(read) // 2] <= 256


def lengths_of(spans: Spans, count: int) -> list[int]:
    """How long the next spans are while nothing is due in them."""
    lengths: list[int] = []
    while len(lengths) < count and (span := spans.span) is not None:
        lengths.append(span[1] - span[0])
        spans.found(0)
    return lengths


def test_spans_that_could_not_be_read_are_shorter_the_next_time() -> None:
    spans = Spans(most=256)
    spans.begin(0, NOON + 1)
    lengths_of(spans, 8)
    assert spans.span is not None
    too_long = spans.span[1] - spans.span[0]

    spans.failed()
    spans.begin(0, NOON + 1)
    shorter = lengths_of(spans, 12)
    spans.begin(0, NOON + 1)
    longer_again = lengths_of(spans, 12)

    assert max(shorter) == too_long // 4
    assert max(longer_again) == too_long // 2


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.integers(0, 10**6) | st.integers(4 * 10**12 - 2000, 4 * 10**12), max_size=80),
    st.integers(1, 9),
    st.booleans(),
    st.integers(0, 3),
)
def test_spans_that_are_read_whole_cover_a_range_once_and_in_order(
    times: list[int],
    most: int,
    from_beginning: bool,  # noqa: FBT001 - a parameter
    failures: int,
) -> None:
    spans, seen = Spans(most=most, from_beginning=from_beginning, longest_ms=10**12), []

    spans.begin(100, 4 * 10**12)
    while (span := spans.span) is not None:
        if failures:
            failures -= 1
            spans.narrow()
            continue
        found = sorted((each for each in times if span[0] <= each < span[1]), reverse=not from_beginning)
        seen += found
        spans.passed(len(found))

    inside = [each for each in times if 100 <= each < 4 * 10**12]
    assert seen == sorted(inside, reverse=not from_beginning)


@pytest.mark.parametrize("from_beginning", [False, True])
def test_nothing_is_passed_quickly_and_no_faster_than_is_allowed(*, from_beginning: bool) -> None:
    spans = Spans(most=1000, first_ms=HOUR_MS, longest_ms=90 * 24 * HOUR_MS, from_beginning=from_beginning)
    spans.begin(0, NOON)

    lengths = lengths_of(spans, 1000)

    assert lengths[0] == HOUR_MS
    assert max(lengths) == 90 * 24 * HOUR_MS
    assert len(lengths) < 250
    assert sum(lengths) == NOON
