from pathlib import Path

from tools.run_tests import run_commands, soak_command


def test_a_whole_run_leaves_soaks_out_and_measures() -> None:
    for whole in run_commands([]):
        assert whole[whole.index("-m", 3) + 1] == "not soak"
        assert "--cov" in whole


def test_a_whole_run_leaves_no_folder_of_tests_out() -> None:
    folders = {path.parts[1] for path in Path("tests").glob("*/**/test_*.py")}

    named = {Path(word).name for whole in run_commands([]) for word in whole if word.startswith("tests/")}

    assert named == folders


def test_a_run_of_named_tests_measures_nothing() -> None:
    (named,) = run_commands(["tests/unit", "-k", "token"])

    assert named[-3:] == ["tests/unit", "-k", "token"]
    assert "--cov" not in named


def test_a_soak_hands_its_seed_to_generated_examples() -> None:
    soak = soak_command([], seed=7)

    assert soak[soak.index("-m", 3) + 1] == "soak"
    assert "--hypothesis-seed=7" in soak
