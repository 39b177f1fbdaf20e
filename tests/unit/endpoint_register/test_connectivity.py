"""The record of who is connected does not depend on order, repetition or anybody's clock."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import timedelta
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.contracts.connectivity import generation
from libs.contracts.ids import AppVersionName, EndpointId
from services.endpoint_register.domain.connectivity import (
    Connectivity,
    Known,
    Sighting,
    Statement,
    applied,
    is_generation,
    is_run_id,
    newest,
    seen,
)
from tests.support.rest import Json
from tests.unit.endpoint_register.time_and_chance import START

TREE = EndpointId("tree")


def place(sequence: int, *, stream: int = 1) -> str:
    return generation(stream_created_ms=stream, sequence=sequence)


def connected(at: int, *, run: str = "one", of: int | None = None, **fields: Json) -> Statement:
    said: Json = {
        "endpoint_id": TREE,
        "generation": place(at if of is None else of),
        "place": place(at),
        "connected": True,
        "run_id": run,
        "version": AppVersionName("olives-v1"),
        "transport": "MQTT",
        "at": START + timedelta(seconds=at),
        "heard_at": START + timedelta(seconds=at) if of is None else None,
    }
    return Statement(**{**said, **fields})


def disconnected(at: int, *, of: int, run: str = "one", **fields: Json) -> Statement:
    return connected(at, of=of, run=run, connected=False, **fields)


def known(statement: Statement) -> Known:
    return Known(statement=statement, incarnation="first", is_settled=True)


def after(statements: Iterable[Statement]) -> Connectivity | None:
    record: Connectivity | None = None
    for each in statements:
        record = applied(record, known(each)) or record
    return record


def state(record: Connectivity | None) -> object:
    """What ordering decides: since when and when last heard are told for people, within a minute."""
    assert record is not None
    return replace(record, since=None, last_seen=None)


HISTORIES = [
    pytest.param(
        [connected(1), connected(2, run="two"), disconnected(3, of=1), disconnected(4, of=2, run="two")],
        id="moved, both over",
    ),
    pytest.param([connected(1), connected(2, run="two"), disconnected(3, of=1)], id="moved, old one over"),
    pytest.param([connected(1), disconnected(2, of=1), connected(3)], id="away and back"),
    pytest.param(
        [connected(1), connected(2, of=1), disconnected(3, of=1), connected(4, run="two")], id="repeated"
    ),
    pytest.param(
        [connected(1), connected(2, run="two"), connected(3, of=1), disconnected(4, of=1)],
        id="the old one repeated after the move",
    ),
    pytest.param([connected(1), disconnected(2, of=1), connected(3, of=1)], id="repeated after its end"),
]


@pytest.mark.parametrize("history", HISTORIES)
def test_every_order_and_any_repetition_end_the_same(history: Sequence[Statement]) -> None:
    last = max(history, key=lambda each: each.key)

    outcomes = {
        state(after([*order, *repeated]))
        for order in permutations(history)
        for repeated in permutations(history, 2)
    }

    (outcome,) = outcomes
    assert outcome == state(after([last]))


@given(st.data())
def test_any_events_of_two_connections_end_the_same_in_any_order(data: st.DataObject) -> None:
    begins = data.draw(st.lists(st.integers(1, 9), min_size=1, max_size=3, unique=True))
    history = [connected(at, run=f"run{at}") for at in begins]
    for at in range(10, 10 + data.draw(st.integers(0, 6))):
        of = data.draw(st.sampled_from(begins))
        history.append(connected(at, of=of, run=f"run{of}", connected=data.draw(st.booleans())))
    clocks = data.draw(st.lists(st.integers(-3600, 3600), min_size=len(history), max_size=len(history)))
    skewed = [
        replace(each, at=each.at + timedelta(seconds=skew))
        for each, skew in zip(history, clocks, strict=True)
    ]

    order = data.draw(st.permutations([*skewed, *data.draw(st.lists(st.sampled_from(skewed), max_size=4))]))

    assert state(after(order)) == state(after(history)) == state(after(newest(order)))


def test_a_stream_made_anew_is_later_whatever_its_sequences_are() -> None:
    old, new = connected(900), replace(connected(1), generation=place(1, stream=2), place=place(1, stream=2))

    assert state(after([new, old])) == state(after([old, new])) == state(after([new]))


def test_a_repeated_binding_keeps_since_when_it_is_there() -> None:
    record = after([connected(1), connected(5, of=1)])

    assert record is not None
    assert record.since == START + timedelta(seconds=1)
    assert record.last_seen == START + timedelta(seconds=1)


def test_a_new_binding_begins_anew() -> None:
    record = after([connected(1), connected(5, run="two")])

    assert record is not None
    assert (record.since, record.run_id) == (START + timedelta(seconds=5), "two")


def test_what_happened_together_counts_as_heard_although_it_is_over() -> None:
    (statement,) = newest([disconnected(2, of=1), connected(1)])

    record = after([statement])

    assert record is not None
    assert (record.connected, record.last_seen) == (False, START + timedelta(seconds=1))


def test_an_endpoint_is_active_while_connected_and_for_a_while_after_it_was_heard() -> None:
    there, gone = after([connected(1)]), after([connected(1), disconnected(2, of=1)])
    later = START + timedelta(hours=1)

    assert there is not None
    assert gone is not None
    assert there.is_active(now=later, within=timedelta(minutes=10))
    assert gone.is_active(now=START + timedelta(minutes=10), within=timedelta(minutes=10))
    assert not gone.is_active(now=later, within=timedelta(minutes=10))


@pytest.mark.parametrize(
    ("fields", "is_due"),
    [
        pytest.param({"at": START + timedelta(seconds=30)}, False, id="a moment later"),
        pytest.param({"at": START + timedelta(seconds=61)}, True, id="a minute later"),
        pytest.param({"at": START - timedelta(seconds=61)}, False, id="earlier"),
        pytest.param({"transport": "HTTP"}, True, id="over something else"),
        pytest.param({"incarnation": "second"}, True, id="of a new life"),
    ],
)
def test_being_heard_is_written_once_a_minute(fields: dict[str, Json], *, is_due: bool) -> None:
    values: Json = {"endpoint_id": TREE, "incarnation": "first", "transport": "MQTT", "at": START}
    record = seen(None, Sighting(**values))

    assert record.is_due(Sighting(**{**values, **fields})) is is_due


def test_a_new_life_of_an_id_has_nothing_of_the_old_one() -> None:
    old = after([connected(1)])

    new = seen(old, Sighting(endpoint_id=TREE, incarnation="second", transport="HTTP", at=START))

    assert (new.connected, new.since, new.run_id, new.incarnation) == (False, None, "", "second")
    assert applied(new, known(connected(1))) is None


@pytest.mark.parametrize(
    ("text", "fits"),
    [
        pytest.param(place(5), True, id="itself"),
        pytest.param(place(4), True, id="before"),
        pytest.param(place(6), False, id="after"),
        pytest.param("", False, id="empty"),
        pytest.param("~", False, id="would win for ever"),
        pytest.param(place(4) + "/", False, id="with a tail"),
    ],
)
def test_only_generations_that_can_be_are_taken(text: str, *, fits: bool) -> None:
    assert is_generation(text, place=place(5)) is fits


def test_a_process_has_a_plain_name() -> None:
    assert is_run_id("0f3a")
    assert not any(map(is_run_id, ["", "a/b", "!a", "x" * 65]))
