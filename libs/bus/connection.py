"""The one factory of NATS connections, and what a cut of one means.

Rules 17 and 25 of protocol/delivery.md live here: reconnect for ever, publish nothing after the
fact, and let nothing out after a reconnect before everybody who may have missed events was told.
nats-py lets publishes through before it runs its ``reconnected_cb``; the gate in
:meth:`Connection.publish` closes that window. What is said over it is in the modules beside.
"""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable

import nats.errors
import structlog
from nats.aio.client import DEFAULT_CONNECT_TIMEOUT
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription

from libs.bus import metrics
from libs.bus.client import ResilientClient
from libs.bus.servers import RECONNECT_WAIT_S, BusRefusedError, next_server, refusal_of, servers_of
from libs.contracts.access import inbox_prefix
from libs.contracts.errors import PayloadTooLargeError, UnavailableError

PING_INTERVAL_S = 5
MAX_OUTSTANDING_PINGS = 2
MAX_UNSENT_BYTES = 8 * 1024 * 1024
"""A frozen server takes no bytes and nats-py would collect them without end (rule 15)."""
MAX_PENDING_MESSAGES = 65_536
MAX_PENDING_BYTES = 32 * 1024 * 1024
"""Per subscription; beyond it the consumer is slow, messages are dropped and the cut is told."""

_NOT_CONNECTED = (
    nats.errors.OutboundBufferLimitError,
    nats.errors.ConnectionClosedError,
    nats.errors.ConnectionDrainingError,
    nats.errors.ConnectionReconnectingError,
    OSError,
)
_COMPLAIN_EVERY_S = 5.0
_WATCH_S = 1.0
_log = structlog.get_logger()


class BusClosedError(RuntimeError):
    """The connection is gone for good; the process cannot do its work any more."""


class NotSentError(UnavailableError):
    """There is no usable connection now; the message was certainly not sent."""

    default_phrase = "not connected to the bus"


class Connection:
    """A connection to NATS that heals itself and says when events may have been missed."""

    def __init__(self, *, inbox_prefix: str) -> None:
        """Make an unconnected one; :func:`open_connection` is the way to get one."""
        self.client = ResilientClient()
        self.inbox_prefix = inbox_prefix
        self._usable = asyncio.Event()
        self._closing = False
        self._failed: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._asking: set[str] = set()
        self._denied: set[str] = set()
        self._on_cut: list[Callable[[], None]] = []
        self._on_disconnect: list[Callable[[], None]] = []
        self._complained_at = -_COMPLAIN_EVERY_S
        self._cut_at = 0.0

    # --- saying and hearing -----------------------------------------------------------------

    async def publish(
        self, subject: str, body: bytes, *, reply: str = "", headers: dict[str, str] | None = None
    ) -> None:
        """Hand a message to the socket now, or fail: nothing is kept for later.

        Raises:
            NotSentError: There is no usable connection, or it does not take more bytes.
            PayloadTooLargeError: The server refuses a message of this size.
        """
        if not self._usable.is_set() or self.client.unsent_bytes > MAX_UNSENT_BYTES:
            raise NotSentError
        try:
            await self.client.publish(subject, body, reply=reply, headers=headers)
        except nats.errors.MaxPayloadError as error:
            raise PayloadTooLargeError from error
        except _NOT_CONNECTED as error:
            raise NotSentError from error

    async def subscribe(
        self, subject: str, callback: Callable[[Msg], Awaitable[None]], *, queue: str = ""
    ) -> Subscription:
        """Hear a subject, from now on when this returns; waits while the connection is cut.

        Raises:
            BusRefusedError: The user of this connection may not.
            BusClosedError: The connection is gone for good.
        """
        self._asking.add(subject.lower())
        try:
            subscription = await self.client.subscribe(
                subject,
                queue=queue,
                cb=callback,
                pending_msgs_limit=MAX_PENDING_MESSAGES,
                pending_bytes_limit=MAX_PENDING_BYTES,
            )
            await self._until_server_knows()
        except nats.errors.ConnectionClosedError as error:
            raise BusClosedError("the connection to NATS was closed") from error
        finally:
            self._asking.discard(subject.lower())
        if subject.lower() in self._denied:
            raise BusRefusedError(f"this NATS user may not subscribe to {subject}")
        return subscription

    async def _until_server_knows(self) -> None:
        while not self._failed.done():
            with contextlib.suppress(UnavailableError):
                await self.usable(within_s=_WATCH_S)
                return await self.round_trip()
        raise BusClosedError(self._failed.result())

    async def round_trip(self, *, timeout_s: float = 10.0) -> None:
        """Return when the server has processed everything sent before.

        Raises:
            UnavailableError: It did not say so in time, or the connection was cut.
        """
        if not self._usable.is_set():
            raise NotSentError
        try:
            async with asyncio.timeout(timeout_s):
                await self.client.flush(timeout=3600)
        except (nats.errors.Error, OSError, TimeoutError) as error:
            raise UnavailableError("the bus does not answer") from error

    async def usable(self, *, within_s: float) -> None:
        """Return as soon as publishing makes sense.

        Raises:
            NotSentError: Not within this time.
        """
        if self._usable.is_set():
            return
        try:
            async with asyncio.timeout(within_s):
                await self._usable.wait()
        except TimeoutError as error:
            raise NotSentError from error

    # --- cuts ---------------------------------------------------------------------------------

    def on_cut(self, callback: Callable[[], None]) -> None:
        """Call when events may have been missed, and again before anything is said after it."""
        self._on_cut.append(callback)

    def on_disconnect(self, callback: Callable[[], None]) -> None:
        """Call when answers under way will not arrive any more."""
        self._on_disconnect.append(callback)

    def off_disconnect(self, callback: Callable[[], None]) -> None:
        """Forget what :meth:`on_disconnect` was given."""
        self._on_disconnect.remove(callback)

    def missed_events(self, reason: str) -> None:
        """Tell everybody who relies on hearing every event that this may not hold."""
        metrics.CUTS.labels(reason).inc()
        for callback in self._on_cut:
            try:
                callback()
            except Exception:  # noqa: BLE001 - the other callbacks must run whatever this one does
                _log.exception("bus_cut_callback_failed", reason=reason)

    async def _disconnected(self) -> None:
        self._usable.clear()
        metrics.CONNECTED.set(0)
        self.client.discard_unsent()
        self._cut_at = time.monotonic()
        self.missed_events("disconnected")
        for callback in tuple(self._on_disconnect):
            callback()
        if not self._closing:
            _log.warning("bus_disconnected")

    async def _reconnected(self) -> None:
        self.missed_events("reconnected")
        refusal = refusal_of(self.client, allow_volatile=True)
        if refusal is not None:
            self._fail(refusal)
            return
        metrics.CONNECTED.set(1)
        self._usable.set()
        _log.info("bus_reconnected", after_s=round(time.monotonic() - self._cut_at, 3))

    async def _closed(self) -> None:
        self._fail("the connection to NATS was closed")

    async def _error(self, error: Exception) -> None:
        if isinstance(error, nats.errors.SlowConsumerError):
            self.missed_events("slow consumer")
            _log.error("bus_slow_consumer", subject=error.subject)
        elif "permissions violation" in str(error):
            self._refused_by_server(str(error))
        elif self._usable.is_set():
            _log.warning("bus_error", error=repr(error))
        elif time.monotonic() - self._complained_at >= _COMPLAIN_EVERY_S:
            self._complained_at = time.monotonic()
            _log.warning("bus_connecting", error=repr(error))

    def _refused_by_server(self, text: str) -> None:
        """Note a permission the user lacks; a subscription refused later is a deaf ear."""
        _log.error("bus_permission_denied", error=text)
        if "subscription to" not in text:
            return
        subject = text.partition('"')[2].partition('"')[0]
        if subject in self._asking:
            self._denied.add(subject)
        else:
            self.missed_events("subscription refused")
            self._fail(text)

    def _fail(self, reason: str) -> None:
        if not self._failed.done():
            self._failed.set_result(reason)

    # --- life ---------------------------------------------------------------------------------

    async def connect(self, url: str, *, name: str, allow_volatile: bool) -> None:
        """Connect, waiting for the server as long as it takes.

        Raises:
            BusRefusedError: The URL is none, or the server cannot carry the suite.
        """
        servers, user, password = servers_of(url)
        try:
            await self.client.connect(
                servers,
                name=name,
                user=user,
                password=password,
                inbox_prefix=self.inbox_prefix,
                error_cb=self._error,
                disconnected_cb=self._disconnected,
                reconnected_cb=self._reconnected,
                closed_cb=self._closed,
                max_reconnect_attempts=-1,
                reconnect_time_wait=RECONNECT_WAIT_S,  # type: ignore[arg-type]  # it only sleeps
                reconnect_to_server_handler=next_server,
                connect_timeout=DEFAULT_CONNECT_TIMEOUT,
                ping_interval=PING_INTERVAL_S,
                max_outstanding_pings=MAX_OUTSTANDING_PINGS,
                pending_size=0,
            )
        except BaseException:
            await self.close()
            raise
        refusal = refusal_of(self.client, allow_volatile=allow_volatile)
        if refusal is not None:
            await self.close()
            raise BusRefusedError(refusal)
        metrics.CONNECTED.set(1)
        self._usable.set()

    async def watch(self) -> None:
        """Return when the connection was closed on purpose.

        Raises:
            BusClosedError: It can never be used again, although nobody wanted that.
        """
        while not self._failed.done():
            if (reason := self.client.stuck) is not None:
                self._fail(reason)
            await asyncio.wait([self._failed], timeout=_WATCH_S)
        if not self._closing:
            raise BusClosedError(self._failed.result())

    async def close(self) -> None:
        """Write out what was published, then close for good."""
        self._closing = True
        await self.client.close()
        self._usable.clear()


async def open_connection(
    url: str, *, service: str, replica: str, allow_volatile: bool = False
) -> Connection:
    """Connect to NATS; returns when connected, however long the server stays away.

    Raises:
        BusRefusedError: The URL is none, or the server cannot carry the suite.
    """
    connection = Connection(inbox_prefix=inbox_prefix(service))
    await connection.connect(url, name=replica, allow_volatile=allow_volatile)
    return connection
