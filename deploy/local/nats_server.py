"""The embedded NATS server: its configuration, its command line and the ports it bound.

One user per service with random passwords; what each may publish and hear comes from
:mod:`libs.contracts.access`. JetStream syncs every write (``sync_interval: always``), because an
acknowledgement from it is what a device's PUBACK stands on. The configuration holds passwords, so it is
written 0600. NATS reads JSON, which spares a writer of its own syntax.
"""

import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from deploy.local.private_file import write_private

MAX_PAYLOAD_BYTES = 1024 * 1024
"""The default of a NATS run by others; the suite must not depend on more."""


@dataclass(frozen=True, kw_only=True)
class NatsUser:
    """One login. ``None`` for a list of subjects means any subject, which only tests use."""

    name: str
    password: str
    publish: tuple[str, ...] | None = None
    subscribe: tuple[str, ...] | None = None
    allow_responses: bool = False

    def url(self, port: int) -> str:
        """Return the address with this user's credentials in it."""
        return f"nats://{self.name}:{self.password}@127.0.0.1:{port}"


@dataclass(frozen=True, kw_only=True)
class NatsPorts:
    """Where a server listens; 0 asks for any free port."""

    client: int = 0
    monitor: int = 0


def render_config(
    directory: Path, *, ports: NatsPorts, users: Iterable[NatsUser], max_file_store_bytes: int
) -> str:
    """Return the text of nats.conf for a server that keeps everything under ``directory``."""
    config = {
        "server_name": "grove-local",
        "listen": f"127.0.0.1:{ports.client or -1}",
        "http": f"127.0.0.1:{ports.monitor or -1}",
        "ports_file_dir": str(directory),
        "max_payload": MAX_PAYLOAD_BYTES,
        "jetstream": {
            "store_dir": str(directory / "jetstream"),
            "sync_interval": "always",
            "max_file_store": max_file_store_bytes,
            "max_memory_store": 64 * 1024 * 1024,
        },
        "authorization": {"timeout": 5, "users": [_user_entry(user) for user in users]},
    }
    return json.dumps(config, indent=2) + "\n"


def write_config(
    directory: Path, *, ports: NatsPorts, users: Sequence[NatsUser], max_file_store_bytes: int
) -> Path:
    """Write ``directory/nats.conf`` for its owner alone, and drop port files of servers that are gone."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    for stale in directory.glob("*.ports"):
        stale.unlink(missing_ok=True)
    path = directory / "nats.conf"
    text = render_config(
        directory.resolve(), ports=ports, users=users, max_file_store_bytes=max_file_store_bytes
    )
    write_private(path, text)
    return path


def read_ports(directory: Path, pid: int) -> NatsPorts | None:
    """Return what the server with this pid bound, or None while it has not said so yet."""
    for path in directory.glob(f"*_{pid}.ports"):
        try:
            listed = json.loads(path.read_text(encoding="utf-8"))
        except (ValueError, OSError):
            return None
        return NatsPorts(client=_port_of(listed, "nats"), monitor=_port_of(listed, "monitoring"))
    return None


def _port_of(listed: dict[str, list[str]], key: str) -> int:
    return urlsplit(listed[key][0]).port or 0


def _user_entry(user: NatsUser) -> dict[str, Any]:
    entry: dict[str, Any] = {"user": user.name, "password": user.password}
    permissions: dict[str, Any] = {}
    if user.publish is not None:
        permissions["publish"] = _only(user.publish)
    if user.subscribe is not None:
        permissions["subscribe"] = _only(user.subscribe)
    if user.allow_responses:
        permissions["allow_responses"] = True
    if permissions:
        entry["permissions"] = permissions
    return entry


def _only(subjects: tuple[str, ...]) -> dict[str, list[str]]:
    return {"allow": list(subjects)} if subjects else {"deny": [">"]}


def nats_executable(prefix: str) -> Path:
    """Return the server that belongs to this Python environment."""
    return Path(prefix) / ("Scripts" if os.name == "nt" else "bin") / "nats-server"
