import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.contracts.errors import BadRequestError, GroveError, PayloadTooLargeError, UnprocessableError
from services.endpoint_register.domain.metadata import check_metadata
from services.endpoint_register.domain.patch import apply_patch, parse_patch
from services.endpoint_register.domain.pointer import parse_pointer
from tests.support.rest import Json
from tests.unit.endpoint_register.test_metadata import METADATA


def patched(document: Json, *steps: dict[str, Any]) -> Json:
    return apply_patch(document, parse_patch(list(steps)))


def op(name: str, path: str, **members: Json) -> dict[str, Any]:
    return {"op": name, "path": path, **members}


@pytest.mark.parametrize(
    ("document", "steps", "expected"),
    [
        pytest.param(
            {"foo": "bar"}, [op("add", "/baz", value="qux")], {"baz": "qux", "foo": "bar"}, id="A.1"
        ),
        pytest.param(
            {"foo": ["bar", "baz"]},
            [op("add", "/foo/1", value="qux")],
            {"foo": ["bar", "qux", "baz"]},
            id="A.2 array element",
        ),
        pytest.param({"baz": "qux", "foo": 1}, [op("remove", "/baz")], {"foo": 1}, id="A.3 remove"),
        pytest.param(
            {"foo": ["bar", "qux", "baz"]}, [op("remove", "/foo/1")], {"foo": ["bar", "baz"]}, id="A.4"
        ),
        pytest.param({"baz": 1}, [op("replace", "/baz", value=2)], {"baz": 2}, id="A.5 replace"),
        pytest.param(
            {"foo": {"bar": "baz", "waldo": "fred"}, "qux": {"corge": "grault"}},
            [{"op": "move", "from": "/foo/waldo", "path": "/qux/thud"}],
            {"foo": {"bar": "baz"}, "qux": {"corge": "grault", "thud": "fred"}},
            id="A.6 move",
        ),
        pytest.param(
            {"foo": ["all", "grass", "cows", "eat"]},
            [{"op": "move", "from": "/foo/1", "path": "/foo/3"}],
            {"foo": ["all", "cows", "eat", "grass"]},
            id="A.7 move an element",
        ),
        pytest.param({"baz": [1, 2]}, [op("test", "/baz", value=[1.0, 2])], {"baz": [1, 2]}, id="A.8 test"),
        pytest.param(
            {"foo": "bar"},
            [op("add", "/child", value={"g": {}})],
            {"foo": "bar", "child": {"g": {}}},
            id="A.10",
        ),
        pytest.param({"a": 1}, [op("add", "/b", value=2, xyz=3)], {"a": 1, "b": 2}, id="A.11 unknown member"),
        pytest.param(
            {"/": 9, "~1": 10},
            [op("test", "/~01", value=10), op("remove", "/~1")],
            {"~1": 10},
            id="A.14 escapes",
        ),
        pytest.param(
            {"foo": ["bar"]}, [op("add", "/foo/-", value=["x"])], {"foo": ["bar", ["x"]]}, id="A.16"
        ),
        pytest.param({"a": 1}, [op("replace", "", value={"b": 2})], {"b": 2}, id="the whole document"),
        pytest.param(
            {"a": {"b": 1}},
            [{"op": "copy", "from": "", "path": "/c"}],
            {"a": {"b": 1}, "c": {"a": {"b": 1}}},
            id="copy of the whole",
        ),
        pytest.param({"a": 1}, [{"op": "move", "from": "/a", "path": "/a"}], {"a": 1}, id="move onto itself"),
        pytest.param({"a": None}, [op("test", "/a", value=None)], {"a": None}, id="null is a value"),
    ],
)
def test_a_patch_is_applied_as_rfc_6902_says(document: Json, steps: list[Any], expected: Json) -> None:
    before = copy.deepcopy(document)

    assert patched(document, *steps) == expected
    assert document == before


@pytest.mark.parametrize(
    ("document", "step"),
    [
        pytest.param({"a": 1}, op("remove", "/b"), id="remove what is not there"),
        pytest.param({"a": 1}, op("replace", "/b", value=1), id="replace what is not there"),
        pytest.param({"a": 1}, op("add", "/b/c", value=1), id="no parent"),
        pytest.param({"a": 1}, op("add", "/a/c", value=1), id="parent is a number"),
        pytest.param({"a": [1]}, op("add", "/a/2", value=1), id="beyond the end"),
        pytest.param({"a": [1]}, op("add", "/a/01", value=1), id="index with a leading zero"),
        pytest.param({"a": [1]}, op("remove", "/a/-"), id="remove after the end"),
        pytest.param({"a": [1]}, op("replace", "/a/-1", value=1), id="negative index"),
        pytest.param({"a": [1]}, op("test", "/a/1e0", value=1), id="index that is no integer"),
        pytest.param({"a": [1]}, op("add", "/a/" + "9" * 5000, value=1), id="index with thousands of digits"),
        pytest.param({"a": [1]}, op("add", "/a/\u0661", value=1), id="index in other digits"),
        pytest.param({"a": 1}, op("test", "/a", value=True), id="true is not one"),
        pytest.param({"a": "1"}, op("test", "/a", value=1), id="text is not a number"),
        pytest.param({"a": {"b": 1}}, {"op": "move", "from": "/a", "path": "/a/b"}, id="into itself"),
        pytest.param({"a": {}}, {"op": "move", "from": "", "path": "/a"}, id="the whole into itself"),
        pytest.param({"a": 1}, op("remove", ""), id="nothing left"),
        pytest.param({"a": 1}, op("replace", "", value=[1]), id="no object left"),
    ],
)
def test_an_operation_that_cannot_be_carried_out_refuses_the_whole(
    document: Json, step: dict[str, Any]
) -> None:
    before = copy.deepcopy(document)

    with pytest.raises(UnprocessableError):
        patched(document, op("add", "/early", value=1), step)
    assert document == before


@pytest.mark.parametrize(
    "patch",
    [
        pytest.param({}, id="an object"),
        pytest.param(["x"], id="operation that is no object"),
        pytest.param([{"path": "/a"}], id="no op"),
        pytest.param([{"op": "merge", "path": "/a"}], id="unknown op"),
        pytest.param([{"op": ["add"], "path": "/a", "value": 1}], id="op that is no text"),
        pytest.param([{"op": "add", "value": 1}], id="no path"),
        pytest.param([{"op": "add", "path": "/a"}], id="no value"),
        pytest.param([{"op": "move", "path": "/a"}], id="no from"),
        pytest.param([{"op": "add", "path": "a", "value": 1}], id="pointer without a slash"),
        pytest.param([{"op": "add", "path": "/a~2", "value": 1}], id="pointer with a bad escape"),
        pytest.param([{"op": "add", "path": 1, "value": 1}], id="pointer that is no text"),
    ],
)
def test_a_malformed_patch_is_a_bad_request(patch: Json) -> None:
    with pytest.raises(BadRequestError):
        parse_patch(patch)


def test_copies_that_double_the_document_hit_a_limit() -> None:
    doubling = [{"op": "copy", "from": "", "path": f"/k{n}"} for n in range(40)]

    with pytest.raises(GroveError) as caught:
        patched({"a": "x" * 1000}, *doubling)

    assert isinstance(caught.value, PayloadTooLargeError | UnprocessableError)


def test_many_copies_of_a_large_value_hit_a_limit() -> None:
    copies = [{"op": "copy", "from": "/a", "path": f"/k{n}"} for n in range(100)]

    with pytest.raises(PayloadTooLargeError):
        patched({"a": "x" * 100_000}, *copies)


def test_moves_that_nest_without_end_are_refused() -> None:
    steps = [op("add", "/a", value={})]
    for number in range(3000):
        inner, outer = ("a", "b") if number % 2 == 0 else ("b", "a")
        steps += [
            op("add", f"/{outer}", value={}),
            {"op": "move", "from": f"/{inner}", "path": f"/{outer}/x"},
        ]

    result = patched({}, *steps)

    with pytest.raises(BadRequestError):
        check_metadata(result)


def test_a_patch_can_be_applied_again_after_a_lost_race() -> None:
    operations = parse_patch([op("add", "/list", value=[]), op("add", "/list/-", value=1)])

    assert apply_patch({}, operations) == apply_patch({}, operations) == {"list": [1]}


@given(METADATA, METADATA)
def test_replacing_and_adding_every_key_makes_the_other_document(
    old: dict[str, Any], new: dict[str, Any]
) -> None:
    steps = [op("remove", f"/{key}") for key in old if key not in new]
    steps += [op("replace" if key in old else "add", f"/{key}", value=value) for key, value in new.items()]

    assert patched(old, *steps) == new


@given(st.lists(st.text(max_size=4), max_size=4))
def test_pointers_name_any_key(keys: list[str]) -> None:
    text = "".join("/" + key.replace("~", "~0").replace("/", "~1") for key in keys)

    assert parse_pointer(text) == tuple(keys)
