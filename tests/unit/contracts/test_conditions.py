import pytest

from libs.contracts.conditions import check_if_match, is_current
from libs.contracts.errors import BadRequestError, PreconditionFailedError

CURRENT = '"a1b2-7"'


@pytest.mark.parametrize(
    "condition",
    [
        pytest.param(None, id="no condition"),
        pytest.param("*", id="anything"),
        pytest.param(CURRENT, id="the tag"),
        pytest.param(f'"x" ,\t{CURRENT}, "y"', id="in a list"),
        pytest.param(f'"a,b",{CURRENT}', id="after a tag with a comma"),
    ],
)
def test_if_match_holds(condition: str | None) -> None:
    check_if_match(condition, CURRENT)


@pytest.mark.parametrize(
    "condition",
    [
        pytest.param('"a1b2-6"', id="an earlier revision"),
        pytest.param('"c3d4-7"', id="another incarnation"),
        pytest.param(f"W/{CURRENT}", id="weak"),
        pytest.param('"x", "y"', id="a list without it"),
    ],
)
def test_if_match_does_not_hold(condition: str) -> None:
    with pytest.raises(PreconditionFailedError):
        check_if_match(condition, CURRENT)


@pytest.mark.parametrize(
    "condition",
    [
        pytest.param("a1b2-7", id="without quotes"),
        pytest.param("", id="empty"),
        pytest.param(f"*, {CURRENT}", id="star in a list"),
        pytest.param('"a" "b"', id="no comma"),
        pytest.param('"' * 9000, id="very long"),
        pytest.param('"a",' * 2000 + "x", id="long and wrong in the end"),
        pytest.param('"a"' + "," * 8000 + "x", id="thousands of commas"),
    ],
)
def test_what_is_no_condition_is_a_bad_request(condition: str) -> None:
    with pytest.raises(BadRequestError):
        check_if_match(condition, CURRENT)


@pytest.mark.parametrize(
    ("condition", "current"),
    [
        pytest.param(None, False, id="no condition"),
        pytest.param("*", True, id="anything"),
        pytest.param(CURRENT, True, id="the tag"),
        pytest.param(f"W/{CURRENT}", True, id="weak"),
        pytest.param('"a1b2-6"', False, id="an earlier revision"),
    ],
)
def test_if_none_match_tells_whether_the_caller_has_it(condition: str | None, *, current: bool) -> None:
    assert is_current(condition, CURRENT) is current
