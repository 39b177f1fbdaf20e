"""MQTT over WebSocket (MQTT 5.0 section 6): ``/mqtt``, and Kaa's ``/ws``.

aiohttp speaks HTTP and WebSocket; its connections have the limits of every listener of ours. A client that
is not to be read is not asked for its next message, nor is its socket read.
"""

import asyncio
from collections import deque
from http import HTTPStatus
from typing import Final

from aiohttp import WSCloseCode, WSMsgType, web

from libs.process.complaints import as_response, plain_complaint
from libs.process.http_connections import BoundedConnection
from services.mqtt_transport import metrics
from services.mqtt_transport.listener.connection import Connection
from services.mqtt_transport.listener.connections import Connections
from services.mqtt_transport.listener.parts import Parts
from services.mqtt_transport.listener.wire import SLICE_BYTES

PATHS: Final = frozenset({"/mqtt", "/ws"})
_PROTOCOLS: Final = ("mqtt", "mqttv3.1")
_CLOSE_S: Final = 2.0
_SEVERAL_PACKETS_BYTES: Final = 64 * 1024
_FRAME_HEAD_BYTES: Final = 14


class WebSocketWire:
    """One WebSocket."""

    def __init__(self, socket: web.WebSocketResponse, request: web.BaseRequest) -> None:
        self._socket = socket
        self._request = request
        self._unsent: deque[bytes] = deque()
        self._waiting_bytes = 0
        self._more = asyncio.Event()
        self._unread_bytes = 0
        self.closing = False
        self.readable = asyncio.Event()
        self.readable.set()

    @property
    def unsent_bytes(self) -> int:
        """What was written and not yet taken."""
        transport = self._request.transport
        buffered = 0 if transport is None else transport.get_write_buffer_size()
        return self._waiting_bytes + buffered

    @property
    def unread_bytes(self) -> int:
        """What arrived of a message that is not whole yet; while paused, whole ones may wait as well."""
        return self._unread_bytes if self.readable.is_set() else 0

    def arrived(self, count: int) -> None:
        """Count what the socket brought."""
        self._unread_bytes += count

    def taken(self, count: int) -> None:
        """Count what came out as a message."""
        self._unread_bytes = max(0, self._unread_bytes - count - _FRAME_HEAD_BYTES)

    def write(self, data: bytes) -> None:
        """Send, in order."""
        self._unsent.append(data)
        self._waiting_bytes += len(data)
        self._more.set()

    def close(self) -> None:
        """Close when everything was sent."""
        self.closing = True
        self._more.set()
        self.readable.set()

    def abort(self) -> None:
        """Close now."""
        self.closing = True
        self._more.set()
        self.readable.set()
        if self._request.transport is not None:
            self._request.transport.abort()

    def pause(self) -> None:
        """Ask for no more messages, and read no more: aiohttp would go on for 64 KiB."""
        self.readable.clear()
        transport = self._request.transport
        if transport is not None and not transport.is_closing():
            transport.pause_reading()

    def resume(self) -> None:
        """Ask for messages again."""
        self.readable.set()
        transport = self._request.transport
        if transport is not None and not transport.is_closing():
            transport.resume_reading()

    async def send_all(self) -> None:
        """Send what is written until the end, then close."""
        while True:
            while self._unsent:
                data = b"".join(self._unsent)
                self._unsent.clear()
                await self._socket.send_bytes(data)
                self._waiting_bytes -= len(data)
            if self.closing:
                await self._socket.close()
                return
            self._more.clear()
            await self._more.wait()


class WebSocketListener:
    """Answers HTTP requests that want to become WebSockets."""

    def __init__(self, name: str, connections: Connections, parts: Parts) -> None:
        self._name = name
        self._connections = connections
        self._parts = parts
        self._max_message_bytes = parts.limits.maximum_packet_size + _SEVERAL_PACKETS_BYTES

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request: speak MQTT until either side ends it."""
        if request.path not in PATHS:
            return _refused(HTTPStatus.NOT_FOUND)
        socket = web.WebSocketResponse(
            protocols=_PROTOCOLS,
            max_msg_size=self._max_message_bytes,
            compress=False,
            timeout=_CLOSE_S,
        )
        if not socket.can_prepare(request):
            return _refused(HTTPStatus.UPGRADE_REQUIRED)
        await socket.prepare(request)
        wire = WebSocketWire(socket, request)
        connection = self._connections.open(wire, self._parts)
        if connection is None:
            await socket.close(code=WSCloseCode.TRY_AGAIN_LATER)
            return socket
        metrics.CONNECTIONS.labels(self._name).inc()

        def on_data(count: int) -> None:
            wire.arrived(count)
            connection.weigh_waiting()

        bounds = request.protocol
        assert isinstance(bounds, BoundedConnection)  # noqa: S101 - as served by app.py; for the type checker
        bounds.on_upgraded_data = on_data
        sending = asyncio.get_running_loop().create_task(wire.send_all(), name="websocket output")
        try:
            connection.start()
            await self._read(socket, wire, connection)
        finally:
            metrics.CONNECTIONS.labels(self._name).dec()
            self._connections.closed(connection)
            bounds.on_upgraded_data = None
            wire.close()
            await asyncio.wait({sending}, timeout=_CLOSE_S)
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)
        return socket

    async def _read(self, socket: web.WebSocketResponse, wire: WebSocketWire, connection: Connection) -> None:
        while not wire.closing:
            message = await socket.receive()
            if message.type is WSMsgType.BINARY:
                wire.taken(len(message.data))
                await _take(message.data, wire, connection)
            elif message.type is WSMsgType.TEXT:
                # [MQTT-6.0.0-1]: only binary frames; anything else closes the connection.
                await socket.close(code=WSCloseCode.UNSUPPORTED_DATA)
                return
            else:
                return


async def _take(data: bytes, wire: WebSocketWire, connection: Connection) -> None:
    """Take a message in slices, and let others come between them."""
    for start in range(0, len(data), SLICE_BYTES):
        await wire.readable.wait()
        if wire.closing:
            return
        connection.data_received(data[start : start + SLICE_BYTES])
        await asyncio.sleep(0)
    await wire.readable.wait()


def _refused(status: HTTPStatus) -> web.Response:
    response = as_response(status.value, plain_complaint(status.value, status.phrase))
    if status is HTTPStatus.UPGRADE_REQUIRED:
        response.headers.update({"Upgrade": "websocket", "Connection": "Upgrade"})
    return response
