import pytest

from tools.check_reasons import lacks_reason, unexplained


@pytest.mark.parametrize(
    "comment",
    [
        pytest.param("# noqa: BLE001 - any failure means not ready", id="noqa and reason"),
        pytest.param("# noqa: S603, S607 - our own program", id="two rules and a reason"),
        pytest.param("# type: ignore[misc]  # the driver has no types", id="type and reason"),
        pytest.param("# type: ignore[misc]  # noqa: A001 - the name of the RFC", id="both and one reason"),
        pytest.param("# says noqa in passing", id="no directive"),
    ],
)
def test_an_explained_comment_passes(comment: str) -> None:
    assert not lacks_reason(comment)


@pytest.mark.parametrize(
    "comment",
    [
        pytest.param("# noqa: BLE001", id="noqa alone"),
        pytest.param("# noqa: S603, S607", id="two rules alone"),
        pytest.param("# type: ignore[misc]", id="type alone"),
        pytest.param("# type: ignore[misc]  # noqa: A001", id="both alone"),
        pytest.param("# ruff: noqa: D103", id="a whole file"),
        pytest.param("# pragma: no cover", id="not counted in coverage"),
    ],
)
def test_a_bare_directive_is_found(comment: str) -> None:
    assert lacks_reason(comment)


def test_only_comments_are_read_and_lines_are_counted_from_one() -> None:
    source = 'text = "# noqa: A001"\nx = 1  # noqa: A001\n'

    assert list(unexplained(source)) == [2]
