import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.contracts.errors import BadRequestError, PayloadTooLargeError
from libs.contracts.payload import JsonValue
from services.endpoint_register.domain.metadata import (
    MAX_BYTES,
    MAX_KEYS,
    Difference,
    check_metadata,
    merged,
    replaced,
    same_value,
    selected,
    without,
)

KEYS = st.text("abcxyz_09", min_size=1, max_size=3)
VALUES: st.SearchStrategy[JsonValue] = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.floats(-3, 3) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)
METADATA = st.dictionaries(KEYS, VALUES, max_size=6)


@given(METADATA, METADATA)
def test_merging_sets_what_is_given_and_keeps_the_rest(
    old: dict[str, JsonValue], changes: dict[str, JsonValue]
) -> None:
    result = merged(old, changes)

    for key in old.keys() | changes.keys():
        assert result[key] is (changes[key] if key in changes else old[key])
    assert set(result) == old.keys() | changes.keys()


@given(METADATA, METADATA, st.sets(KEYS))
def test_replacing_leaves_exactly_what_may_not_be_written(
    old: dict[str, JsonValue], new: dict[str, JsonValue], locked: set[str]
) -> None:
    new = {key: value for key, value in new.items() if key not in locked}

    result = replaced(old, new, is_writable=lambda key: key not in locked)

    assert result == {key: value for key, value in old.items() if key in locked} | new


@given(METADATA, st.sets(KEYS))
def test_leaving_out_and_selecting_divide_the_keys(old: dict[str, JsonValue], keys: set[str]) -> None:
    assert {**without(old, keys), **selected(old, keys)} == old
    assert not without(old, keys).keys() & selected(old, keys).keys()


@given(METADATA, METADATA)
def test_a_difference_leads_from_one_document_to_the_other(
    old: dict[str, JsonValue], new: dict[str, JsonValue]
) -> None:
    change = Difference(old, new)

    state = {key: _text(value) for key, value in old.items()}
    for key, text in change.removed.items():
        assert state.pop(key) == text
    state |= change.added
    for key, update in change.updated.items():
        assert state[key] == update.old_value
        state[key] = update.new_value
    assert {key: _loaded(text) for key, text in state.items()} == new
    assert bool(change) is any(
        key not in old or key not in new or not same_value(old[key], new[key])
        for key in old.keys() | new.keys()
    )


def _text(value: JsonValue) -> str | None:
    return None if value is None else json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _loaded(text: str | None) -> object:
    return None if text is None else json.loads(text)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        pytest.param(1, 1.0, False, id="integer and float"),
        pytest.param(1, True, False, id="number and boolean"),
        pytest.param(0, None, False, id="zero and null"),
        pytest.param({"a": 1, "b": 2}, {"b": 2, "a": 1}, True, id="members in another order"),
        pytest.param([1, 2], [2, 1], False, id="elements in another order"),
        pytest.param([[1]], [[1.0]], False, id="deep inside"),
    ],
)
def test_values_are_the_same_when_json_cannot_tell_them_apart(
    one: JsonValue, other: JsonValue, *, same: bool
) -> None:
    assert same_value(one, other) is same


@pytest.mark.parametrize(
    ("metadata", "error"),
    [
        pytest.param({"a-b": 1}, BadRequestError, id="key with a dash"),
        pytest.param({"": 1}, BadRequestError, id="empty key"),
        pytest.param({"a": 2**63}, BadRequestError, id="beyond int64"),
        pytest.param({"a": {"b": float("nan")}}, BadRequestError, id="not a number"),
        pytest.param({"a": {"b\x00": 1}}, BadRequestError, id="NUL in a nested key"),
        pytest.param({f"k{n}": n for n in range(MAX_KEYS + 1)}, PayloadTooLargeError, id="one key too many"),
        pytest.param({"a": "x" * (MAX_BYTES - 7)}, PayloadTooLargeError, id="one byte too many"),
    ],
)
def test_what_may_not_be_stored_is_refused(metadata: dict[str, JsonValue], error: type[Exception]) -> None:
    with pytest.raises(error):
        check_metadata(metadata)


@pytest.mark.parametrize(
    "metadata",
    [
        pytest.param({f"k{n}": n for n in range(MAX_KEYS)}, id="as many keys as there may be"),
        pytest.param({"a": "x" * (MAX_BYTES - 8)}, id="as many bytes as there may be"),
        pytest.param({"a": {"$set": {"b.c": -(2**63)}}}, id="nested keys with a meaning elsewhere"),
    ],
)
def test_what_may_be_stored_is_accepted(metadata: dict[str, JsonValue]) -> None:
    check_metadata(metadata)
