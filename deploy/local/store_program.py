"""The embedded store as a process of the stack."""

from collections.abc import Mapping
from pathlib import Path

from deploy.local.children import Child, Command
from deploy.local.process_log import ProcessLog
from deploy.local.store_server import read_port, store_argv, store_url
from libs.contracts.errors import GroveError
from libs.store import Store


class StoreProgram:
    """Runs the store; ready when a driver gets an answer from it."""

    name = "store"
    index = 0

    def __init__(self, directory: Path, *, port: int, log: ProcessLog, env: Mapping[str, str]) -> None:
        self.log = log
        self.port = port
        self._directory = directory
        self._env = env

    def command(self) -> Command:
        """Return the command; the store has no secrets and listens on 127.0.0.1 only."""
        argv = store_argv(self._directory.resolve(), port=self.port)
        return Command(argv=tuple(argv), env=self._env, directory=self._directory)

    async def missing(self, child: Child) -> str | None:  # noqa: ARG002 - as programs are asked
        """Learn the port, then ping."""
        port = read_port(self.log.head.decode(errors="replace"))
        if port is None:
            return "not listening yet"
        self.port = port
        return await ping_store(store_url(port))


async def ping_store(url: str) -> str | None:
    """Ask a store for a sign of life; return what is wrong, None when it answers."""
    store = Store.open(url, database="admin", app_name="grove-local")
    try:
        await store.ping()
    except GroveError as error:
        return error.reason_phrase
    finally:
        await store.close()
    return None
