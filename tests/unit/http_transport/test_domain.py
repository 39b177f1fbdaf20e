"""Request targets: nothing is normalised, and no encoding moves a level."""

from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.contracts.errors import BadRequestError
from services.http_transport.domain import levels_of


@pytest.mark.parametrize(
    ("target", "levels"),
    [
        pytest.param("/", [""], id="root"),
        pytest.param("/kp1/a/b", ["kp1", "a", "b"], id="plain"),
        pytest.param("/kp1//b/", ["kp1", "", "b", ""], id="empty levels stay"),
        pytest.param("//kp1", ["", "kp1"], id="double slash in front"),
        pytest.param("/kp1/../b/.", ["kp1", "..", "b", "."], id="dots stay"),
        pytest.param("/a?b=/c/../d#e", ["a"], id="query"),
        pytest.param("/a%2Fb/c", ["a/b", "c"], id="encoded slash stays in its level"),
        pytest.param("/a%252Fb", ["a%2Fb"], id="decoded once"),
        pytest.param("/%C3%A9/\u00e9", ["\u00e9", "\u00e9"], id="UTF-8, encoded and raw"),
        pytest.param("/a+b", ["a+b"], id="plus is a plus"),
        pytest.param("http://host:1/a/b?c", ["a", "b"], id="absolute form"),
        pytest.param("http://host", [""], id="absolute form without path"),
        pytest.param("*", [""], id="asterisk form"),
        pytest.param("host:443", [""], id="authority form"),
    ],
)
def test_levels_of_a_target(target: str, levels: list[str]) -> None:
    assert levels_of(target) == levels


@pytest.mark.parametrize(
    "target",
    ["/a#b", "/a%", "/a%2", "/a%zz", "/a%+1", "/%ff", "/%c3%28", "/%ed%a0%80", "/\udcff", "/a%\u00e9"],
    ids=ascii,
)
def test_what_is_no_path_is_a_400(target: str) -> None:
    with pytest.raises(BadRequestError):
        levels_of(target)


@given(st.lists(st.text(st.characters(codec="utf-8"), min_size=1), min_size=1))
def test_any_level_survives_being_quoted(levels: list[str]) -> None:
    assert levels_of("/" + "/".join(quote(level, safe="") for level in levels)) == levels


@given(st.text())
def test_no_target_does_anything_worse_than_a_400(text: str) -> None:
    try:
        levels = levels_of(text)
    except BadRequestError:
        return
    assert levels
