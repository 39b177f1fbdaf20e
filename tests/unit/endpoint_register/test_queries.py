"""The query language of filters, case by case as MongoDB answers them."""

import json
import sys
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.contracts.errors import BadRequestError
from services.endpoint_register.domain.holdings import MAX_ELEMENTS, Values
from services.endpoint_register.domain.queries import MAX_CONDITIONS, MAX_LIST, MAX_QUERY_BYTES, parse_query

DATES = {"createdDate": "2026-11-21T04:00:00.000Z"}


def matches(query: dict[str, Any], metadata: dict[str, Any]) -> bool:
    document: dict[str, Any] = {
        "endpointId": "tree-17",
        "appVersion": {"name": "olives-v1"},
        **DATES,
        "metadata": metadata,
    }
    return parse_query(json.dumps(query)).matches(Values(document))


def at_a(condition: object, value: object) -> bool:
    return matches({"metadata.a": condition}, {"a": value})


@pytest.mark.parametrize(
    ("condition", "fits", "fits_not"),
    [
        pytest.param(1, [1, 1.0, [1, 2], [3, 1.0]], [2, True, "1", None, [[1]], {"b": 1}], id="number"),
        pytest.param(True, [True, [False, True]], [1, "true", False, None], id="boolean"),
        pytest.param("x", ["x", ["y", "x"]], ["X", "xx", None, []], id="text"),
        pytest.param(None, [None, [None], [1, None]], [0, "", [], {}, False, [1]], id="null"),
        pytest.param([1, 2], [[1, 2], [1.0, 2], [[1, 2], 3]], [[2, 1], [1], 1, [1, 2, 3]], id="array"),
        pytest.param([], [[], [[]]], [None, [1], {}], id="empty array"),
        pytest.param(
            {"b": 1, "c": 2}, [{"c": 2, "b": 1.0}], [{"b": 1}, {"b": 1, "c": 2, "d": 3}], id="object"
        ),
        pytest.param({}, [{}, [{}]], [{"b": 1}, None, []], id="empty object"),
        pytest.param({"$eq": {"b": [1]}}, [{"b": [1]}], [{"b": 1}], id="$eq"),
        pytest.param({"$ne": 1}, [2, None, "1", [2, 3], []], [1, 1.0, [1, 2]], id="$ne"),
        pytest.param({"$ne": None}, [1, [], {}], [None, [None]], id="$ne null"),
        pytest.param({"$gt": 1}, [2, 1.5, [0, 2]], [1, 0, "2", True, None, [0, "9"]], id="$gt"),
        pytest.param({"$gte": 1}, [1, 1.0, 2], [0.5, "1", None], id="$gte"),
        pytest.param({"$lt": "b"}, ["a", "B", ""], ["b", "c", 1, None, True], id="$lt of text"),
        pytest.param({"$lte": 2}, [2, -5, 2.0], [3, False, None, []], id="$lte"),
        pytest.param({"$lt": True}, [False], [True, 0, None], id="$lt of booleans"),
        pytest.param({"$gt": 5, "$lt": 6}, [5.5, [4, 7]], [4, 7], id="any two elements"),
        pytest.param({"$in": [1, "x", None]}, [1.0, "x", None, ["x"]], [2, "y", True, []], id="$in"),
        pytest.param({"$in": []}, [], [1, None, []], id="$in nothing"),
        pytest.param({"$nin": [1, None]}, [2, "x", []], [1, None, [1]], id="$nin"),
        pytest.param({"$exists": True}, [1, None, [], {}, False], [], id="$exists"),
        pytest.param({"$exists": False}, [], [1, None, []], id="$exists not"),
        pytest.param({"$not": {"$gt": 1}}, [1, "2", None, []], [2, [0, 2]], id="$not"),
        pytest.param({"$not": {"$not": {"$gt": 1}}}, [2], [1], id="$not twice"),
        pytest.param({"$not": {"$gt": 1, "$lt": 5}}, [1, 5, None], [3], id="$not of two"),
    ],
)
def test_a_condition_holds_for_what_it_holds_for_in_mongodb(
    condition: object, fits: list[object], fits_not: list[object]
) -> None:
    assert [value for value in fits if not at_a(condition, value)] == []
    assert [value for value in fits_not if at_a(condition, value)] == []


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        (None, True),
        ({"$ne": None}, False),
        ({"$ne": 1}, True),
        ({"$exists": False}, True),
        ({"$exists": True}, False),
        ({"$in": [None, 1]}, True),
        ({"$nin": [1]}, True),
        ({"$gt": 0}, False),
        ({"$not": {"$gt": 0}}, True),
        ({}, False),
    ],
    ids=str,
)
def test_what_is_missing_is_null(condition: object, *, expected: bool) -> None:
    assert matches({"metadata.a": condition}, {"b": 1}) is expected


@pytest.mark.parametrize(
    ("path", "metadata", "expected"),
    [
        ("a.b", {"a": {"b": 1}}, True),
        ("a.b", {"a": [{"b": 2}, {"b": 1}]}, True),
        ("a.b", {"a": [{"b": [3, 1]}]}, True),
        ("a.b", {"a": [[{"b": 1}]]}, False),
        ("a.0", {"a": [1, 2]}, True),
        ("a.1", {"a": [2, 1]}, True),
        ("a.01", {"a": [2, 1]}, False),
        ("a.0.b", {"a": [{"b": 1}]}, True),
        ("a.0", {"a": {"0": 1}}, True),
        ("a.0", {"a": [{"0": 1}]}, True),
        ("a.0.0", {"a": [[1]]}, True),
        ("a.0", {"a": [[1]]}, False),
        ("a.0", {"a": [{"0": [1]}]}, True),
        ("a.0.0", {"a": [[[1]]]}, False),
        ("a.0.b", {"a": [[{"b": [1]}]]}, True),
        ("a.b.b", {"a": [{"b": {"b": 2}}, {"b": [{"b": 1}]}]}, True),
        ("a.99999999999999999999", {"a": [1]}, False),
        ("a.b.c", {"a": 1}, False),
        ("a.b", {"a.b": 1}, False),
    ],
)
def test_paths_look_into_objects_and_arrays(path: str, metadata: dict[str, Any], *, expected: bool) -> None:
    assert matches({f"metadata.{path}": 1}, metadata) is expected


@pytest.mark.parametrize(
    ("value", "is_null"),
    [({}, True), (4, True), (None, True), ([], False), ([1], False), ([{}], True), ([{"b": 1}, {}], True)],
    ids=str,
)
def test_missing_below_an_array_is_null_only_in_an_object(value: object, *, is_null: bool) -> None:
    assert matches({"metadata.a.b": None}, {"a": value}) is is_null
    assert matches({"metadata.a.b": {"$ne": None}}, {"a": value}) is not is_null


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({}, True),
        ({"endpointId": "tree-17"}, True),
        ({"endpointId": {"$in": ["tree-1"]}}, False),
        ({"appVersion.name": "olives-v1"}, True),
        ({"createdDate": {"$gte": "2026-11-01", "$lt": "2026-12-01"}}, True),
        ({"metadataUpdatedDate": None}, True),
        ({"metadata": {"n": 1, "s": "x"}}, True),
        ({"metadata.n": 1, "metadata.s": "y"}, False),
        ({"$and": [{"metadata.n": 1}, {"metadata.s": "x"}]}, True),
        ({"$or": [{"metadata.n": 2}, {"metadata.s": "x"}]}, True),
        ({"$or": [{"metadata.n": 2}, {"metadata.s": "y"}]}, False),
        ({"$nor": [{"metadata.n": 2}, {"metadata.s": "y"}]}, True),
        ({"$nor": [{"metadata.n": 1}]}, False),
        ({"$and": [{"$or": [{"metadata.n": 1}, {}]}], "metadata.s": "x"}, True),
    ],
    ids=str,
)
def test_queries_combine(query: dict[str, Any], *, expected: bool) -> None:
    assert matches(query, {"n": 1, "s": "x"}) is expected


@pytest.mark.parametrize(
    ("path", "value", "is_null"),
    [
        ("a.0.b", [1], False),
        ("a.0.b", [{}], True),
        ("a.3", [1], False),
        ("a.0", [None], True),
        ("a.0", [{}], True),
    ],
    ids=str,
)
def test_below_an_index_nothing_is_missing_but_in_an_object(
    path: str, value: object, *, is_null: bool
) -> None:
    assert matches({f"metadata.{path}": None}, {"a": value}) is is_null


LONG: list[int] = list(range(MAX_ELEMENTS))
NESTED: dict[str, Any] = {"a": [{"b": [{"b": [{}] * MAX_ELEMENTS}]}] * MAX_ELEMENTS}


@pytest.mark.parametrize(
    ("conditions", "metadata"),
    [
        pytest.param([{"metadata.a": -number - 1} for number in range(1000)], {"a": LONG}, id="equal"),
        pytest.param(
            [{"metadata.a": {"$gt": 1000 + number}} for number in range(1000)], {"a": LONG}, id="more"
        ),
        pytest.param([{f"metadata.a.b.b.b{number}": 1} for number in range(1000)], NESTED, id="paths"),
    ],
)
def test_all_the_filters_there_may_be_do_not_make_a_long_array_slow(
    conditions: Sequence[dict[str, Any]], metadata: dict[str, Any]
) -> None:
    queries = [parse_query(json.dumps(condition)) for condition in conditions]
    values = Values({"metadata": metadata})

    steps = 0

    def count(*_: object) -> None:
        nonlocal steps
        steps += 1

    sys.setprofile(count)
    found = [query.matches(values) for query in queries]
    sys.setprofile(None)

    assert not any(found)
    assert steps < 100 * len(queries)


def test_of_a_long_array_the_beginning_is_looked_at() -> None:
    long = [*range(MAX_ELEMENTS), "last"]

    assert at_a(MAX_ELEMENTS - 1, long)
    assert not at_a("last", long)
    assert not matches({"metadata.a.b": "last"}, {"a": [{"b": [0] * MAX_ELEMENTS}, {"b": ["last"]}]})


def nested(levels: int) -> dict[str, Any]:
    query: dict[str, Any] = {"endpointId": "x"}
    for _ in range(levels):
        query = {"$and": [query]}
    return query


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('{"metadata.a":{"$regex":"x"}}', "$.metadata.a.$regex: unknown operator $regex"),
        ('{"$or":[{},{"metadata.a":{"$size":1}}]}', "$.$or[1].metadata.a.$size: unknown operator $size"),
        ('{"$where":"1"}', "$.$where: unknown operator $where"),
        ('{"metadata.a":{"$not":{"$mod":[1,2]}}}', "$.metadata.a.$not.$mod: unknown operator $mod"),
        ('{"metadata.a":{"$gt":1,"b":2}}', "unknown operator b"),
        ('{"metadata.a":{"b":{"$gt":1}}}', "$.metadata.a.b.$gt: operator $gt inside a value"),
        ('{"metadata.a":{"$in":[{"$eq":1}]}}', "$.metadata.a.$in[0].$eq: operator $eq inside a value"),
        ('{"metadata.$a":1}', "operator $a inside a path"),
        ('{"metadata..a":1}', "a part of the path is empty"),
        ('{"name":1}', "$.name: unknown field"),
        ('{"appVersion":1}', "$.appVersion: unknown field"),
        ('{"":1}', "unknown field"),
        ('{"metadata.a":{"$gt":null}}', "$gt takes a number"),
        ('{"metadata.a":{"$lte":[1]}}', "$lte takes a number"),
        ('{"metadata.a":{"$exists":1}}', "$exists takes true or false"),
        ('{"metadata.a":{"$in":1}}', "$in takes a list"),
        ('{"metadata.a":{"$not":1}}', "$not takes an object"),
        ('{"metadata.a":{"$not":{}}}', "$not takes an object"),
        ('{"$and":[]}', "$and takes a list of queries that is not empty"),
        ('{"$and":{}}', "$and takes a list"),
        ('{"$or":[1]}', "$.$or[0]: a query must be an object"),
        ("[]", "a query must be an object"),
        ("", "payload is not JSON"),
        ('{"metadata.a":1,"metadata.a":2}', "duplicate key"),
        ("\ud800", "lone surrogate"),
        (json.dumps(nested(9)), "nested deeper than 8 levels"),
        ('{"metadata.a":' * 1 + '{"$not":' * 9 + '{"$eq":1}' + "}" * 10, "nested deeper than 8 levels"),
        (json.dumps({"metadata.a": {"$in": list(range(MAX_LIST + 1))}}), "above the limit of 256"),
        (json.dumps({"$or": [{"metadata.a": 1}] * (MAX_CONDITIONS + 1)}), "more than 64 conditions"),
        (json.dumps({"metadata.a": {"$in": [{"b": [1, 2]}] * 17}}), "more than 64 conditions"),
        (json.dumps({"metadata.a": "x" * MAX_QUERY_BYTES}), "above the limit of 8192"),
        ("[" * 4000, "deeper"),
    ],
    ids=lambda text: ascii(text[:40]),
)
def test_what_is_not_known_is_refused_with_its_name_and_place(text: str, told: str) -> None:
    with pytest.raises(BadRequestError) as refused:
        parse_query(text)

    assert told in refused.value.reason_phrase
    assert refused.value.reason_phrase.isprintable()
    assert len(refused.value.reason_phrase) < 1000


def test_what_is_allowed_at_most_is_taken() -> None:
    for query in (
        nested(8),
        {"metadata.a": {"$in": list(range(MAX_LIST))}},
        {"$or": [{"metadata.a": 1}] * MAX_CONDITIONS},
    ):
        parse_query(json.dumps(query))


_NUMBERS = st.integers(-3, 3) | st.floats(allow_nan=False, allow_infinity=False)
_SCALARS = st.none() | st.booleans() | _NUMBERS | st.text(max_size=3)
_KEYS = st.sampled_from(["a", "b", "0", "$gt"])
_FIELDS = st.sampled_from(["metadata.a", "metadata.a.b", "metadata.a.0", "metadata", "endpointId", "a"])
_OPERATORS = st.sampled_from(
    [
        "$and",
        "$or",
        "$nor",
        "$gt",
        "$lte",
        "$in",
        "$nin",
        "$eq",
        "$ne",
        "$not",
        "$exists",
        "$regex",
        "$elemMatch",
    ]
)
_JSON = st.recursive(
    _SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_KEYS, inner, max_size=3),
    max_leaves=8,
)
_QUERIES = st.recursive(
    _JSON,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_FIELDS | _OPERATORS, inner, max_size=3),
    max_leaves=8,
)


def answer(query: object, value: object) -> bool | None:
    """Answer a query, or None when it is refused."""
    try:
        read = parse_query(json.dumps(query))
    except BadRequestError:
        return None
    return read.matches(Values({"endpointId": "e", "metadata": {"a": value}}))  # type: ignore[dict-item]  # any JSON


@given(query=st.dictionaries(_FIELDS | _OPERATORS, _QUERIES, max_size=3), value=_JSON)
def test_any_query_is_refused_or_answers_for_any_endpoint(query: object, value: object) -> None:
    found = answer(query, value)

    assert found in {True, False, None}
    if found is not None:
        assert answer({"$nor": [query]}, value) in {not found, None}
        assert answer({"$and": [query, query]}, value) in {found, None}


@given(text=st.text(max_size=200))
def test_any_text_is_refused_or_read(text: str) -> None:
    try:
        read = parse_query(text)
    except BadRequestError:
        return

    assert read.text == text
