from typing import Any

import bson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.endpoint_register.mongo.values import (
    escaped,
    metadata_from_stored,
    metadata_to_stored,
    unescaped,
)

NESTED_KEYS = st.text("$.%a2456E", max_size=6)
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False)
    | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NESTED_KEYS, inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text("abc_", min_size=1, max_size=2), VALUES, max_size=4))
def test_metadata_survive_the_format_of_the_store(metadata: dict[str, Any]) -> None:
    stored = bson.encode(metadata_to_stored(metadata))

    read = metadata_from_stored(bson.decode(stored))

    assert read == metadata
    assert repr(read) == repr(metadata)  # 1 and 1.0, -0.0, plain types


@given(NESTED_KEYS, NESTED_KEYS)
def test_no_two_keys_are_stored_alike(one: str, other: str) -> None:
    assert unescaped(escaped(one)) == one
    assert (escaped(one) == escaped(other)) is (one == other)


@given(NESTED_KEYS)
def test_a_stored_key_means_nothing_to_the_store(key: str) -> None:
    assert "." not in escaped(key)
    assert not escaped(key).startswith("$")


@pytest.mark.parametrize("key", ["plain", "with space", "größe", "a-b", ""])
def test_an_ordinary_key_is_stored_as_it_is(key: str) -> None:
    assert escaped(key) == key
