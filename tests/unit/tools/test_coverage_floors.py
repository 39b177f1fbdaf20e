import json
from pathlib import Path

import pytest

from tools.coverage_floors import below, floor_of, hold, package_of, tallies

FLOORS = {"libs.bus": 80, "services": 70, "services.pear": 90, "tools": None}


def report(**covered: int) -> dict[str, object]:
    """Coverage of files named with ``__`` for ``/``, so many of 50 lines and 50 branches together."""
    return {
        "files": {
            name.replace("__", "/") + ".py": {
                "summary": {
                    "covered_lines": min(count, 50),
                    "covered_branches": max(count - 50, 0),
                    "num_statements": 50,
                    "num_branches": 50,
                }
            }
            for name, count in covered.items()
        }
    }


def test_a_package_adds_up_over_its_files_lines_and_branches() -> None:
    found = tallies(report(libs__bus__one=100, libs__bus__two=50))

    assert list(found) == ["libs.bus"]
    assert found["libs.bus"].percent == 75


def test_a_package_under_its_floor_is_named_and_others_are_not() -> None:
    found = tallies(report(libs__bus__one=79, services__plum__app=70, services__pear__app=89, tools__x=0))

    lines = list(below(found, FLOORS))

    assert [line.split(":")[0] for line in lines] == ["libs.bus", "services.pear"]


@pytest.mark.parametrize(
    ("package", "floor"),
    [
        pytest.param("services.pear", 90, id="its own"),
        pytest.param("services.plum", 70, id="of all services"),
        pytest.param("tools", None, id="none by decision"),
        pytest.param("servicesque", None, id="a name that only begins alike"),
    ],
)
def test_the_longest_name_that_fits_gives_the_floor(package: str, floor: float | None) -> None:
    assert floor_of(package, FLOORS) == floor


def test_a_file_counts_for_the_first_two_folders() -> None:
    assert package_of("services/pear/console/page.py") == "services.pear"
    assert package_of("tools/bench.py") == "tools"


def test_a_report_below_a_floor_fails_the_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "coverage.json"
    path.write_text(json.dumps(report(libs__contracts__ids=94)))

    assert not hold(path)
    assert "libs.contracts: 94.0 %" in capsys.readouterr().out
    path.write_text(json.dumps(report(libs__contracts__ids=95)))
    assert hold(path)
