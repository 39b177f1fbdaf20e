"""Load settings classes from an environment, and refuse names that nobody knows.

Pure: the environment is an argument. Every problem of a class is found before anything is said,
so that a start is not repeated once for each mistake.
"""

import difflib
from collections.abc import Collection, Mapping
from typing import Any, TypeVar

from libs.process.fields import PREFIX, Field, SettingsError, fields_of
from libs.process.spelling import parse

S = TypeVar("S")


def load_settings(
    cls: type[S],
    environ: Mapping[str, str],
    *,
    service: str = "",
    known: Collection[str] | None = None,
) -> S:
    """Build a settings dataclass from the environment.

    An empty value counts as unset, as compose files and manifests cannot express anything else.

    Args:
        cls: Frozen dataclass of :func:`~libs.process.fields.setting` fields.
        environ: Names to texts; only names of the class are read.
        service: Part of the names of the service's own settings; "" for the common ones.
        known: When given, a ``GROVE_`` name outside it and outside the class is a problem too.

    Raises:
        SettingsError: With all problems.
    """
    fields = tuple(fields_of(cls, service))
    problems: list[str] = []
    if known is not None:
        problems += unknown_names(environ, known={*known, *(field.variable.name for field in fields)})
    values: dict[str, Any] = {}
    for field in fields:
        text = environ.get(field.variable.name, "").strip()
        if text:
            _read(field, text, values, problems)
        elif field.variable.required and not field.optional:
            problems.append(f"{field.variable.name} is not set")
        elif field.variable.required:
            values[field.attribute] = None
    if problems:
        raise SettingsError(tuple(problems))
    return cls(**values)


def unknown_names(environ: Mapping[str, str], *, known: Collection[str]) -> list[str]:
    """Name each ``GROVE_`` variable that no part of the system reads, with the likely intended one."""
    problems = []
    for name in sorted(environ):
        if name.startswith(PREFIX) and name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            problems.append(f"unknown variable {name}" + (f" (did you mean {near[0]}?)" if near else ""))
    return problems


def _read(field: Field, text: str, values: dict[str, Any], problems: list[str]) -> None:
    name = field.variable.name
    try:
        values[field.attribute] = parse(text, field.type, attribute=field.attribute, limits=field.limits)
    except ValueError as error:
        shown = "" if field.variable.secret else f", not {text!r}"
        problems.append(f"{name} must be {error}{shown}")
