"""Real NATS and a real store for component tests: one process each, on a free port that stays for restarts.

Start one per session and keep tests apart with :func:`fresh_subject_root` and :func:`fresh_database`; start
one per test where the test kills or pauses it::

    async with running_nats(tmp_path) as nats:
        bus = await Bus.connect(url=nats.url, ...)            # may do anything
        strict = nats.url_for("endpoint-register")            # only what libs.contracts.access allows
        await nats.kill()                                     # SIGKILL, as a power cut of the process
        await nats.start()                                    # same port, same data
        await nats.pause()                                    # SIGSTOP: connected, but silent
        await nats.resume()

Nothing is bound to an event loop, so a session fixture may be shared by tests with loops of their own:
:func:`nats_process` and :func:`store_process` are the same as plain context managers. The servers die with
the test process.
"""

import asyncio
import os
import secrets
import signal
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import TypeVar

import pymongo
import pymongo.errors

from deploy.local.leash import leashed
from deploy.local.nats_server import NatsPorts, NatsUser, nats_executable, read_ports, write_config
from deploy.local.nats_users import nats_users, user_names
from deploy.local.store_server import read_port, store_argv, store_url
from libs.contracts.subjects import DEFAULT_ROOT

S = TypeVar("S", bound="Server")

_START_DEADLINE_S = 20.0
_STOP_DEADLINE_S = 10.0
_POLL_S = 0.01
_MAX_FILE_STORE_BYTES = 4 * 1024**4
"""Streams only reserve what they may grow to: room for those of many tests, not disk that is used."""


def fresh_subject_root() -> str:
    """Return a subject root no other test uses, for parts under test that share one NATS."""
    return f"test{secrets.token_hex(4)}.v1"


def fresh_database() -> str:
    """Return a database name no other test uses."""
    return f"test_{secrets.token_hex(6)}"


class Server(ABC):
    """One server process that can be hurt and brought back; methods block at most until their deadline."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.log = directory / "server.log"
        self.port = 0
        self._process: subprocess.Popen[bytes] | None = None
        directory.mkdir(parents=True, exist_ok=True)

    @property
    def pid(self) -> int:
        """The process id of the current run."""
        return self._running().pid

    async def start(self) -> None:
        """Start again, on the same port and data, and return when the server answers."""
        self.launch()
        await asyncio.to_thread(self.wait_ready)

    async def kill(self) -> None:
        """End the server with SIGKILL."""
        self.signal(signal.SIGKILL)
        await asyncio.to_thread(self.wait_gone)

    async def stop(self) -> None:
        """End the server in an orderly way."""
        await asyncio.to_thread(self.end)

    async def pause(self) -> None:
        """Freeze the server: its connections stay open and nothing is answered once this returns."""
        self.signal(signal.SIGSTOP)
        await asyncio.to_thread(os.waitid, os.P_PID, self.pid, os.WSTOPPED | os.WNOWAIT)

    async def resume(self) -> None:
        """Let a frozen server go on."""
        self.signal(signal.SIGCONT)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the running server."""
        self._running().send_signal(number)

    def launch(self) -> None:
        """Start without waiting; the process dies with the calling thread, so call this from the main one."""
        if self._process is not None:
            message = f"{type(self).__name__} is already running"
            raise RuntimeError(message)
        with self.log.open("ab" if self.port else "wb") as log:
            self._process = subprocess.Popen(
                leashed(*self._argv()),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def wait_ready(self) -> None:
        """Return when the server answers.

        Raises:
            RuntimeError: It ended or stayed silent; the message holds the end of its log.
        """
        until = time.monotonic() + _START_DEADLINE_S
        while not self._answers():
            if self._running().poll() is not None or time.monotonic() > until:
                message = (
                    f"{type(self).__name__} did not start:\n{self.log.read_text(errors='replace')[-2000:]}"
                )
                self.end()
                raise RuntimeError(message)
            time.sleep(_POLL_S)

    def wait_gone(self) -> None:
        """Return when the process has ended."""
        self._running().wait(_STOP_DEADLINE_S)
        self._process = None

    def end(self) -> None:
        """Stop the process whatever its state, by force where it does not listen."""
        if self._process is None:
            return
        self._process.terminate()
        self._process.send_signal(signal.SIGCONT)
        try:
            self._process.wait(_STOP_DEADLINE_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    def discard(self) -> None:
        """End at once: the data goes with the test, and the store takes two seconds to say goodbye."""
        if self._process is not None:
            self._process.kill()
            self.wait_gone()

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            message = f"{type(self).__name__} is not running"
            raise RuntimeError(message)
        return self._process

    @abstractmethod
    def _argv(self) -> list[str]:
        """Return the command of the next start."""

    @abstractmethod
    def _answers(self) -> bool:
        """Tell whether the server does its work now; also where a port is learnt."""


class NatsServer(Server):
    """A NATS server with JetStream that syncs every write, and one user per service as in production."""

    def __init__(self, directory: Path, *, root: str = DEFAULT_ROOT) -> None:
        super().__init__(directory)
        passwords = {name: secrets.token_hex(8) for name in user_names()}
        self.users = {user.name: user for user in nats_users(passwords, root=root)}
        self._anything = NatsUser(name="test", password=secrets.token_hex(8))
        self._ports = NatsPorts()

    @property
    def url(self) -> str:
        """The address with a user who may do anything."""
        return self._anything.url(self.port)

    def url_for(self, service: str) -> str:
        """Return the address with the user of ``service``, limited to what production allows it."""
        return self.users[service].url(self.port)

    def _argv(self) -> list[str]:
        users = [self._anything, *self.users.values()]
        config = write_config(
            self.directory, ports=self._ports, users=users, max_file_store_bytes=_MAX_FILE_STORE_BYTES
        )
        return [str(nats_executable(sys.prefix)), "--config", str(config)]

    def _answers(self) -> bool:
        found = read_ports(self.directory, self.pid)
        if found is None:
            return False
        self._ports = found
        self.port = found.client
        connection = HTTPConnection("127.0.0.1", found.monitor, timeout=2)
        try:
            connection.request("GET", "/healthz")
            return connection.getresponse().status == 200
        except (OSError, HTTPException):
            return False
        finally:
            connection.close()


class StoreServer(Server):
    """The embedded store, which syncs every commit."""

    @property
    def url(self) -> str:
        """The address for drivers."""
        return store_url(self.port)

    def _argv(self) -> list[str]:
        return store_argv(self.directory, port=self.port, cache="64M")

    def _answers(self) -> bool:
        port = self.port or read_port(self.log.read_text(errors="replace"))
        if port is None:
            return False
        self.port = port
        with pymongo.MongoClient[dict[str, object]](self.url, serverSelectionTimeoutMS=200) as client:
            try:
                client.admin.command("ping")
            except pymongo.errors.PyMongoError:
                return False
        return True


@contextmanager
def nats_process(directory: Path, *, root: str = DEFAULT_ROOT) -> Iterator[NatsServer]:
    """Run a NATS server in ``directory/nats``, for fixtures that have no event loop."""
    with _kept(NatsServer(directory / "nats", root=root)) as server:
        server.wait_ready()
        yield server


@contextmanager
def store_process(directory: Path) -> Iterator[StoreServer]:
    """Run a store in ``directory/store``, for fixtures that have no event loop."""
    with _kept(StoreServer(directory / "store")) as server:
        server.wait_ready()
        yield server


@asynccontextmanager
async def running_nats(directory: Path, *, root: str = DEFAULT_ROOT) -> AsyncIterator[NatsServer]:
    """Run a NATS server in ``directory/nats``; the services' users are limited to ``root``."""
    with _kept(NatsServer(directory / "nats", root=root)) as server:
        await asyncio.to_thread(server.wait_ready)
        yield server


@asynccontextmanager
async def running_store(directory: Path) -> AsyncIterator[StoreServer]:
    """Run a store in ``directory/store`` until the block ends."""
    with _kept(StoreServer(directory / "store")) as server:
        await asyncio.to_thread(server.wait_ready)
        yield server


@contextmanager
def _kept(server: S) -> Iterator[S]:
    server.launch()
    try:
        yield server
    finally:
        server.discard()
