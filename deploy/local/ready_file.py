"""ready.json: where everything is, for people, tests and tools on the same machine (design.md section 5).

It exists while the stack is ready. The entry of a process that ended stays until the process that replaces
it is ready; then it has the new pid and replica. ``infrastructure`` goes beyond the design: tests kill NATS
and the store by it.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from deploy.local.private_file import write_private
from deploy.local.problem import RunnerError


@dataclass(frozen=True, kw_only=True)
class ServiceEntry:
    """One replica of a service that is ready.

    Attributes:
        urls: Address of each listener by its key in ready.json.
    """

    name: str
    replica: str
    pid: int
    health: str
    urls: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Infrastructure:
    """An embedded server."""

    name: str
    pid: int
    health: str | None = None


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """The whole stack at one moment."""

    nats_url: str | None
    mongodb_url: str | None
    api_key: str
    services: Sequence[ServiceEntry]
    infrastructure: Sequence[Infrastructure]


def describe(snapshot: Snapshot) -> dict[str, Any]:
    """Return the content of ready.json; what does not run is left out."""
    services: dict[str, list[dict[str, Any]]] = {}
    addresses: dict[str, str] = {}
    for entry in snapshot.services:
        for key, url in entry.urls.items():
            addresses.setdefault(key, url)
        services.setdefault(entry.name, []).append(
            {
                "replica": entry.replica,
                "pid": entry.pid,
                "health": entry.health,
                "url": next(iter(entry.urls.values()), None),
            }
        )
    known = {**addresses, "nats": snapshot.nats_url, "mongodb": snapshot.mongodb_url}
    return {
        **{key: url for key, url in known.items() if url is not None},
        "apiKey": snapshot.api_key,
        "services": services,
        "infrastructure": {
            server.name: {"pid": server.pid, "health": server.health} for server in snapshot.infrastructure
        },
    }


def write(path: Path, snapshot: Snapshot) -> None:
    """Replace the file; only its owner may read it, for it holds the admin key."""
    write_private(path, json.dumps(describe(snapshot), indent=2) + "\n")


def read(path: Path) -> dict[str, Any]:
    """Return the content of a ready.json.

    Raises:
        RunnerError: No stack is ready there.
    """
    try:
        content: dict[str, Any] = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise RunnerError(f"nothing is ready: there is no {path}") from None
    except (OSError, ValueError) as error:
        raise RunnerError(f"cannot read {path}: {error}") from error
    return content
