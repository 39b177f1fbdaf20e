"""Turn a line that a process wrote into one that a person reads; pure.

Our services write JSON, nats-server and the store formats of their own. All come out as time, level, event
and fields.
"""

import json
import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any

RESET = "\x1b[0m"
_DIM = "\x1b[2m"
_LEVELS = ("debug", "info", "warning", "error", "critical")
_LEVEL_COLOURS = {"debug": _DIM, "warning": "\x1b[33m", "error": "\x1b[31m", "critical": "\x1b[1;31m"}
_LABEL_COLOURS = tuple(f"\x1b[{code}m" for code in (36, 32, 35, 34, 33, 96, 92, 95, 94, 93))
_LABEL_WIDTH = 20
_SHOWN_BY_LABEL = frozenset({"service", "replica"})
_ESCAPES = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")

_NATS = re.compile(
    r"\[\d+\] \d{4}/\d\d/\d\d (?P<time>[\d:]{8})\.(?P<ms>\d{3})\d* \[(?P<level>[A-Z]{3})\] (?P<text>.*)"
)
_NATS_LEVELS = {
    "TRC": "debug",
    "DBG": "debug",
    "INF": "info",
    "WRN": "warning",
    "ERR": "error",
    "FTL": "critical",
}
_STORE = re.compile(r"\d{4}-\d\d-\d\d (?P<time>[\d:]{8}),(?P<ms>\d{3}) (?P<level>[A-Z]+) (?P<text>.*)")
_EXPECTED = ("Plaintext passwords detected",)
"""Warnings that are true and meant: the NATS passwords are random and their file is ours alone."""


@dataclass(frozen=True, kw_only=True)
class Line:
    """What a line says; ``details`` are further lines such as a traceback."""

    time: str
    level: str
    text: str
    details: tuple[str, ...] = ()


def parse(raw: str) -> Line:
    """Understand a line of any process; what fits no form is shown as it stands."""
    if raw.startswith("{"):
        try:
            return _from_json(json.loads(raw))
        except (ValueError, TypeError):
            return Line(time="", level="info", text=raw)
    if found := _NATS.match(raw):
        level = _NATS_LEVELS.get(found["level"], "info")
        return Line(time=f"{found['time']}.{found['ms']}", level=level, text=found["text"])
    if found := _STORE.match(raw):
        level = found["level"].lower()
        return Line(time=f"{found['time']}.{found['ms']}", level=level, text=found["text"])
    return Line(time="", level="info", text=raw)


def is_shown(line: Line, *, least: str) -> bool:
    """Tell whether the line is at least of this level and says something."""
    if not line.text.strip() or line.text.startswith(_EXPECTED):
        return False
    return line.level not in _LEVELS or _LEVELS.index(line.level) >= _LEVELS.index(least)


def render(line: Line, *, label: str, colour: str = "") -> str:
    """Return the text for the terminal, with the label before each of its lines."""
    prefix = f"{label:<{_LABEL_WIDTH}} "
    head = f"{line.time:<12} {line.level:<8} {_safe(line.text)}"
    if not colour:
        return "\n".join(f"{prefix}| {part}" for part in (head, *map(_safe, line.details)))
    tint = _LEVEL_COLOURS.get(line.level, "")
    before = f"{colour}{prefix}{RESET}{_DIM}|{RESET} "
    head = f"{_DIM}{line.time:<12}{RESET} {tint}{line.level:<8}{RESET} {_safe(line.text)}"
    return "\n".join((before + head, *(f"{before}{_DIM}{_safe(part)}{RESET}" for part in line.details)))


def colour_of(number: int) -> str:
    """Return the colour of the n-th label."""
    return _LABEL_COLOURS[number % len(_LABEL_COLOURS)]


def _from_json(entry: dict[str, Any]) -> Line:
    moment = entry.pop("timestamp", None)
    level = str(entry.pop("level", "info"))
    event = str(entry.pop("event", ""))
    trace = str(entry.pop("exception", ""))
    kept = {name: value for name, value in entry.items() if name not in _SHOWN_BY_LABEL}
    fields = " ".join(f"{name}={_value(value)}" for name, value in kept.items())
    return Line(
        time=_local_time(moment) if isinstance(moment, str) else "",
        level=level,
        text=f"{event}  {fields}".rstrip(),
        details=tuple(trace.splitlines()),
    )


def _local_time(moment: str) -> str:
    try:
        return f"{datetime.fromisoformat(moment).astimezone():%H:%M:%S.%f}"[:-3]
    except ValueError:
        return moment


def _value(value: object) -> str:
    if isinstance(value, str) and value and not any(mark in value for mark in ' "='):
        return value
    return json.dumps(value, ensure_ascii=False)


def _safe(text: str) -> str:
    """Replace control characters: what devices sent may be quoted, and must not steer the terminal."""
    return _ESCAPES.sub("�", text.expandtabs(4))
