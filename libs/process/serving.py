"""An HTTP listener that starts at once and stops without dropping a request.

Stopping: the port is closed; for a moment answers still go out on open connections, each telling
the client to close, so that a busy keep-alive connection ends after an answer and not in the middle
of the next request; then idle connections are closed and requests in flight are waited for. Long
lived answers (WebSockets, event streams) end in the application's own ``on_shutdown``.
"""

import asyncio
import ssl
from dataclasses import replace
from typing import Final

from aiohttp import web

from libs.process.budget import Budget
from libs.process.complaints import Complain, plain_complaint
from libs.process.connection_limits import ConnectionLimits
from libs.process.descriptors import room_for
from libs.process.http_connections import BoundedServer
from libs.process.tls import HANDSHAKE_S

LINGER_S: Final = 0.5
_POLL_S: Final = 0.02
_BUDGET_BYTES: Final = 64 * 1024 * 1024
_LIMITS: Final = ConnectionLimits()


class _BoundedRunner(web.AppRunner):
    """Runs an application on connections that have limits."""

    __slots__ = ("_complain", "_limits", "_listener")

    def __init__(
        self,
        app: web.Application,
        *,
        listener: str,
        limits: ConnectionLimits,
        complain: Complain,
        shutdown_timeout: float,
    ) -> None:
        super().__init__(app, access_log=None, shutdown_timeout=shutdown_timeout)
        self._listener = listener
        self._limits = limits
        self._complain = complain

    async def _make_server(self) -> web.Server:
        plain = await super()._make_server()
        return BoundedServer(
            plain.request_handler,
            listener=self._listener,
            limits=self._limits,
            budget=Budget(_BUDGET_BYTES),
            complain=self._complain,
            request_factory=plain.request_factory,
        )


class _BoundedSite(web.TCPSite):
    """A listener whose TLS handshakes end as fast as those of MQTT; aiohttp's have a minute."""

    async def start(self) -> None:
        """Listen."""
        await web.BaseSite.start(self)
        server = self._runner.server
        assert server is not None  # noqa: S101 - set up before; for the type checker
        self._server = await asyncio.get_running_loop().create_server(
            server,
            self._host,
            self._port,
            ssl=self._ssl_context,
            ssl_handshake_timeout=None if self._ssl_context is None else HANDSHAKE_S,
            backlog=self._backlog,
        )
        self._bound_port = self._server.sockets[0].getsockname()[1]


class HttpServer:
    """One application on one port.

    Args:
        app: Not yet started; it gets one more ``on_response_prepare`` hook. A low-level
            :class:`web.Server` gets none: it has limits of its own, and tells its clients itself to
            close while stopping.
        in_flight_s: How long a request may still take once stopping has begun; then it is cancelled.
        listener: Label in metrics and log.
        limits: Of an application's connections; fewer where the system allows fewer open files.
        complain: How an application's service spells errors.
    """

    def __init__(
        self,
        app: web.Application | web.Server,
        *,
        in_flight_s: float,
        listener: str,
        limits: ConnectionLimits = _LIMITS,
        complain: Complain = plain_complaint,
    ) -> None:
        self._stopping = False
        self._in_flight_s = in_flight_s
        self._runner: web.AppRunner | web.ServerRunner
        if isinstance(app, web.Server):
            self._runner = web.ServerRunner(app, shutdown_timeout=in_flight_s)
        else:
            app.on_response_prepare.append(self._on_response_prepare)
            self._runner = _BoundedRunner(
                app,
                listener=listener,
                limits=_within_open_files(limits),
                complain=complain,
                shutdown_timeout=in_flight_s,
            )
        self._site: web.TCPSite | None = None

    async def start(self, *, bind: str, port: int, tls: ssl.SSLContext | None = None) -> int:
        """Listen, and return the port: the given one, or the free one that was taken for 0.

        Raises:
            OSError: The port is taken or the address is not ours; its text names both.
        """
        await self._runner.setup()
        self._site = _BoundedSite(self._runner, bind, port, ssl_context=tls, backlog=1024)
        try:
            await self._site.start()
        except BaseException:
            await self._runner.cleanup()
            raise
        return self._site.port

    async def stop(self, *, linger_s: float = LINGER_S) -> None:
        """Finish what is in flight and close; at most `linger_s` for connections that sit idle.

        Raises:
            TimeoutError: Some requests were not finished and have been cancelled.
        """
        self._stopping = True
        if self._site is not None:
            await self._site.stop()
        loop = asyncio.get_running_loop()
        lingers_until = loop.time() + linger_s
        # aiohttp has no event for "the last connection is gone"
        while self._connections() and loop.time() < lingers_until:  # noqa: ASYNC110 - see above
            await asyncio.sleep(_POLL_S)
        cut_off_at = loop.time() + self._in_flight_s
        await self._runner.cleanup()
        if loop.time() >= cut_off_at:
            message = f"requests were still in flight after {self._in_flight_s:g} s"
            raise TimeoutError(message)

    def _connections(self) -> int:
        server = self._runner.server
        return len(server.connections) if server is not None else 0

    async def _on_response_prepare(self, _request: web.Request, response: web.StreamResponse) -> None:
        response.headers.popall("Server", None)  # versions are nobody's business
        if self._stopping:
            response.force_close()
            response.headers["Connection"] = "close"


def _within_open_files(limits: ConnectionLimits) -> ConnectionLimits:
    return replace(limits, max_connections=room_for(limits.max_connections))
