"""Write the generated parts of our documents: settings and subjects, as Markdown tables.

Pure text in, text out; :mod:`tools.generate` finds what to describe and where it goes.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from libs.contracts.subjects import EventType, Operation, Subjects
from libs.process import Variable

Declared = Operation[Any, Any] | EventType[Any]

_BLOCK = re.compile(
    r"(?P<open><!-- generated:(?P<kind>\w+)(?: (?P<owner>[\w-]+))? -->)\n.*?(?P<close><!-- /generated -->)",
    re.DOTALL,
)


def fill(page: str, write: Callable[[str, str | None], str]) -> str:
    """Replace what stands between the markers of a page.

    A block is ``<!-- generated:KIND -->`` or ``<!-- generated:KIND OWNER -->`` to ``<!-- /generated -->``.

    Args:
        page: Markdown; text outside the markers stays as it is.
        write: From kind and owner (None when the marker names none) to the lines in between.
    """
    return _BLOCK.sub(
        lambda block: f"{block['open']}\n{write(block['kind'], block['owner'])}\n{block['close']}", page
    )


def env_table(variables: Sequence[Variable]) -> str:
    """Describe environment variables in the order of their declaration."""
    if not variables:
        return "None of its own."
    return table(("variable", "default", "what"), (_env_row(variable) for variable in variables))


def _env_row(variable: Variable) -> tuple[str, str, str]:
    default = f"`{variable.default}`" if variable.default else "unset"
    if variable.required:
        default = "required"
    elif variable.default and variable.unit:
        default += f" {variable.unit}"
    doc = f"{variable.doc} Secret." if variable.secret else variable.doc
    return f"`{variable.name}`", default, doc


def subjects_table(declared: Sequence[Declared], *, service: str) -> str:
    """Describe what a service answers, says and hears, in that order."""
    if not declared:
        return "None: it is a caller only."
    subjects = Subjects()
    serves = [
        row for one in declared if isinstance(one, Operation) for row in [_operation_row(one, subjects)]
    ]
    events = [one for one in declared if isinstance(one, EventType)]
    says = [_event_row("says", one, subjects) for one in events if one.originator == service]
    hears = [_event_row("hears", one, subjects) for one in events if one.originator != service]
    return table(("", "subject", "message", "what"), [*serves, *says, *hears])


def _operation_row(operation: Operation[Any, Any], subjects: Subjects) -> tuple[str, ...]:
    message = f"`{operation.request.__name__}` -> `{operation.reply.__name__}`"
    return "answers", f"`{operation.subject(subjects)}`", message, operation.summary


def _event_row(verb: str, event: EventType[Any], subjects: Subjects) -> tuple[str, ...]:
    return verb, f"`{event_subject(event, subjects)}`", f"`{event.event.__name__}`", event.summary


def event_subject(event: EventType[Any], subjects: Subjects) -> str:
    """Spell where an event is published; tokens that differ from message to message are ``<field>``."""
    return ".".join((event.subject(subjects), *(f"<{name}>" for name in event.extra)))


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Write a Markdown table; bars inside cells are escaped."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)
