from tools.run_tests import run_command, soak_command


def test_a_whole_run_leaves_soaks_out_and_measures() -> None:
    whole = run_command([])

    assert whole[whole.index("-m", 3) + 1] == "not soak"
    assert "--cov" in whole


def test_a_run_of_named_tests_measures_nothing() -> None:
    named = run_command(["tests/unit", "-k", "token"])

    assert named[-3:] == ["tests/unit", "-k", "token"]
    assert "--cov" not in named


def test_a_soak_hands_its_seed_to_generated_examples() -> None:
    soak = soak_command([], seed=7)

    assert soak[soak.index("-m", 3) + 1] == "soak"
    assert "--hypothesis-seed=7" in soak
