"""One replica of a service as a process of the stack.

It gets its addresses and secrets from the environment and says in a port file which ports it took; those
are given to it again at a restart, so that addresses in ready.json stay true for whoever has read them.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from deploy.local.children import Child, Command
from deploy.local.probing import ask
from deploy.local.process_log import ProcessLog
from deploy.local.table import Row

HEALTH = "health"
_REPOSITORY = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, kw_only=True)
class PortFile:
    """What a service says of itself."""

    pid: int
    replica: str
    ports: dict[str, int] = field(default_factory=dict)


class ServiceProgram:
    """Runs a service; ready when its /ready says so."""

    def __init__(  # noqa: PLR0913 - one keyword for each thing a service is given
        self,
        row: Row,
        index: int,
        *,
        host: str,
        environment: Callable[[], Mapping[str, str]],
        port_file: Path,
        log: ProcessLog,
        session: aiohttp.ClientSession,
    ) -> None:
        self.name = row.name
        self.index = index
        self.row = row
        self.log = log
        self.said = PortFile(pid=0, replica="")
        self._host = host
        self._environment = environment
        self._port_file = port_file.resolve()
        self._session = session

    @property
    def health_url(self) -> str:
        """Address of /health, /ready and /metrics."""
        return f"http://{self._host}:{self.said.ports.get(HEALTH, 0)}"

    @property
    def urls(self) -> dict[str, str]:
        """Address of each open listener by its key in ready.json."""
        ports = self.said.ports
        return {
            listener.ready_key: f"{listener.scheme}://{self._host}:{ports[listener.port_key]}{listener.path}"
            for listener in self.row.listeners
            if listener.port_key in ports
        }

    def command(self) -> Command:
        """Return the command with the ports of the run before, where there was one."""
        self._port_file.unlink(missing_ok=True)
        ports = {
            "GROVE_HEALTH_PORT": str(self.said.ports.get(HEALTH, 0)),
            "GROVE_PORT_FILE": str(self._port_file),
        }
        for listener in self.row.listeners:
            known = self.said.ports.get(listener.port_key)
            if known is not None:
                ports[listener.variable] = str(known)
        return Command(argv=self.row.argv, env={**self._environment(), **ports}, directory=_REPOSITORY)

    async def missing(self, child: Child) -> str | None:
        """Wait for the port file of this very process, then ask /ready."""
        said = read_port_file(self._port_file)
        if said is None or said.pid != child.pid or HEALTH not in said.ports:
            return "starting"
        self.said = said
        return await ask(self._session, f"{self.health_url}/ready")


def read_port_file(path: Path) -> PortFile | None:
    """Return what the file says; None while it is not there or is not one."""
    try:
        said: dict[str, Any] = json.loads(path.read_bytes())
        return PortFile(pid=int(said["pid"]), replica=str(said["replica"]), ports=dict(said["ports"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def reachable_host(bind: str) -> str:
    """Return the host of addresses for a listen address: what listens everywhere is on the loopback too."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(bind, bind)  # noqa: S104 - compared, not bound
    return f"[{host}]" if ":" in host else host
