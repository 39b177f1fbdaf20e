import pytest

from deploy.local.order import selected, waves
from deploy.local.problem import RunnerError
from deploy.local.table import TABLE, Row

DIAMOND = (
    Row(name="roof", needs=("left", "right")),
    Row(name="left", needs=("ground",)),
    Row(name="right", needs=("ground",)),
    Row(name="ground"),
)


def names(rows: tuple[Row, ...]) -> list[str]:
    return [row.name for row in rows]


def test_each_wave_needs_only_earlier_ones() -> None:
    assert [names(wave) for wave in waves(DIAMOND)] == [["ground"], ["left", "right"], ["roof"]]


def test_a_need_outside_the_table_is_met_from_outside() -> None:
    assert [names(wave) for wave in waves((Row(name="service", needs=("nats",)),))] == [["service"]]


def test_a_circle_is_named() -> None:
    with pytest.raises(RunnerError, match=r"circle: hen, egg|circle: egg, hen"):
        waves((Row(name="hen", needs=("egg",)), Row(name="egg", needs=("hen",)), Row(name="ground")))


def test_a_selection_brings_what_it_needs_in_the_order_of_the_table() -> None:
    assert names(selected(DIAMOND, ["left"])) == ["left", "ground"]


def test_no_selection_is_everything() -> None:
    assert selected(DIAMOND, []) == DIAMOND


def test_an_unknown_name_is_told_with_the_known_ones() -> None:
    with pytest.raises(RunnerError, match="there is no process 'roog'; there are roof, left, right, ground"):
        selected(DIAMOND, ["roog"])


def test_our_table_starts_with_the_infrastructure_and_ends_with_the_front_doors() -> None:
    order = [names(wave) for wave in waves(TABLE)]

    assert order[0] == ["nats", "store"]
    assert {"http-transport", "api-gateway"} <= set(order[-1])
