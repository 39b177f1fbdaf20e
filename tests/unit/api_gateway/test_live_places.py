"""Where a stream goes on, and what is said to be missing."""

import pytest

from services.api_gateway.live.places import Place, beginning, place_of, skipped
from tests.support.live_events import FakeExtent

NOW = FakeExtent(created_ms=1_000, first_sequence=5, last_sequence=9)
EMPTY = FakeExtent(created_ms=1_000, first_sequence=10, last_sequence=9)


def at(sequence: int, *, created_ms: int = 1_000, stream: str = "EVENTS") -> Place:
    return Place(stream=stream, created_ms=created_ms, sequence=sequence)


@pytest.mark.parametrize("place", [at(0), at(9, created_ms=1_763_698_000_000), at(1, stream="my-lab_EVENTS")])
def test_an_id_is_read_as_it_was_written(place: Place) -> None:
    assert place_of(str(place)) == place


@pytest.mark.parametrize(
    "text",
    [
        "",
        "7",
        "EVENTS-7",
        "EVENTS-xyz-7",
        "EVENTS-3e8--7",
        "EVENTS-3e8-7\n",
        f"EVENTS-3e8-{'9' * 40}",
        "-1-1",
    ],
)
def test_what_is_no_id_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not the id of an event"):
        place_of(text)


def test_who_brings_no_id_begins_now() -> None:
    assert beginning("EVENTS", NOW, None) == (at(9), None)


@pytest.mark.parametrize("sequence", [4, 5, 8, 9])
def test_who_is_within_the_stream_goes_on_without_a_gap(sequence: int) -> None:
    assert beginning("EVENTS", NOW, at(sequence)) == (at(sequence), None)


@pytest.mark.parametrize(
    ("last", "extent", "place", "missed"),
    [
        pytest.param(at(1), NOW, at(4), 3, id="expired in part"),
        pytest.param(at(7), EMPTY, at(9), 2, id="expired altogether"),
        pytest.param(at(10), NOW, at(9), None, id="never reached"),
        pytest.param(at(7, created_ms=999), NOW, at(4), None, id="another stream of this name"),
        pytest.param(at(7, stream="OTHER"), NOW, at(4), None, id="another stream"),
    ],
)
def test_what_is_missing_is_said(last: Place, extent: FakeExtent, place: Place, missed: int | None) -> None:
    began, gap = beginning("EVENTS", extent, last)

    assert began == place
    assert gap is not None
    assert gap.missed == missed


def test_sequences_that_follow_each_other_miss_nothing() -> None:
    assert skipped(4, 5) is None
    gap = skipped(4, 8)
    assert gap is not None
    assert gap.missed == 3
