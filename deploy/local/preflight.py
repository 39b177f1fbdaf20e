"""What must hold before anything is started, each told in one line."""

import importlib.util
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from deploy.local.environment import chosen_port
from deploy.local.nats_server import nats_executable
from deploy.local.ports import is_taken, owner_of
from deploy.local.problem import RunnerError
from deploy.local.settings import LocalSettings
from deploy.local.table import Kind, Row

_LEFTOVER_S = 1.0
"""A runner that was killed a moment ago may have children that are just ending."""


@dataclass(frozen=True, kw_only=True)
class WantedPort:
    """A port that must be free."""

    host: str
    port: int
    variable: str
    user: str


def wanted_ports(rows: Sequence[Row], settings: LocalSettings) -> Iterator[WantedPort]:
    """Yield every fixed port of the rows; those chosen as "any" cannot collide."""
    for row in rows:
        if row.kind is Kind.NATS:
            listeners = [("127.0.0.1", "GROVE_NATS_PORT")]
        elif row.kind is Kind.STORE:
            listeners = [("127.0.0.1", "GROVE_STORE_PORT")]
        else:
            listeners = [
                (settings.bind, listener.variable)
                for listener in row.listeners
                if settings.tls_cert or not listener.tls
            ]
        for host, variable in listeners:
            port = chosen_port(settings, variable)
            if port:
                yield WantedPort(host=host, port=port, variable=variable, user=row.name)


def check_ports(wanted: Sequence[WantedPort]) -> None:
    """Return when every port is free and wanted once.

    Raises:
        RunnerError: Naming the port, who has it and what to change.
    """
    for number, want in enumerate(wanted):
        for other in wanted[:number]:
            if other.port == want.port:
                raise RunnerError(f"{other.variable} and {want.variable} are both {want.port}: change one")
        if _stays_taken(want):
            owner = owner_of(want.port) or "a process of another user"
            raise RunnerError(
                f"port {want.port} for {want.user} is taken by {owner}: "
                f"stop that, or set {want.variable} to another port (0 = any free one)"
            )


def check_installed(rows: Sequence[Row]) -> None:
    """Return when the embedded servers belong to this Python environment.

    Raises:
        RunnerError: One does not.
    """
    kinds = {row.kind for row in rows}
    if Kind.NATS in kinds and not nats_executable(sys.prefix).exists():
        raise RunnerError(f"nats-server is not in {sys.prefix}: use `make run`, or set GROVE_NATS_URL")
    if Kind.STORE in kinds and importlib.util.find_spec("secantus") is None:
        raise RunnerError(f"the store is not in {sys.prefix}: use `make run`, or set GROVE_MONGODB_URL")


def _stays_taken(want: WantedPort) -> bool:
    until = time.monotonic() + _LEFTOVER_S
    try:
        while is_taken(want.host, want.port):
            if time.monotonic() > until:
                return True
            time.sleep(0.05)
    except OSError as error:
        raise RunnerError(
            f"cannot listen on {want.host}:{want.port} for {want.user}: {error.strerror}; "
            f"change GROVE_BIND or {want.variable}"
        ) from error
    return False
