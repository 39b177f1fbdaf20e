"""Describe the fields of a message: name on the wire, type in words, and what the class says it means.

The words are those of JSON: who reads them knows JSON or Python, not msgspec. ``bytes`` is MessagePack's bin.
"""

import inspect
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import msgspec
from msgspec import Struct
from msgspec.inspect import (
    AnyType,
    BoolType,
    BytesType,
    DictType,
    EnumType,
    FloatType,
    IntType,
    ListType,
    LiteralType,
    NoneType,
    StrType,
    StructType,
    Type,
    UnionType,
    VarTupleType,
)

_WORDS: Final[Mapping[type[Type], str]] = {
    AnyType: "any value",
    BoolType: "boolean",
    BytesType: "bytes",
    FloatType: "number",
    IntType: "integer",
    NoneType: "null",
    StrType: "string",
}
_ATTRIBUTES: Final = re.compile(r"^Attributes:\n((?: .*\n|\n)+)", re.MULTILINE)
_ATTRIBUTE: Final = re.compile(r"^ {4}(\w+): (.*(?:\n {5,}.*)*)", re.MULTILINE)
_ROLE: Final = re.compile(r":\w+:`(?:[\w.]*\.)?(\w+)`")


@dataclass(frozen=True, slots=True)
class DescribedField:
    """A field as others see it.

    Attributes:
        name: On the wire.
        type: In words; a Struct by its name, in backquotes.
        meaning: One or more sentences, Markdown.
    """

    name: str
    type: str
    meaning: str


def describe_fields(struct: type[Struct]) -> list[DescribedField]:
    """Describe the fields of a message, those of its bases first.

    Raises:
        ValueError: The class says of a field nothing under ``Attributes:``, or there is no word for its type.
    """
    meanings = _meanings(struct)
    described = []
    for field in msgspec.structs.fields(struct):
        if field.name not in meanings:
            raise ValueError(f"{struct.__name__} says nothing of {field.name} under Attributes:")
        words = in_words(msgspec.inspect.type_info(field.type))
        described.append(DescribedField(field.encode_name, words, meanings[field.name]))
    return described


def structs_within(struct: type[Struct]) -> list[type[Struct]]:
    """Name every Struct that the fields of a message hold, each once, in order of appearance."""
    found: list[type[Struct]] = []
    for field in msgspec.structs.fields(struct):
        for inner in _structs(msgspec.inspect.type_info(field.type)):
            found += [one for one in (inner, *structs_within(inner)) if one not in found]
    return found


def in_words(kind: Type) -> str:
    """Name a type: ``string``, ``array of integer``, ``object of (string or null)``, ```DataPoint```.

    Raises:
        ValueError: There is no word for it.
    """
    *most, last = _alternatives(kind)
    return f"{', '.join(most)} or {last}" if most else last


def _alternatives(kind: Type) -> list[str]:
    match kind:
        case UnionType():
            words = [word for member in kind.types for word in _alternatives(member)]
        case EnumType():
            words = [f"`{member.value}`" for member in kind.cls]
        case LiteralType():
            words = [f"`{value}`" for value in kind.values]
        case ListType() | VarTupleType():
            words = [f"array of {_one_word(kind.item_type)}"]
        case DictType():
            words = [f"object of {_one_word(kind.value_type)}"]
        case StructType():
            words = [f"`{kind.cls.__name__}`"]
        case _ if type(kind) in _WORDS:
            words = [_WORDS[type(kind)]]
        case _:
            raise ValueError(f"there is no word for {type(kind).__name__}")
    return words


def _one_word(kind: Type) -> str:
    words = in_words(kind)
    return f"({words})" if len(_alternatives(kind)) > 1 else words


def _structs(kind: Type) -> Iterator[type[Struct]]:
    match kind:
        case StructType():
            yield kind.cls
        case ListType() | VarTupleType():
            yield from _structs(kind.item_type)
        case DictType():
            yield from _structs(kind.value_type)
        case UnionType():
            for member in kind.types:
                yield from _structs(member)


def _meanings(struct: type[Struct]) -> dict[str, str]:
    """Read what a class and its bases say under ``Attributes:``, by field name."""
    found: dict[str, str] = {}
    for cls in reversed(struct.__mro__):
        section = _ATTRIBUTES.search(inspect.cleandoc(cls.__doc__ or "") + "\n")
        if section is not None:
            found |= {name: _markdown(text) for name, text in _ATTRIBUTE.findall(section[1])}
    return found


def _markdown(text: str) -> str:
    """Turn the markup of a docstring into that of a page, and Python's None into the null of JSON."""
    plain = _ROLE.sub(r"`\1`", " ".join(text.split())).replace("``", "`")
    return re.sub(r"\bNone\b", "null", plain)
