"""Types in words and made-up values, for whatever a message may hold."""

from enum import Enum
from typing import Any, Literal

import msgspec
import pytest
from msgspec import Struct

from tools.message_examples import example
from tools.message_fields import in_words, structs_within


class Taste(Enum):
    SWEET = "sweet"
    SOUR = "sour"


class Leaf(Struct, rename="camel", frozen=True):
    """A leaf."""

    endpoint_id: str


class Twig(Struct, rename="camel", frozen=True):
    """A twig."""

    leaves: dict[str, list[Leaf]]
    first: Leaf | None = None


class Strange(Struct, rename="camel", frozen=True):
    """Names that other messages use for something else, and types of all kinds."""

    endpoint_id: int
    tokens_ids: bytes
    status: tuple[Taste, ...]
    grafted: bool
    transport: Literal["air", "soil"]
    anything: Any
    height: float | None
    by_name: dict[str, int]


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        pytest.param(str, "string", id="text"),
        pytest.param(bytes, "bytes", id="bytes"),
        pytest.param(int | None, "integer or null", id="optional"),
        pytest.param(
            float | int | str | bool | None, "number, integer, string, boolean or null", id="one of many"
        ),
        pytest.param(tuple[str, ...], "array of string", id="array"),
        pytest.param(list[int | None], "array of (integer or null)", id="array of several"),
        pytest.param(dict[str, list[bool]], "object of array of boolean", id="object"),
        pytest.param(dict[str, str | None] | None, "object of (string or null) or null", id="both"),
        pytest.param(Taste | None, "`sweet`, `sour` or null", id="enum"),
        pytest.param(list[Taste], "array of (`sweet` or `sour`)", id="array of enum"),
        pytest.param(Literal["air", "soil"], "`air` or `soil`", id="literal"),
        pytest.param(dict[str, Leaf], "object of `Leaf`", id="struct"),
        pytest.param(Any, "any value", id="anything"),
    ],
)
def test_a_type_in_words(kind: object, words: str) -> None:
    assert in_words(msgspec.inspect.type_info(kind)) == words


def test_a_type_without_a_word_is_an_error_that_names_it() -> None:
    with pytest.raises(ValueError, match="DecimalType"):
        in_words(msgspec.inspect.DecimalType())


def test_structs_within_a_message_are_named_once_however_deep() -> None:
    assert structs_within(Twig) == [Leaf]
    assert structs_within(Strange) == []


def test_a_known_name_of_another_type_gets_a_plain_value() -> None:
    text = example(Strange, originator="pear")

    assert msgspec.json.decode(text, type=Strange) == Strange(
        endpoint_id=1,
        tokens_ids=b"bytes",
        status=(Taste.SWEET,),
        grafted=True,
        transport="air",
        anything=None,
        height=1.5,
        by_name={"key": 1},
    )
    assert text == example(Strange, originator="pear")


def test_known_names_inside_of_others_get_their_values() -> None:
    assert msgspec.json.decode(example(Twig, originator="pear")) == {
        "leaves": {"key": [{"endpointId": "tree-17"}]},
        "first": {"endpointId": "tree-17"},
    }
