"""What a command is, and what it is given."""

from argparse import Namespace
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tools.grove.output import Output
from tools.grove.rest import Rest


@dataclass(frozen=True, slots=True)
class Call:
    """What a command is given."""

    rest: Rest
    out: Output
    args: Namespace


@dataclass(frozen=True, slots=True)
class Arg:
    """An argument: its names and what argparse is told of it."""

    names: tuple[str, ...]
    options: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Command:
    """One command.

    Attributes:
        group: First word; empty = the command has one word.
        name: Last word.
        summary: What it does.
        run: Does it, and returns the exit code; None = 0.
        args: What it takes.
        has_json: Whether ``--json`` means anything.
    """

    group: str
    name: str
    summary: str
    run: Callable[[Call], Awaitable[int | None]]
    args: tuple[Arg, ...] = field(default=())
    has_json: bool = True
