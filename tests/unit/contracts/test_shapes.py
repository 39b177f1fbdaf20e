from typing import Any

import pytest

from libs.contracts import app_config_rules as rules
from libs.contracts.errors import BadRequestError
from libs.contracts.shapes import Array, Choice, Flag, Name, Record, Shape, Table, Text
from tests.support.json_schema import fits
from tests.support.rest import Json

NAME = Name(characters="[a-z]", most=3, says="must be 1 to 3 letters", besides=frozenset({"no"}))
FRUIT = Record(
    members={
        "ripe": Flag(),
        "kind": Choice(("fig", "olive")),
        "note": Text(says="must be a text", description="Anything.", or_null=True),
        "trees": Table(what="tree", name=NAME, entry=Flag(), most=2),
        "names": Array(item=NAME, least=1, most=2, distinct=True),
    },
    required=frozenset({"kind"}),
)


def told(shape: Shape, value: object) -> str:
    """What is wrong with a value; nothing = it is accepted."""
    try:
        shape.check(value, "at")
    except BadRequestError as error:
        return error.reason_phrase
    return ""


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ({"kind": "fig"}, ""),
        ({"kind": "olive", "ripe": False, "note": None, "trees": {}, "names": ["a", "b"]}, ""),
        ({"kind": "olive", "note": "", "trees": {"abc": True, "x": False}}, ""),
        ([], "at: must be an object"),
        (None, "at: must be an object"),
        ({}, "at.kind: is missing"),
        ({"kind": "fig", "size": 1}, "at: unknown field 'size'"),
        ({"kind": "oak"}, "at.kind: must be one of fig, olive"),
        ({"kind": ["fig"]}, "at.kind: must be one of fig, olive"),
        ({"kind": "fig", "ripe": 1}, "at.ripe: must be true or false"),
        ({"kind": "fig", "note": 1}, "at.note: must be a text"),
        ({"kind": "fig", "trees": []}, "at.trees: must be an object"),
        ({"kind": "fig", "trees": {"abcd": True}}, "at.trees: tree 'abcd' must be 1 to 3 letters"),
        ({"kind": "fig", "trees": {"a\n": True}}, "at.trees: tree 'a\\n' must be 1 to 3 letters"),
        ({"kind": "fig", "trees": {"a": 1}}, "at.trees.a: must be true or false"),
        ({"kind": "fig", "trees": dict.fromkeys("abc", True)}, "at.trees: has more than 2 members"),
        ({"kind": "fig", "names": "a"}, "at.names: must be an array of 1 to 2 items"),
        ({"kind": "fig", "names": []}, "at.names: must be an array of 1 to 2 items"),
        ({"kind": "fig", "names": ["a", "b", "c"]}, "at.names: must be an array of 1 to 2 items"),
        ({"kind": "fig", "names": ["a", "no"]}, "at.names[1]: must be 1 to 3 letters"),
        ({"kind": "fig", "names": ["a", "a"]}, "at.names[1]: a is there twice"),
    ],
    ids=str,
)
def test_what_a_rule_refuses_is_named_with_its_path_and_no_part_of_its_schema(
    value: Json, problem: str
) -> None:
    assert told(FRUIT, value) == problem
    assert fits(value, FRUIT.schema(), {}) == (problem == "")


SERIES: Any = {"names": {"s": {"values": [{"path": "a", "name": "v", "type": "string"}]}}}
TIME: Any = {"path": "t", "format": "iso8601", "fallback-strategy": "fail"}


@pytest.mark.parametrize(
    ("rule", "document"),
    [
        pytest.param(rules.EPMX, {"metadata-keys": {"a_1": {"write-enabled": True}, "b": {}}}, id="epmx"),
        pytest.param(rules.KPC, {"allowed-extension-instances": ["dcx", "bcx"]}, id="kpc"),
        pytest.param(
            rules.EPTS, {"time-series": {**SERIES, "auto-extract": False, "timestamp": TIME}}, id="epts"
        ),
        pytest.param(rules.DCX, {"retention": "90d", "message-id": {"path": "id"}}, id="dcx"),
        pytest.param(rules.DCX, {"retention": None}, id="for ever"),
    ],
)
def test_what_may_be_configured_keeps_to_the_schema_and_a_typo_does_not(rule: Shape, document: Json) -> None:
    schema = rule.schema()

    assert told(rule, document) == ""
    assert fits(document, schema, {})
    for wrong in _with_a_typo(document):
        assert told(rule, wrong)
        assert not fits(wrong, schema, {}), wrong


def _with_a_typo(value: Json) -> list[Json]:
    """The document with an odd member added to each object in it."""
    if isinstance(value, dict):
        inside = [{**value, name: wrong} for name, each in value.items() for wrong in _with_a_typo(each)]
        return [{**value, "no such-member.": {}}, *inside]
    if isinstance(value, list):
        return [[*value[:at], wrong] for at, each in enumerate(value) for wrong in _with_a_typo(each)]
    return []
