"""Topic names and filters [MQTT 4.7], and that finding filters by shape finds what matching finds."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.mqtt.subscriptions import MAX_SHAPES, Grant, Subscriptions
from libs.mqtt.topics import is_valid_filter, is_valid_name, is_valid_shared_filter, matches, split_shared


@pytest.mark.parametrize("name", ["a", "/", "a/b", "/a", "a/", "a//b", "$SYS/x", " ", "ä/💡", "x" * 65_535])
def test_a_name_is_any_text_without_wildcards(name: str) -> None:
    """[MQTT-4.7.3-1], [MQTT-4.7.3-3]."""
    assert is_valid_name(name)


@pytest.mark.parametrize(
    "name",
    ["", "+", "#", "a/+/b", "a/#", "a+b", "a\0b", "\ud800", "x" * 65_536, "ä" * 32_768],
    ids=["empty", "plus", "hash", "level", "tail", "inside", "nul", "surrogate", "long", "long-in-utf-8"],
)
def test_a_name_that_is_none_is_refused(name: str) -> None:
    """[MQTT-3.3.2-2], [MQTT-4.7.3-1], [MQTT-4.7.3-2], [MQTT-1.5.4-1], [MQTT-4.7.3-3]."""
    assert not is_valid_name(name)


@pytest.mark.parametrize(
    "name", ["#", "+", "a/#", "+/#", "a/+/b", "+/+", "/+", "/#", "a", "$SYS/#", "$share"]
)
def test_wildcards_fill_whole_levels(name: str) -> None:
    """[MQTT-4.7.1-2], [MQTT-4.7.1-3]."""
    assert is_valid_filter(name)


@pytest.mark.parametrize(
    "name",
    ["", "a#", "#/a", "a/#/b", "##", "a+", "+a", "a/b+/c", "++", "a/+b/#", "a\0", "\udfff", "x" * 65_536],
)
def test_a_wildcard_elsewhere_makes_the_filter_invalid(name: str) -> None:
    """[MQTT-4.7.1-2], [MQTT-4.7.1-3], [MQTT-4.7.3-1], [MQTT-4.7.3-2]."""
    assert not is_valid_filter(name)


@pytest.mark.parametrize(
    ("name", "valid"),
    [
        ("$share/g/a", True),
        ("$share/g/+/#", True),
        ("$share/g//", True),
        ("a/b", True),
        ("$share", False),
        ("$share/g", False),
        ("$share/g/", False),
        ("$share//a", False),
        ("$share/+/a", False),
        ("$share/g#/a", False),
        ("$share/g/a#", False),
    ],
)
def test_a_shared_filter_has_a_name_and_a_filter(name: str, *, valid: bool) -> None:
    """[MQTT-4.8.2-1], [MQTT-4.8.2-2]."""
    assert is_valid_shared_filter(name) is valid


MATCHING = [
    ("a/b", "a/b", True),
    ("a/b", "a/c", False),
    ("a/b", "a/b/c", False),
    ("a/+", "a/b", True),
    ("a/+", "a/", True),
    ("a/+", "a", False),
    ("a/+", "a/b/c", False),
    ("+", "/a", False),
    ("/+", "/a", True),
    ("+/+", "/a", True),
    ("a/#", "a", True),
    ("a/#", "a/b/c", True),
    ("a/#", "b", False),
    ("#", "a/b", True),
    ("+/b/#", "a/b", True),
    ("a/+/c/#", "a/x/c/d/e", True),
    ("a/+/c/#", "a/x/d", False),
    ("A", "a", False),
    ("#", "$SYS/a", False),
    ("+/a", "$SYS/a", False),
    ("$SYS/#", "$SYS/a", True),
    ("$SYS/+", "$SYS/a", True),
]


@pytest.mark.parametrize(("topic_filter", "topic", "hit"), MATCHING)
def test_filters_match_level_by_level(topic_filter: str, topic: str, *, hit: bool) -> None:
    """[MQTT-4.7.1-1], [MQTT-4.7.2-1], [MQTT-4.7.3-4], 4.7.1.2."""
    filters = Subscriptions()
    filters.add(topic_filter, Grant(1, 0), most=1, most_bytes=100)

    assert matches(topic_filter, topic) is hit
    assert bool(filters.matching(topic)) is hit


LEVELS = st.sampled_from(["", "a", "b", "$x", "+"])
TOPICS = st.lists(st.sampled_from(["", "a", "b", "$x"]), min_size=1, max_size=5).map("/".join).filter(bool)


@st.composite
def topic_filters(draw: st.DrawFn) -> str:
    levels = draw(st.lists(LEVELS, min_size=0, max_size=4))
    tail = ["#"] if draw(st.booleans()) or not levels else []
    return "/".join(levels + tail) or "/"


@given(st.lists(topic_filters(), max_size=12), st.lists(topic_filters(), max_size=4), TOPICS)
def test_finding_by_shape_finds_what_matching_each_would(
    added: list[str], removed: list[str], topic: str
) -> None:
    filters = Subscriptions()
    for number, name in enumerate(added):
        filters.add(name, Grant(number % 2, number), most=100, most_bytes=10_000)
    for name in removed:
        assert filters.remove(name) is (name in added)
        added = [other for other in added if other != name]

    found = sorted(grant.identifier for grant in filters.matching(topic))

    latest = {name: number for number, name in enumerate(added)}
    assert len(found) == sum(matches(name, topic) for name in latest)
    assert len(filters) == len(latest)
    assert filters.size_bytes == sum(len(name) for name in latest)


def test_a_shared_filter_matches_what_stands_behind_its_name() -> None:
    filters = Subscriptions()
    filters.add("$share/g/a/+", Grant(1, 7), most=1, most_bytes=100)

    assert split_shared("$share/g/a/+") == ("$share/g/", "a/+")
    assert filters.matching("a/b") == [Grant(1, 7)]
    assert not filters.matching("$share/g/a/b")


def test_filters_are_bounded_in_number_bytes_and_shapes() -> None:
    filters = Subscriptions()
    shapes = ["/".join(["+"] * (n + 1)) for n in range(MAX_SHAPES + 1)]

    taken = [filters.add(name, Grant(0, 0), most=1000, most_bytes=100_000) for name in shapes]

    assert taken == [True] * MAX_SHAPES + [False]
    assert not filters.add("a", Grant(0, 0), most=MAX_SHAPES, most_bytes=100_000)
    assert not filters.add("+", Grant(1, 0), most=1, most_bytes=1) or filters.matching("x") == [Grant(1, 0)]
    assert not filters.add("x" * 100, Grant(0, 0), most=1000, most_bytes=filters.size_bytes + 99)
