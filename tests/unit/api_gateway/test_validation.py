from enum import Enum
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET, Meta, Struct, UnsetType

from services.api_gateway.problems import InvalidRequestError, Problem
from services.api_gateway.routes import ROUTES
from services.api_gateway.validation import conform


class Colour(Enum):
    GREEN = "green"
    BLACK = "black"


class Olive(Struct, rename="camel"):
    colour: Colour
    weight: float = 1.0


class Tree(Struct, rename="camel"):
    tree_name: str
    olives: list[Olive] = []
    height: Annotated[int, Meta(ge=0)] | None = None
    kind: Literal["old", "young"] = "old"
    watered: bool | UnsetType = UNSET
    notes: dict[str, Any] = {}
    places: tuple[str, ...] | None = None
    label: str | int = ""


def problems_of(value: object, wanted: Any = Tree) -> dict[str, str]:  # noqa: ANN401 - a type expression
    with pytest.raises(InvalidRequestError) as caught:
        conform(value, wanted)
    return {each.path: each.problem for each in caught.value.problems}


def test_a_body_that_fits_becomes_its_struct() -> None:
    body = {
        "treeName": "a",
        "olives": [{"colour": "green", "weight": 2}],
        "places": ["x"],
        "notes": {"n": [1]},
    }

    tree = conform(body, Tree)

    assert tree == Tree("a", olives=[Olive(Colour.GREEN, 2.0)], places=("x",), notes={"n": [1]})


def test_null_passes_where_it_is_allowed() -> None:
    assert conform({"treeName": "a", "height": None, "places": None}, Tree) == Tree("a")


@pytest.mark.parametrize(
    ("body", "problems"),
    [
        pytest.param([], {"$": "must be an object, not an array"}, id="no object"),
        pytest.param(None, {"$": "must be an object, not null"}, id="null"),
        pytest.param({}, {"$.treeName": "is missing"}, id="missing"),
        pytest.param({"treeName": None}, {"$.treeName": "must be text, not null"}, id="null for text"),
        pytest.param(
            {"treeName": "a", "hieght": 1}, {"$.hieght": "unknown field; did you mean height?"}, id="typo"
        ),
        pytest.param({"treeName": "a", "q q": 1}, {"$['q q']": "unknown field"}, id="odd name"),
        pytest.param(
            {"treeName": "a", "height": True},
            {"$.height": "must be a whole number, not true or false"},
            id="boolean is no number",
        ),
        pytest.param(
            {"treeName": "a", "height": 1.5},
            {"$.height": "must be a whole number, not a number"},
            id="fraction",
        ),
        pytest.param({"treeName": "a", "height": -1}, {"$.height": "Expected int >= 0"}, id="bounds"),
        pytest.param({"treeName": "a", "kind": "new"}, {"$.kind": "must be one of old, young"}, id="literal"),
        pytest.param(
            {"treeName": "a", "kind": []},
            {"$.kind": "must be one of old, young"},
            id="literal of another type",
        ),
        pytest.param(
            {"treeName": "a", "watered": "yes"}, {"$.watered": "must be true or false, not text"}, id="text"
        ),
        pytest.param(
            {"treeName": "a", "notes": []}, {"$.notes": "must be an object, not an array"}, id="map"
        ),
        pytest.param(
            {"treeName": "a", "places": ["x", 1]},
            {"$.places[1]": "must be text, not a whole number"},
            id="item",
        ),
        pytest.param(
            {"treeName": "a", "olives": {}}, {"$.olives": "must be an array, not an object"}, id="no array"
        ),
        pytest.param(
            {"treeName": 1, "olives": [{"colour": "red"}, {"wieght": 1}, 5]},
            {
                "$.treeName": "must be text, not a whole number",
                "$.olives[0].colour": "must be one of green, black",
                "$.olives[1].wieght": "unknown field; did you mean weight?",
                "$.olives[1].colour": "is missing",
                "$.olives[2]": "must be an object, not a whole number",
            },
            id="everything at once",
        ),
    ],
)
def test_every_problem_is_told_with_its_place(body: object, problems: dict[str, str]) -> None:
    assert problems_of(body) == problems


def test_the_message_names_the_first_problem_and_their_number() -> None:
    with pytest.raises(InvalidRequestError) as caught:
        conform({"a": 1, "b": 2}, Tree)

    assert caught.value.reason_phrase == "3 problems, the first is $.a: unknown field"
    assert caught.value.problems[0] == Problem("$.a", "unknown field")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=10,
)
body_types = [route.body_type for route in ROUTES if route.body_type is not None]


@given(
    wanted=st.sampled_from([Tree, *body_types]),
    value=json_values
    | st.dictionaries(
        st.sampled_from(["name", "treeName", "olives", "metadata", "appVersion", "status", "applications"]),
        json_values,
    ),
)
def test_any_json_is_taken_or_refused_with_places(wanted: Any, value: object) -> None:  # noqa: ANN401 - a type
    told = [Problem("$", "nothing")]
    try:
        conform(value, wanted)
    except InvalidRequestError as error:
        told = list(error.problems)

    assert told
    assert all(each.path.startswith("$") and each.problem for each in told)
