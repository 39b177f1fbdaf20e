"""Tell how a running stack is: every process of ready.json, asked now."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from deploy.local import ready_file
from deploy.local.probing import ask
from deploy.local.store_program import ping_store

_HEADINGS = ("process", "pid", "state", "health")


@dataclass(frozen=True, kw_only=True)
class State:
    """What one process answered."""

    name: str
    pid: int
    health: str
    problem: str | None


def show(path: Path) -> int:
    """Print the table; return 0 when everything is ready.

    Raises:
        RunnerError: No stack is ready there.
    """
    states = asyncio.run(_states(ready_file.read(path)))
    print("\n".join(table(states)))
    return 0 if all(state.problem is None for state in states) else 1


def table(states: Sequence[State]) -> list[str]:
    """Return the lines of the table, columns as wide as their longest entry."""
    rows = [_HEADINGS, *((s.name, str(s.pid), s.problem or "ready", s.health) for s in states)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]


async def _states(content: dict[str, Any]) -> list[State]:
    async with aiohttp.ClientSession() as session, asyncio.TaskGroup() as group:
        asked = [
            group.create_task(_state(session, name, entry, content), name=f"ask {name}")
            for name, entry in _processes(content)
        ]
    return [task.result() for task in asked]


def _processes(content: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    found = list(content["infrastructure"].items())
    for name, replicas in content["services"].items():
        found += [(f"{name}-{number}" if number else name, entry) for number, entry in enumerate(replicas)]
    return found


async def _state(
    session: aiohttp.ClientSession, name: str, entry: dict[str, Any], content: dict[str, Any]
) -> State:
    health = entry["health"]
    if name in content["infrastructure"]:
        problem = await (ask(session, health) if health else ping_store(content["mongodb"]))
    else:
        problem = await ask(session, f"{health}/ready")
    return State(name=name, pid=entry["pid"], health=health or "", problem=problem)
