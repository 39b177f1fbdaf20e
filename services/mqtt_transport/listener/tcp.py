"""MQTT over TCP, plain or in TLS.

A client that sends without end is read a slice in each turn of the loop: uvloop would hand on 8 MiB in one,
and four million PINGREQs took 8 s in which nobody else was served.
"""

import asyncio
import contextlib
import socket
import ssl
from typing import Final, cast

from libs.process.tls import HANDSHAKE_S
from services.mqtt_transport import metrics
from services.mqtt_transport.listener.connection import Connection
from services.mqtt_transport.listener.connections import Connections
from services.mqtt_transport.listener.parts import Parts
from services.mqtt_transport.listener.wire import SLICE_BYTES

_BUFFER: Final = memoryview(bytearray(SLICE_BYTES))
_BACKLOG: Final = 4096
_KEEP_ALIVE: Final = (("TCP_KEEPIDLE", 120), ("TCP_KEEPINTVL", 30), ("TCP_KEEPCNT", 4))
"""Finds dead peers of clients that asked for no keep alive, in four minutes."""


class TcpWire(asyncio.BufferedProtocol):
    """One socket."""

    __slots__ = ("_connection", "_connections", "_listener", "_parts", "_paused", "_transport")

    def __init__(self, listener: str, connections: Connections, parts: Parts) -> None:
        """Belong to a listener."""
        self._listener = listener
        self._connections = connections
        self._parts = parts
        self._connection: Connection | None = None
        self._transport: asyncio.Transport | None = None
        self._paused = False

    # --- asyncio.BufferedProtocol ---------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport = cast("asyncio.Transport", transport)
        self._connection = self._connections.open(self, self._parts)
        if self._connection is None:
            self._transport.abort()
            return
        metrics.CONNECTIONS.labels(self._listener).inc()
        _keep_alive(self._transport.get_extra_info("socket"))
        self._connection.start()
        if self._paused:  # uvloop begins to read after this, whatever was said meanwhile
            asyncio.get_running_loop().call_soon(self._stay_paused)

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002 - asyncio.BufferedProtocol
        """Give the one buffer of all sockets: it is taken before the next one is filled."""
        return _BUFFER

    def buffer_updated(self, nbytes: int) -> None:
        """Hand on what arrived; if there is more, others come first."""
        if self._connection is None:
            return
        self._connection.data_received(bytes(_BUFFER[:nbytes]))
        if nbytes == SLICE_BYTES and self._transport is not None and not self._transport.is_closing():
            self._transport.pause_reading()
            asyncio.get_running_loop().call_soon(self._go_on)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio.Protocol
        """End."""
        if self._connection is not None:
            metrics.CONNECTIONS.labels(self._listener).dec()
            self._connections.closed(self._connection)
        self._connection = None

    def _stay_paused(self) -> None:
        if self._paused:
            self.pause()

    def _go_on(self) -> None:
        if not self._paused:
            self.resume()

    # --- Wire ---------------------------------------------------------------------------------------

    @property
    def unsent_bytes(self) -> int:
        """What the socket has not taken yet."""
        return 0 if self._transport is None else self._transport.get_write_buffer_size()

    @property
    def unread_bytes(self) -> int:
        """Nothing: bytes are handed on as they come."""
        return 0

    def write(self, data: bytes) -> None:
        """Send."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)

    def close(self) -> None:
        """Close when everything was sent."""
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """Close now."""
        if self._transport is not None:
            self._transport.abort()

    def pause(self) -> None:
        """Read no more."""
        self._paused = True
        if self._transport is not None and not self._transport.is_closing():
            self._transport.pause_reading()

    def resume(self) -> None:
        """Read again."""
        self._paused = False
        if self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()


class TcpListener:
    """A port on which clients speak MQTT."""

    def __init__(self, name: str, connections: Connections, parts: Parts) -> None:
        self._name = name
        self._connections = connections
        self._parts = parts
        self._server: asyncio.Server | None = None

    async def start(self, *, bind: str, port: int, tls: ssl.SSLContext | None = None) -> int:
        """Listen, and return the port: the given one, or the free one that was taken for 0.

        Raises:
            OSError: The port is taken or the address is not ours.
        """
        self._server = await asyncio.get_running_loop().create_server(
            lambda: TcpWire(self._name, self._connections, self._parts),
            bind,
            port,
            ssl=tls,
            ssl_handshake_timeout=None if tls is None else HANDSHAKE_S,
            backlog=_BACKLOG,
        )
        return int(self._server.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        """Take no more connections; those that are open go on."""
        if self._server is not None:
            self._server.close()


def _keep_alive(sock: socket.socket | None) -> None:
    if sock is None:
        return
    with contextlib.suppress(OSError):  # a peer that is gone already
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for name, value in _KEEP_ALIVE:
            if hasattr(socket, name):  # not on every platform
                sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
