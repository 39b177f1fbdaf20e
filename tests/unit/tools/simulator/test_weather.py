import itertools

import pytest

from tools.simulator.weather import Tree


def test_the_same_seed_grows_the_same_tree() -> None:
    first, again, other = (Tree.grown(7, seed=seed) for seed in (1, 1, 2))

    assert first == again
    assert first.values(3, days=0.4) == again.values(3, days=0.4)
    assert first != other


def test_trees_of_a_grove_differ() -> None:
    trees = [Tree.grown(number, seed=1) for number in range(1, 21)]

    assert len({tree.watering_phase for tree in trees}) == 20
    assert len({tree.values(1, days=0.5)["soilMoisture"] for tree in trees}) > 15


def test_a_sample_carries_its_number() -> None:
    assert Tree.grown(1, seed=1).values(42, days=0.0)["n"] == 42


def test_afternoons_are_warmer_than_nights() -> None:
    for number in range(1, 21):
        tree = Tree.grown(number, seed=3)

        assert tree.values(1, days=15 / 24)["temperature"] > tree.values(2, days=3 / 24)["temperature"] + 10


def test_soil_dries_between_two_waterings_and_only_then() -> None:
    tree = Tree.grown(1, seed=1)
    step = tree.watering_days / 100

    wet = [tree.values(n, days=n * step)["soilMoisture"] for n in range(100)]

    rises = sum(later > before + 1.0 for before, later in itertools.pairwise(wet))
    assert 3 <= rises <= 8


@pytest.mark.parametrize(
    ("sensor", "least", "most"),
    [
        pytest.param("soilMoisture", 15, 40, id="soil moisture, % by volume"),
        pytest.param("temperature", 5, 35, id="temperature, degrees C"),
        pytest.param("battery", 3.3, 4.2, id="battery, V"),
        pytest.param("tankLevel", 0, 100, id="tank level, %"),
    ],
)
def test_sensors_stay_where_nature_keeps_them(sensor: str, least: float, most: float) -> None:
    values = [
        Tree.grown(number, seed=5).values(n, days=n / 10)[sensor]
        for number in range(1, 11)
        for n in range(100)
    ]

    assert least < min(values)
    assert max(values) <= most
