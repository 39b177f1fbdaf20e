"""dcx: what a message may hold, and that the quick check never accepts what the strict one refuses."""

import contextlib
import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.contracts.dcx import MAX_SAMPLES, check_message, samples_of
from libs.contracts.errors import BadRequestError, GroveError, NotFoundError
from libs.contracts.payload import decode_json

_TEXT = st.text(max_size=12)
_SCALAR = st.one_of(st.none(), st.booleans(), st.integers(-(2**64), 2**64), st.floats(allow_nan=False), _TEXT)
_JSON = st.recursive(
    _SCALAR, lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(_TEXT, inner, max_size=4))
)


@pytest.mark.parametrize(
    ("payload", "samples"),
    [
        (b'{"temperature": 21}', [{"temperature": 21}]),
        (b"[85,34]", [85, 34]),
        (b"[[85,34]]", [[85, 34]]),
        (b"null", [None]),
        (b"[]", []),
        (b'"a:b"', ["a:b"]),
        (b'{"a":{"b":[1,{"c":2.5}]},"d":"x:y"}', [{"a": {"b": [1, {"c": 2.5}]}, "d": "x:y"}]),
        (b"9223372036854775807", [2**63 - 1]),
        ('{"ö":"ü"}'.encode(), [{"ö": "ü"}]),
    ],
)
def test_an_array_is_a_batch_and_everything_else_one_sample(payload: bytes, samples: list[object]) -> None:
    assert samples_of("/json", payload) == samples
    assert check_message("/json/anything/below", payload) == len(samples)


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"{",
        b'{"a":1,"a":2}',
        b'{"a":1,"a" :2}',
        b'{"x":{"a" :1,"a":2}}',
        b"9223372036854775808",
        b'{"a":[-9223372036854775809]}',
        b"1e400",
        b"NaN",
        b"[Infinity]",
        b'"\\ud800"',
        b'{"a\\u0000b":1}',
        b'{"a":"\xff"}',
        b"[" * 33 + b"]" * 33,
        b"[" * 5000,
        b"[" + b",".join([b"1"] * (MAX_SAMPLES + 1)) + b"]",
        b"\xef\xbb\xbf{}",
    ],
    ids=lambda payload: ascii(payload[:24]),
)
def test_what_may_not_be_stored_is_refused_with_a_reason(payload: bytes) -> None:
    with pytest.raises(BadRequestError):
        check_message("/json", payload)


@given(_JSON, st.booleans())
def test_the_quick_check_agrees_with_the_strict_one(value: object, spaced: bool) -> None:  # noqa: FBT001 - hypothesis
    payload = json.dumps(value, ensure_ascii=False, separators=(" , ", " : ") if spaced else (",", ":"))
    try:
        encoded = payload.encode()
    except UnicodeEncodeError:
        return
    _compare(encoded)


@given(st.text(alphabet='{}[]",:01-.eEtrufalsn\\ \x00ü', max_size=24))
def test_the_quick_check_agrees_with_the_strict_one_on_noise(text: str) -> None:
    _compare(text.encode())


@given(st.dictionaries(st.sampled_from("abc"), _JSON, max_size=3), st.sampled_from("abc"), _JSON)
def test_a_duplicate_key_is_never_accepted(before: dict[str, object], key: str, value: object) -> None:
    members = [f"{json.dumps(name)}:{json.dumps(item)}" for name, item in before.items()]
    members.append(f"{json.dumps(key)} :{json.dumps(value)}")
    payload = ("{" + ",".join(members) + "}").encode()

    if key in before:
        with pytest.raises(BadRequestError):
            check_message("/json", payload)
    else:
        _compare(payload)


def _compare(payload: bytes) -> None:
    try:
        strict: object = decode_json(payload)
    except BadRequestError:
        with pytest.raises(BadRequestError):
            check_message("/json", payload)
        return
    expected = strict if isinstance(strict, list) else [strict]
    assert repr(samples_of("/json", payload)) == repr(expected)
    assert all(not isinstance(each, float) or math.isfinite(each) for each in expected)


@pytest.mark.parametrize(
    ("payload", "number", "unit"),
    [
        (b"47", 47, "number"),
        (b"47%", 47, "%"),
        (b"2061m", 2061, "m"),
        (b"-0.5", -0.5, "number"),
        (b"1e3", 1000.0, "number"),
        (b"1e3e", 1000.0, "e"),
        ("21.5°C".encode(), 21.5, "°C"),
        (b" 47\n", 47, "number"),
    ],
)
def test_plain_data_is_a_number_and_its_unit(payload: bytes, number: float, unit: str) -> None:
    assert samples_of("/plain/tank", payload) == [{"tank-value": number, "tank-unit": unit}]


@pytest.mark.parametrize(
    "payload", [b"", b"m", b"47 %", b"4 7", b"0x10", b"1_000", b"\xff", b"47" + b"m" * 33, b"9" * 20, b"007"]
)
def test_anything_else_is_no_plain_data(payload: bytes) -> None:
    with pytest.raises(BadRequestError):
        check_message("/plain/tank", payload)


@pytest.mark.parametrize(
    "resource", ["", "/", "/jsonx", "/plain", "/plain/", "/plain/a/b", "/plain/ä", "/xml"]
)
def test_there_is_no_such_resource(resource: str) -> None:
    for use in (check_message, samples_of):
        with pytest.raises(NotFoundError):
            use(resource, b"1")


@given(st.binary(max_size=64))
def test_whatever_comes_is_accepted_or_refused_in_words(payload: bytes) -> None:
    for resource in ("/json", "/plain/x"):
        with contextlib.suppress(GroveError):
            assert check_message(resource, payload) == len(samples_of(resource, payload))
