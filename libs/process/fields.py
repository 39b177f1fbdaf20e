"""Declare settings: one dataclass field each, with unit, default and the reason for the default.

The declaration is the only source: the loader (:mod:`libs.process.environment`) reads it to know
what a value may be, ``python -m tools.generate`` reads it to write the tables of the READMEs and
:mod:`libs.process.variables`. Values are spelled as :mod:`libs.process.spelling` says.
"""

import dataclasses
import types
import typing
from collections.abc import Iterator
from dataclasses import MISSING, dataclass
from typing import Any, Union

from libs.process.spelling import Limits, spell

PREFIX = "GROVE_"
_METADATA_KEY = "setting"


class SettingsError(Exception):
    """The environment does not describe a process that can run; every problem is in it, one line.

    Attributes:
        problems: One phrase for each; none of them contains the value of a secret.
    """

    def __init__(self, problems: tuple[str, ...]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


@dataclass(frozen=True, kw_only=True)
class Declaration:
    """What :func:`setting` was told, kept in the metadata of the dataclass field."""

    unit: str
    doc: str
    env: str | None
    secret: bool
    limits: Limits


@dataclass(frozen=True, kw_only=True)
class Variable:
    """One environment variable, as documentation and the list of known names want it.

    Attributes:
        default: As one would write it in the environment; "" when there is none.
        required: The process does not start without it.
    """

    name: str
    default: str
    unit: str
    doc: str
    secret: bool
    required: bool


@dataclass(frozen=True, kw_only=True)
class Field:
    """A declared field of a settings class, its type resolved: all that a loader needs."""

    attribute: str
    variable: Variable
    type: Any
    optional: bool
    limits: Limits


# A field specifier like dataclasses.field: only Any lets `x: int = setting(1)` and `x: str = setting()`
# both type-check, so the value below is the one that no checker verifies. The loader does.
def setting(  # noqa: PLR0913 - one keyword for each thing a setting may say of itself
    default: Any = MISSING,  # noqa: ANN401 - see above
    *,
    unit: str = "",
    doc: str = "",
    env: str | None = None,
    secret: bool = False,
    minimum: float | None = None,
    maximum: float | None = None,
    choices: tuple[str, ...] = (),
) -> Any:  # noqa: ANN401 - see above
    """Declare one field of a frozen settings dataclass.

    Args:
        default: Value when the variable is unset; without it the variable is required.
        unit: What the number counts, for the documentation ("s", "bytes", "connections").
        doc: Why the default is what it is, or what the value decides.
        env: Name of the variable where ``GROVE_<SERVICE>_<FIELD>`` is not wanted.
        secret: The value never appears in a message, a repr or the documentation.
        minimum: Smallest number accepted; a duration (``…_s``) or size (``…_bytes``) has 0 by itself.
        maximum: Largest number accepted.
        choices: The only texts accepted.
    """
    declaration = Declaration(
        unit=unit,
        doc=doc,
        env=env,
        secret=secret,
        limits=Limits(minimum=minimum, maximum=maximum, choices=choices),
    )
    metadata = {_METADATA_KEY: declaration}
    if default is MISSING:
        return dataclasses.field(metadata=metadata, repr=not secret)
    return dataclasses.field(default=default, metadata=metadata, repr=not secret)


def fields_of(cls: type, service: str) -> Iterator[Field]:
    """Yield the declared fields of a settings class.

    Args:
        cls: A dataclass whose every field was made by :func:`setting`.
        service: "endpoint-register"; "" for the settings that all processes share.

    Raises:
        TypeError: The class declares something no environment can hold: a mistake in our code.
    """
    hints = typing.get_type_hints(cls)
    for field in dataclasses.fields(cls):
        declaration = field.metadata.get(_METADATA_KEY)
        if not isinstance(declaration, Declaration):
            message = f"{cls.__qualname__}.{field.name} is not declared with setting(...)"
            raise TypeError(message)
        inner, optional = _without_none(hints[field.name])
        yield Field(
            attribute=field.name,
            variable=_variable(field, declaration, service),
            type=inner,
            optional=optional,
            limits=_implied(declaration.limits, field.name),
        )


def describe(cls: type, service: str) -> tuple[Variable, ...]:
    """List the environment variables of a settings class, for documentation and the known names."""
    return tuple(field.variable for field in fields_of(cls, service))


def _variable(field: "dataclasses.Field[Any]", declaration: Declaration, service: str) -> Variable:
    required = field.default is MISSING
    return Variable(
        name=declaration.env or _name(service, field.name),
        default="" if required else spell(field.default, field.name),
        unit=declaration.unit,
        doc=declaration.doc,
        secret=declaration.secret,
        required=required,
    )


def _name(service: str, attribute: str) -> str:
    parts = (service, attribute) if service else (attribute,)
    return PREFIX + "_".join(parts).replace("-", "_").upper()


def _without_none(hint: Any) -> tuple[Any, bool]:  # noqa: ANN401 - type hints have no common type
    if typing.get_origin(hint) not in (Union, types.UnionType):
        return hint, False
    inner = [arg for arg in typing.get_args(hint) if arg is not types.NoneType]
    if len(inner) != 1:
        message = f"a setting cannot be {hint}: only one type, or that type and None"
        raise TypeError(message)
    return inner[0], True


def _implied(limits: Limits, attribute: str) -> Limits:
    """A duration or a size is not negative, whether or not its declaration says so."""
    if limits.minimum is None and attribute.endswith(("_s", "_bytes")):
        return dataclasses.replace(limits, minimum=0)
    return limits
