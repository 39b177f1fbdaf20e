"""Rules for a JSON document as values: one and the same rule checks it and is shown as JSON Schema.

What a rule cannot say, such as that two members may not be alike, its owner checks besides.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from libs.contracts.errors import BadRequestError

Schema = dict[str, Any]

_GLIMPSE = 64


class Shape(Protocol):
    """What a value must be."""

    def check(self, value: object, path: str) -> None:
        """Accept a value.

        Raises:
            BadRequestError: It is something else; the phrase begins with the path of what is wrong.
        """

    def schema(self) -> Schema:
        """Describe it, as JSON Schema 2020-12."""


@dataclass(frozen=True, slots=True)
class Flag:
    """True or false."""

    def check(self, value: object, path: str) -> None:
        """Accept a value, as :meth:`Shape.check`."""
        if not isinstance(value, bool):
            raise _wrong(path, "must be true or false")

    def schema(self) -> Schema:
        """Describe it."""
        return {"type": "boolean"}


@dataclass(frozen=True, slots=True)
class Choice:
    """One of some texts."""

    choices: tuple[str, ...]

    def check(self, value: object, path: str) -> None:
        """Accept a value, as :meth:`Shape.check`."""
        if not isinstance(value, str) or value not in self.choices:
            raise _wrong(path, f"must be one of {', '.join(self.choices)}")

    def schema(self) -> Schema:
        """Describe it."""
        return {"type": "string", "enum": list(self.choices)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """A text whose content its owner reads.

    Attributes:
        says: What is wrong with anything else.
        description: What it is, for people.
        or_null: Whether null is taken as well.
    """

    says: str
    description: str
    or_null: bool = False

    def check(self, value: object, path: str) -> None:
        """Accept a value, as :meth:`Shape.check`."""
        if not isinstance(value, str) and not (self.or_null and value is None):
            raise _wrong(path, self.says)

    def schema(self) -> Schema:
        """Describe it."""
        return {"type": ["string", "null"] if self.or_null else "string", "description": self.description}


@dataclass(frozen=True, slots=True, kw_only=True)
class Name:
    """A text of some characters.

    Attributes:
        characters: A class of a regular expression that Python and ECMAScript read alike.
        most: Most characters.
        says: What is wrong with anything else.
        besides: Texts that are not taken either.
    """

    characters: str
    most: int
    says: str
    besides: frozenset[str] = frozenset()

    def accepts(self, value: object) -> bool:
        """Whether it is such a text."""
        fits = isinstance(value, str) and re.fullmatch(self._pattern, value) is not None
        return fits and value not in self.besides

    def check(self, value: object, path: str) -> None:
        """Accept a value, as :meth:`Shape.check`."""
        if not self.accepts(value):
            raise _wrong(path, self.says)

    def schema(self) -> Schema:
        """Describe it."""
        found: Schema = {"type": "string", "pattern": f"^{self._pattern}$"}
        return found | ({"not": {"enum": sorted(self.besides)}} if self.besides else {})

    @property
    def _pattern(self) -> str:
        return f"{self.characters}{{1,{self.most}}}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """An object with these members and no others.

    Attributes:
        members: What each must be.
        required: Those that may not be left out.
    """

    members: Mapping[str, Shape]
    required: frozenset[str] = frozenset()

    def check(self, value: object, path: str) -> None:
        """Accept a value, as :meth:`Shape.check`."""
        found = _object(value, path)
        for name in sorted(found.keys() - self.members.keys()):
            raise _wrong(path, f"unknown field {_shown(name)}")
        for name in sorted(self.required - found.keys()):
            raise _wrong(f"{path}.{name}", "is missing")
        for name, member in found.items():
            self.members[name].check(member, f"{path}.{name}")

    def schema(self) -> Schema:
        """Describe it."""
        found: Schema = {
            "type": "object",
            "properties": {name: member.schema() for name, member in self.members.items()},
            "additionalProperties": False,
        }
        return found | ({"required": sorted(self.required)} if self.required else {})


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """An object whose members all are of one kind, under names of one kind.

    Attributes:
        what: What a member is.
        name: What its name must be.
        entry: What it must be itself.
        most: How many there may be; None = as many as fit.
    """

    what: str
    name: Name
    entry: Shape
    most: int | None = None

    def check(self, value: object, path: str) -> None:
        """Accept a value, as :meth:`Shape.check`."""
        found = _object(value, path)
        if self.most is not None and len(found) > self.most:
            raise _wrong(path, f"has more than {self.most} members")
        for name, entry in found.items():
            if not self.name.accepts(name):
                raise _wrong(path, f"{self.what} {_shown(name)} {self.name.says}")
            self.entry.check(entry, f"{path}.{name}")

    def schema(self) -> Schema:
        """Describe it."""
        found: Schema = {
            "type": "object",
            "propertyNames": self.name.schema(),
            "additionalProperties": self.entry.schema(),
        }
        return found | ({} if self.most is None else {"maxProperties": self.most})


@dataclass(frozen=True, slots=True, kw_only=True)
class Array:
    """An array whose items all are of one kind.

    Attributes:
        item: What each must be.
        least: How many there must be.
        most: How many there may be; None = as many as fit.
        distinct: Whether no two may be alike; for texts alone.
    """

    item: Shape
    least: int = 0
    most: int | None = None
    distinct: bool = False

    def check(self, value: object, path: str) -> None:
        """Accept a value, as :meth:`Shape.check`."""
        if not isinstance(value, list) or len(value) < self.least:
            raise _wrong(path, f"must be an array{self._size}")
        if self.most is not None and len(value) > self.most:
            raise _wrong(path, f"must be an array{self._size}")
        for position, item in enumerate(value):
            here = f"{path}[{position}]"
            self.item.check(item, here)
            if self.distinct and item in value[:position]:
                raise _wrong(here, f"{item} is there twice")

    def schema(self) -> Schema:
        """Describe it."""
        found: Schema = {"type": "array", "items": self.item.schema()}
        found |= {"minItems": self.least} if self.least else {}
        found |= {} if self.most is None else {"maxItems": self.most}
        return found | ({"uniqueItems": True} if self.distinct else {})

    @property
    def _size(self) -> str:
        return "" if self.most is None else f" of {self.least} to {self.most} items"


def _wrong(path: str, what: str) -> BadRequestError:
    return BadRequestError(f"{path}: {what}")


def _object(value: object, path: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _wrong(path, "must be an object")
    return value


def _shown(name: str) -> str:
    return ascii(name[:_GLIMPSE])
