"""What a service's ``build`` is given: the process it runs in.

``build`` opens connections, registers how each is checked and stopped, starts root tasks and
listeners, and returns; nothing it registers has to be remembered by the service. The order of
registration is the order of dependence: what was registered last is stopped first.
"""

import secrets
import ssl
from asyncio import Event
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import structlog
from aiohttp import web

from libs.process.complaints import Complain, plain_complaint
from libs.process.draining import Drain, Stop
from libs.process.environment import load_settings
from libs.process.fields import SettingsError
from libs.process.health import Health
from libs.process.serving import HttpServer
from libs.process.settings import ProcessSettings
from libs.process.supervision import RootTasks
from libs.process.tls import TlsFiles

S = TypeVar("S")
Build = Callable[["Process"], Awaitable[None]]

# A request in flight may take this part of the stop deadline; the rest is for what it depends on.
_IN_FLIGHT_SHARE = 0.7

_log = structlog.get_logger()


@dataclass(frozen=True, kw_only=True)
class Ending:
    """Why the process stops, and what it tells whoever started it."""

    reason: str
    exit_code: int


class Process:
    """One running process of a service.

    Attributes:
        name: Of the service, with hyphens: "endpoint-register".
        run_id: Random 64 bits drawn at this start; never the same for two runs (delivery rule 1).
        replica: Name and run id; unique among all processes that ever ran.
        settings: What all services share.
        health: Add a ping for everything that is needed to serve.
        ports: Name to port of every listener so far.
    """

    def __init__(
        self, name: str, *, settings: ProcessSettings, environ: Mapping[str, str] | None = None
    ) -> None:
        self.name = name
        self.run_id = secrets.randbits(64)
        self.replica = f"{name}-{self.run_id:016x}"
        self.settings = settings
        self.health = Health()
        self.ports: dict[str, int] = {}
        self.tasks = RootTasks(self._on_task_end)
        self.drain = Drain()
        self._environ = dict(environ or {})
        self._ending: Ending | None = None
        self._stop_requested = Event()

    def load(self, cls: type[S]) -> S:
        """Read the service's own settings.

        Raises:
            SettingsError: With all problems; let it pass, the process then stops with one line.
        """
        return load_settings(cls, self._environ, service=self.name)

    def supervise(self, name: str, coro: Coroutine[Any, Any, None]) -> None:
        """Run `coro` as a root task: when it ends, for whatever reason, the process stops."""
        self.tasks.start(name, coro)

    def on_stop(self, name: str, stop: Stop) -> None:
        """Await `stop` when the process stops, before everything registered earlier."""
        self.drain.add(name, stop)

    def tls(self) -> ssl.SSLContext | None:
        """Give the context of the TLS listeners, which follows its files; None when TLS is off.

        Raises:
            SettingsError: Only one of the two files is named.
            StartRefusedError: They cannot be read.
        """
        certificate, key = self.settings.tls_cert, self.settings.tls_key
        if certificate is None and key is None:
            return None
        if certificate is None or key is None:
            raise SettingsError(("GROVE_TLS_CERT and GROVE_TLS_KEY belong together: set both or none",))
        files = TlsFiles(certificate=certificate, key=key)
        self.supervise("tls files", files.follow())
        return files.context

    async def serve_http(
        self,
        name: str,
        app: web.Application | web.Server,
        *,
        port: int,
        tls: ssl.SSLContext | None = None,
        complain: Complain = plain_complaint,
    ) -> int:
        """Serve an application on the bind address until the process stops.

        Call it last: a listener that is open takes work, and stops first.

        Args:
            name: Of the port in :attr:`ports` and in the port file.
            app: Not yet started.
            port: 0 takes any free one.
            tls: Speak TLS.
            complain: How an application's service spells errors that the listener itself answers.

        Returns:
            The port.

        Raises:
            OSError: The port is taken.
        """
        server = HttpServer(
            app,
            in_flight_s=self.settings.stop_deadline_s * _IN_FLIGHT_SHARE,
            listener=name,
            complain=complain,
        )
        self.ports[name] = await server.start(bind=self.settings.bind, port=port, tls=tls)
        self.on_stop(f"{name} listener", server.stop)
        _log.info("listener.open", listener=name, bind=self.settings.bind, port=self.ports[name])
        return self.ports[name]

    def stop(self, reason: str, *, exit_code: int = 0) -> None:
        """Ask the process to drain and end; the first reason stands, later ones change nothing."""
        if self._ending is None:
            self._ending = Ending(reason=reason, exit_code=exit_code)
            self._stop_requested.set()

    @property
    def stopping(self) -> bool:
        """Whether the end has been asked for."""
        return self._ending is not None

    async def wait_for_stop(self) -> Ending:
        """Wait until something asks the process to end."""
        while self._ending is None:
            await self._stop_requested.wait()
        return self._ending

    def _on_task_end(self, name: str, error: Exception | None) -> None:
        what = "ended" if error is None else f"failed: {type(error).__name__}: {error}"
        self.stop(f"root task {name!r} {what}", exit_code=1)
