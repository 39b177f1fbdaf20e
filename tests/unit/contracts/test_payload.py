"""The one check of JSON that may be stored: protocol/kp1.md, "Checked before it is stored"."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.contracts.errors import BadRequestError, PayloadTooLargeError
from libs.contracts.payload import MAX_DEPTH, JsonValue, check_value, decode_json, decode_object, encode_json

_SCALARS: st.SearchStrategy[JsonValue] = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8"))
)
_KEYS = st.text(st.characters(codec="utf-8", exclude_characters="\x00"))
_DOCUMENTS = st.recursive(
    _SCALARS, lambda inner: st.lists(inner) | st.dictionaries(_KEYS, inner), max_leaves=20
)


@pytest.mark.parametrize(
    ("payload", "told"),
    [
        pytest.param(b"", "not JSON", id="empty"),
        pytest.param(b"{", "line 1 column 2", id="cut off"),
        pytest.param(b'{"a":1}x', "line 1 column 8", id="something behind it"),
        pytest.param(b"{'a':1}", "not JSON", id="single quotes"),
        pytest.param(b'"\xff"', "not UTF-8: byte 1", id="invalid UTF-8"),
        pytest.param(b"\xef\xbb\xbf{}", "not JSON", id="byte order mark"),
        pytest.param(b'{"a":1,"a":2}', "duplicate key 'a'", id="duplicate key"),
        pytest.param(b'{"a":{"b":1,"b":1}}', "duplicate key 'b'", id="duplicate key inside"),
        pytest.param(b'{"a":[0,9223372036854775808]}', r"\$\.a\[1\]: integer", id="2^63"),
        pytest.param(b"-9223372036854775809", r"\$: integer", id="below int64"),
        pytest.param(b"1" * 5000, "integer 1+... outside", id="5,000 digits"),
        pytest.param(b'{"x":1e400}', r"\$\.x: number is not finite", id="1e400"),
        pytest.param(b"NaN", "NaN is not JSON", id="NaN"),
        pytest.param(b"[-Infinity]", "-Infinity is not JSON", id="infinity"),
        pytest.param(b"[" * 33 + b"]" * 33, "deeper than 32", id="33 levels"),
        pytest.param(b"[" * 100_000, "deeper than 32", id="100,000 levels"),
        pytest.param(b'{"a":' * 20_000, "deeper than 32", id="20,000 objects"),
        pytest.param(b'{"\\u0000":1}', "NUL in key", id="NUL in a key"),
        pytest.param(b'{"a":"\\ud800"}', r"\$\.a: lone surrogate", id="lone surrogate"),
        pytest.param(b'{"\\udfff":1}', "lone surrogate", id="lone surrogate in a key"),
    ],
)
def test_what_may_not_be_stored_is_refused_saying_what_and_where(payload: bytes, told: str) -> None:
    with pytest.raises(BadRequestError, match=told):
        decode_json(payload)


@pytest.mark.parametrize(
    "payload",
    [
        pytest.param(b"[" * MAX_DEPTH + b"]" * MAX_DEPTH, id="32 levels"),
        pytest.param(b"9223372036854775807", id="largest int64"),
        pytest.param(b"-9223372036854775808", id="smallest int64"),
        pytest.param(b'"\\ud83c\\udf3f\\u0000"', id="a pair of surrogates and a NUL in text"),
        pytest.param(b' {"" : [1.0, 1e3, true, null]} ', id="white space and an empty key"),
    ],
)
def test_what_is_unusual_but_storable_is_accepted(payload: bytes) -> None:
    assert decode_json(payload) == json.loads(payload)


def test_payload_above_the_limit_is_refused_before_it_is_parsed() -> None:
    with pytest.raises(PayloadTooLargeError, match="262145 bytes is above the limit of 262144 bytes"):
        decode_json(b"x" * (256 * 1024 + 1))


def test_payload_at_the_limit_is_accepted() -> None:
    payload = b'"' + b"x" * (256 * 1024 - 2) + b'"'

    assert decode_json(payload) == "x" * (256 * 1024 - 2)


@pytest.mark.parametrize("payload", [b"", b"  ", b"{}"], ids=["nothing", "blanks", "an empty object"])
def test_empty_payload_is_an_empty_object(payload: bytes) -> None:
    assert decode_object(payload) == {}


@pytest.mark.parametrize("payload", [b"[]", b"1", b"null"], ids=["array", "number", "null"])
def test_object_is_asked_for_and_something_else_is_refused(payload: bytes) -> None:
    with pytest.raises(BadRequestError, match="must be a JSON object"):
        decode_object(payload)


@given(_DOCUMENTS)
def test_storable_documents_survive_encoding_and_decoding(document: JsonValue) -> None:
    assert decode_json(encode_json(document)) == document


@given(_DOCUMENTS)
def test_value_that_was_decoded_elsewhere_passes_the_same_check(document: JsonValue) -> None:
    check_value(document)


@pytest.mark.parametrize(
    "value",
    [math.nan, math.inf, 2**63, {1: 2}, {"a\x00": 1}, {"a": b"bytes"}, "\ud800"],
    ids=["nan", "inf", "2^63", "number as key", "NUL in key", "bytes", "surrogate"],
)
def test_value_from_elsewhere_that_is_no_storable_json_is_refused(value: object) -> None:
    with pytest.raises(BadRequestError):
        check_value(value)


@given(st.binary(max_size=200))
def test_any_bytes_give_a_value_or_a_clear_error(payload: bytes) -> None:
    told = "ok"
    try:
        check_value(decode_json(payload))
    except BadRequestError as error:
        told = error.reason_phrase

    assert told
    assert told.isprintable()
