"""What the sensors of an olive tree say: warm afternoons, soil that dries and is watered; pure.

Values follow from the seed, the number of the tree and the time alone, in days, so a run can be repeated.
"""

import math
import random
from dataclasses import dataclass
from typing import Final

_WARMEST: Final = 15 / 24
_NOON: Final = 13 / 24
_QUARTER: Final = 0.25

_MEAN_C, _SWING_C = 19.0, 8.0
_FIELD_CAPACITY, _WILTING = 38.0, 17.0
_TANK_FULL, _TANK_LOW = 100.0, 15.0
_CELL_V, _CELL_SWING_V = 3.75, 0.3
_WATERING: Final = 0.06
"""Part of an irrigation cycle in which water flows."""

VARIETIES: Final = ("Koroneiki", "Kalamon", "Amfissis", "Chalkidikis")


@dataclass(frozen=True, slots=True)
class Tree:
    """Where a tree stands and what makes it differ from its neighbours.

    Attributes:
        number: From 1.
        variety: Of the olive.
        shade_days: How much later its day is: some stand behind a hill.
        warmth_c: Warmer or colder than the mean of the grove.
        watering_days: Days from one irrigation to the next.
        watering_phase: Where in that cycle it starts, 0 to 1.
        tank_days: Days for which its tank lasts.
        tank_phase: Where in that it starts, 0 to 1.
    """

    number: int
    variety: str
    shade_days: float
    warmth_c: float
    watering_days: float
    watering_phase: float
    tank_days: float
    tank_phase: float
    seed: int

    @classmethod
    def grown(cls, number: int, *, seed: int) -> "Tree":
        """Return the same tree for the same seed and number."""
        chance = random.Random(f"{seed}/{number}")  # noqa: S311 - weather, not a secret
        return cls(
            number=number,
            variety=chance.choice(VARIETIES),
            shade_days=chance.uniform(-1 / 24, 1 / 24),
            warmth_c=chance.gauss(0.0, 0.8),
            watering_days=chance.uniform(2.0, 4.0),
            watering_phase=chance.random(),
            tank_days=chance.uniform(5.0, 9.0),
            tank_phase=chance.random(),
            seed=seed,
        )

    def values(self, n: int, *, days: float) -> dict[str, float]:
        """Return sample ``n``, taken ``days`` after some midnight."""
        chance = random.Random(f"{self.seed}/{self.number}/{n}")  # noqa: S311 - weather, not a secret
        here = days - self.shade_days
        tank = 1.0 - (self.tank_phase + days / self.tank_days) % 1.0
        return {
            "n": n,
            "soilMoisture": round(self._moisture(days) + chance.gauss(0.0, 0.15), 2),
            "temperature": round(
                _MEAN_C + self.warmth_c + _SWING_C * _wave(here, _WARMEST) + chance.gauss(0.0, 0.1), 2
            ),
            "battery": round(
                _CELL_V + _CELL_SWING_V * _wave(here, _NOON + 0.1) + chance.gauss(0.0, 0.005), 3
            ),
            "tankLevel": round(_TANK_LOW + (_TANK_FULL - _TANK_LOW) * tank, 2),
        }

    def _moisture(self, days: float) -> float:
        """Percent by volume: down slowly until it is watered, then up quickly."""
        at = (self.watering_phase + days / self.watering_days) % 1.0
        dry = 1.0 - _WATERING
        wetness = 1.0 - at / dry if at < dry else (at - dry) / _WATERING
        return _WILTING + (_FIELD_CAPACITY - _WILTING) * wetness


def _wave(days: float, highest: float) -> float:
    """Return -1 to 1, highest at that part of every day."""
    return math.sin(math.tau * (days - highest + _QUARTER))
