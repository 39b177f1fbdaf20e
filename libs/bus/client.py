"""nats-py's client with the holes mended that would lose, double or silently stop messages.

Each override names the hole, seen in nats-py 2.16; the tests in ``tests/component/bus`` fail
without it. Nothing else in the suite touches nats-py's protected members, so an upgrade of it
is checked here. Policy (when to reconnect, what a cut means) is in :mod:`libs.bus.connection`.
"""

import asyncio
import contextlib

from nats.aio.client import PING_PROTO, Client, Srv
from nats.aio.subscription import Subscription
from nats.aio.transport import TcpTransport


class ResilientClient(Client):
    """A nats-py client that can be asked what it hides."""

    @property
    def has_jetstream(self) -> bool:
        """Whether the server said that it runs JetStream."""
        return bool(self._server_info.get("jetstream"))

    @property
    def in_cluster(self) -> bool:
        """Whether the server said that it belongs to a cluster."""
        return bool(self._server_info.get("cluster"))

    @property
    def stuck(self) -> str | None:
        """Why this client will never deliver anything again although it has not closed, if so.

        nats-py's reader logs an unexpected exception and ends; the client then calls itself
        connected for ever. The same holds for the task that reconnects.
        """
        if self.is_connected and self._reading_task is not None and self._reading_task.done():
            return "the reader of the connection ended"
        if self.is_reconnecting and self._reconnection_task is not None and self._reconnection_task.done():
            return "reconnecting ended without a connection"
        return None

    @property
    def unsent_bytes(self) -> int:
        """What was published and is still ours: in nats-py's buffer or in the socket's.

        Python before 3.12.9 and 3.13.2 lets the second grow without end (CVE-2024-12254).
        """
        writer = self._socket_writer()
        return self.pending_data_size + (0 if writer is None else writer.transport.get_write_buffer_size())

    def discard_unsent(self) -> None:
        """Drop what was published but not yet written, and fail every round trip under way.

        nats-py keeps commands that were buffered when the connection broke and sends them after
        the reconnect, when their callers have long been told that they failed.
        """
        self._pending.clear()
        self._pending_data_size = 0
        for pong in self._pongs:
            if not pong.done():
                pong.set_exception(ConnectionResetError("the connection to NATS was cut"))
                pong.exception()  # seen: nobody waits for the pongs of the keep-alive
        self._pongs.clear()

    async def drain_subscription(self, subscription: Subscription) -> None:
        """Stop the server from delivering to a subscription and run the callbacks of what it had.

        Unlike ``Subscription.drain`` this forgets the subscription even when the connection is
        cut meanwhile; otherwise it would be made again by the reconnect.
        """
        number = subscription._id  # noqa: SLF001 - it has no public name
        try:
            if self.is_connected:
                await self._send_unsubscribe(number)
                await self.flush()
        except (ConnectionResetError, TimeoutError):
            pass  # the server forgets it with the connection
        finally:
            self._remove_sub(number)
        await subscription._pending_queue.join()  # noqa: SLF001 - drain() would send UNSUB again
        subscription._stop_processing()  # noqa: SLF001 - the same

    async def _send_ping(self, future: asyncio.Future[bool] | None = None) -> None:
        """Put the ping behind what was published before it.

        nats-py writes it to the socket past its own buffer, so that a flush, and the drain of a
        subscription, end before the server has seen what they were to wait for.
        """
        self._pongs.append(future or asyncio.get_running_loop().create_future())
        await self._send_command(PING_PROTO)
        await self._flush_pending()

    async def _process_pong(self) -> None:
        """Survive the pong of a round trip that was given up; nats-py's reader dies of it."""
        if self._pongs and self._pongs[0].done():
            self._pongs[0] = asyncio.get_running_loop().create_future()
        await super()._process_pong()

    async def _process_op_err(self, e: Exception) -> None:
        """Drop the broken socket at once.

        nats-py closes it in an orderly way, which waits for unsent bytes: towards a dead host
        that takes as long as TCP tries, and no reconnect begins before.
        """
        if not (self.is_closed or self.is_reconnecting):
            self._abort_socket()
        await super()._process_op_err(e)

    async def _connect_to_server(self, s: Srv) -> None:
        """Drop the socket of an attempt that got no further than TCP; nats-py leaks it."""
        self._abort_socket()
        await super()._connect_to_server(s)

    def _abort_socket(self) -> None:
        writer = self._socket_writer()
        if writer is not None:
            with contextlib.suppress(RuntimeError):  # the event loop of the socket is gone
                writer.transport.abort()

    def _socket_writer(self) -> asyncio.StreamWriter | None:
        if isinstance(self._transport, TcpTransport):
            return self._transport._io_writer  # noqa: SLF001 - it has no public name
        return None
