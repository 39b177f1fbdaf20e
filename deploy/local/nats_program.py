"""The embedded NATS as a process of the stack."""

import sys
from collections.abc import Mapping
from pathlib import Path

import aiohttp

from deploy.local.children import Child, Command
from deploy.local.nats_server import NatsPorts, NatsUser, nats_executable, read_ports, write_config
from deploy.local.probing import ask
from deploy.local.problem import RunnerError
from deploy.local.process_log import ProcessLog


class NatsProgram:
    """Runs nats-server with one user per service; ready when /healthz says that JetStream has recovered."""

    name = "nats"
    index = 0

    def __init__(  # noqa: PLR0913 - one keyword for each thing the server is given
        self,
        directory: Path,
        *,
        port: int,
        users: tuple[NatsUser, ...],
        file_store_bytes: int,
        log: ProcessLog,
        session: aiohttp.ClientSession,
        env: Mapping[str, str],
    ) -> None:
        self.log = log
        self.ports = NatsPorts(client=port)
        self._directory = directory
        self._users = users
        self._file_store_bytes = file_store_bytes
        self._session = session
        self._env = env

    @property
    def health_url(self) -> str:
        """Where the server says whether it is well."""
        return f"http://127.0.0.1:{self.ports.monitor}/healthz"

    def url(self, user: str) -> str:
        """Return the address with the credentials of a user.

        Raises:
            RunnerError: There is no such user.
        """
        for known in self._users:
            if known.name == user:
                return known.url(self.ports.client)
        raise RunnerError(f"libs.contracts.access has no NATS user {user!r}")

    def command(self) -> Command:
        """Write the configuration and return the command that uses it."""
        config = write_config(
            self._directory,
            ports=self.ports,
            users=self._users,
            max_file_store_bytes=self._file_store_bytes,
        )
        argv = (str(nats_executable(sys.prefix)), "--config", str(config.resolve()))
        return Command(argv=argv, env=self._env, directory=self._directory)

    async def missing(self, child: Child) -> str | None:
        """Learn the ports, then ask for health."""
        found = read_ports(self._directory, child.pid)
        if found is None:
            return "not listening yet"
        self.ports = found
        return await ask(self._session, self.health_url)
