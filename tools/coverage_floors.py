"""Hold each package above its floor of covered lines and branches.

Only our own process is measured: a system test that drives a service from outside raises nothing
here, so a floor says what unit, contract and component tests reach by themselves. Raise a number
when a package has earned it; lowering one needs a reason in the commit message.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# A package counts for the longest prefix that names it; None is not held to a floor.
FLOORS: Mapping[str, float | None] = {
    "libs.contracts": 95,
    "libs.bus": 80,
    "libs.store": 80,
    "libs.mqtt": 95,
    "libs.process": 80,
    "services": 80,
    "deploy": None,  # the runner is tested from outside, as a process
    "tools": None,  # benches and checks run by themselves
}


@dataclass
class Tally:
    """Lines and branches of one package; adds up over its modules."""

    covered: int = 0
    possible: int = 0

    def add(self, summary: Mapping[str, int]) -> None:
        self.covered += summary["covered_lines"] + summary["covered_branches"]
        self.possible += summary["num_statements"] + summary["num_branches"]

    @property
    def percent(self) -> float:
        return 100.0 * self.covered / self.possible if self.possible else 100.0


def package_of(path: str) -> str:
    """Return the package a measured file counts for: ``libs/bus/wrapper.py`` for ``libs.bus``."""
    return ".".join(Path(path).parent.parts[:2])


def floor_of(package: str, floors: Mapping[str, float | None]) -> float | None:
    named = [name for name in floors if package == name or package.startswith(f"{name}.")]
    return floors[max(named, key=len)] if named else None


def tallies(report: Mapping[str, Any]) -> dict[str, Tally]:
    """Add up a coverage.py JSON report by package."""
    found: dict[str, Tally] = {}
    for path, file in sorted(report["files"].items()):
        found.setdefault(package_of(path), Tally()).add(file["summary"])
    return found


def below(found: Mapping[str, Tally], floors: Mapping[str, float | None]) -> Iterable[str]:
    """Yield a line for each package under its floor."""
    for package, tally in found.items():
        floor = floor_of(package, floors)
        if floor is not None and tally.percent < floor:
            yield f"{package}: {tally.percent:.1f} % is covered, its floor is {floor:g} %"


def hold(report: Path) -> bool:
    """Print what every package reaches; True when all stand on their floors."""
    found = tallies(json.loads(report.read_text()))
    missing = list(below(found, FLOORS))
    reached = ", ".join(f"{package} {tally.percent:.0f}" for package, tally in found.items())
    print(f"branch coverage in %: {reached}")
    for line in missing:
        print(f"too little coverage: {line}")
    return not missing
