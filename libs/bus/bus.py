"""The bus as one object: what services, tests and the gateway hold.

Each part is a module of its own; this one only puts them together, in the order in which a
process needs them: connect, serve and listen, work, stop serving, close.
"""

import asyncio
import functools
from collections.abc import Awaitable, Callable, Iterator, Mapping

import msgspec
from nats.aio.msg import Msg

from libs.bus.broadcasts import Broadcasts
from libs.bus.codec import MAX_MESSAGE_BYTES, encode
from libs.bus.connection import Connection, open_connection
from libs.bus.consumers import Consumers
from libs.bus.consuming import DEFAULT_BATCH, Consumption, Handler
from libs.bus.discovery import Discovery
from libs.bus.inspecting import Inspector
from libs.bus.jetstream import JetStreamApi
from libs.bus.listeners import Listeners
from libs.bus.publishing import DEFAULT_DEADLINE_S, Announced, Announcer
from libs.bus.requests import Check, Requester, always
from libs.bus.servers import BusRefusedError
from libs.bus.serving import DEFAULT_MAX_IN_FLIGHT, Server
from libs.bus.streams import Streams
from libs.contracts.errors import PayloadTooLargeError
from libs.contracts.messages import Event, EventT, Reply, ReplyT, Request, RequestT
from libs.contracts.streams import ConsumerSpec, StreamSpec
from libs.contracts.subjects import DEFAULT_ROOT, Subjects

DEFAULT_TIMEOUT_S = 5.0
DEFAULT_STOP_S = 15.0


class Bus:
    """A process's place on NATS; made by :meth:`connect`."""

    def __init__(
        self, connection: Connection, *, replica: str, subjects: Subjects, max_in_flight: int
    ) -> None:
        """Put the parts together; :meth:`connect` is the way to get one."""
        self.subjects = subjects
        self._connection = connection
        self._requester = Requester(connection)
        self._server = Server(connection, max_in_flight=max_in_flight)
        self._announcer = Announcer(connection, self._requester, replica=replica)
        self._broadcasts = Broadcasts(connection, replica=replica)
        api = JetStreamApi(connection, self._requester)
        self._streams = Streams(api)
        self._consumers = Consumers(api)
        self._listeners = Listeners(connection, self._broadcasts)
        self.inspector = Inspector(api)
        self._consumptions: list[Consumption] = []

    @classmethod
    async def connect(
        cls,
        *,
        url: str,
        service: str,
        replica: str,
        root: str = DEFAULT_ROOT,
        max_in_flight: int = DEFAULT_MAX_IN_FLIGHT,
        allow_volatile: bool = False,
    ) -> "Bus":
        """Connect, however long NATS stays away, and appear in ``$SRV.PING``.

        Args:
            url: ``nats://user:password@host:port``, several separated by commas.
            service: Name of the service; its NATS user must own ``_INBOX_<service>.>``.
            replica: Id of this process; signs its events.
            root: First tokens of every subject.
            max_in_flight: Requests handled at the same time; more are answered 503.
            allow_volatile: Accept a server without JetStream.

        Raises:
            BusRefusedError: The server or its permissions cannot carry the suite.
        """
        try:
            subjects = Subjects(root)
        except ValueError as error:
            raise BusRefusedError(f"GROVE_SUBJECT_ROOT: {error}") from error
        connection = await open_connection(
            url, service=service, replica=replica, allow_volatile=allow_volatile
        )
        try:
            bus = cls(connection, replica=replica, subjects=subjects, max_in_flight=max_in_flight)
            await bus._requester.start()
            await Discovery(
                connection,
                service=service,
                replica=replica,
                endpoints=bus._server.endpoints,
            ).start()
        except BaseException:
            await connection.close()
            raise
        return bus

    async def request(
        self,
        subject: str,
        message: Request,
        reply_type: type[ReplyT],
        *,
        timeout_s: float = DEFAULT_TIMEOUT_S,
        check: Check = always,
    ) -> ReplyT:
        """Ask whoever serves ``subject``; waits for a server that is being rolled.

        ``check`` is awaited before each attempt, for what may no longer hold after such a wait.

        Raises:
            UnavailableError: Nobody served it in time, or the connection was cut while waiting.
            DeadlineError: It was delivered, and no answer came in time.
            PayloadTooLargeError: Larger than anything on the bus may be; nothing was sent.
            GroveError: The error that was answered, or what ``check`` raised; then nothing was sent.
        """
        return await self._requester.request(subject, message, reply_type, timeout_s=timeout_s, check=check)

    async def serve(
        self,
        subject: str,
        request_type: type[RequestT],
        handler: Callable[[RequestT], Awaitable[Reply]],
        *,
        queue: str,
    ) -> None:
        """Answer requests on ``subject``, shared with all replicas of the queue group.

        A :class:`GroveError` of the handler becomes the reply; anything else becomes a 500 whose
        details are in the log alone.
        """
        await self._server.serve(subject, request_type, handler, queue=queue)

    async def announce(
        self, subject: str, event: Event, *, msg_id: str, deadline_s: float = DEFAULT_DEADLINE_S
    ) -> Announced:
        """Store an event in its stream; returns when it is durable.

        Raises:
            UnavailableError: Not acknowledged in time; the same event with the same id may be
                announced again without being stored twice.
        """
        return await self._announcer.announce(subject, event, msg_id=msg_id, deadline_s=deadline_s)

    async def store(
        self, subject: str, body: bytes, *, msg_id: str, deadline_s: float, wait_when_full: bool = False
    ) -> Announced:
        """Store bytes in the stream that captures ``subject``; returns when they are durable.

        Raises:
            UnavailableError: Not acknowledged in time; whether they were stored is unknown. The time during
                which the stream is full does not count if ``wait_when_full``.
            PayloadTooLargeError: Larger than anything on the bus may be; nothing was sent.
        """
        if len(body) > MAX_MESSAGE_BYTES:
            raise PayloadTooLargeError(f"a message of {len(body)} bytes exceeds {MAX_MESSAGE_BYTES} bytes")
        return await self._announcer.store(
            subject, body, msg_id=msg_id, deadline_s=deadline_s, wait_when_full=wait_when_full
        )

    async def hear(self, subject: str, handler: Callable[[bytes], None]) -> Callable[[], Awaitable[None]]:
        """Call ``handler`` with the bytes of every message on ``subject``, which may be missed.

        Returns what ends that.
        """

        async def on_message(msg: Msg) -> None:
            handler(msg.data)

        subscription = await self._connection.subscribe(subject, on_message)
        return functools.partial(self._connection.client.drain_subscription, subscription)

    async def broadcast(self, subject: str, event: Event) -> None:
        """Tell everyone who listens now; whoever does not will never know."""
        await self._broadcasts.broadcast(subject, event)

    async def tell(self, events: Mapping[str, Iterator[Event]]) -> int:
        """Broadcast many events, by subject; those of subjects that nobody hears are not even made.

        Returns how many were sent.

        Raises:
            UnavailableError: There is no connection; some may have been heard.
        """
        return await self._listeners.tell(events)

    async def send(self, subject: str, message: msgspec.Struct) -> None:
        """Send a message that is neither request nor event to whoever it concerns, at most once.

        Raises:
            UnavailableError: There is no connection.
            PayloadTooLargeError: Larger than anything on the bus may be.
        """
        await self._connection.publish(subject, encode(message))

    async def listen(self, subject: str, event_type: type[EventT], handler: Callable[[EventT], None]) -> None:
        """Call ``handler`` with every event, one by one in order; see :meth:`on_cut`."""
        await self._broadcasts.listen(subject, event_type, handler)

    def on_cut(self, callback: Callable[[], None]) -> None:
        """Call whenever an event may have been missed, and before anything is said after that."""
        self._connection.on_cut(callback)

    async def ensure_stream(self, spec: StreamSpec) -> None:
        """Create a stream, or upgrade it if ``spec`` has a higher revision.

        Raises:
            BusRefusedError: JetStream will not keep such a stream.
        """
        await self._streams.ensure(spec)

    async def stream_created_ms(self, stream: str, *, timeout_s: float = DEFAULT_TIMEOUT_S) -> int:
        """Tell when a stream was created, Unix milliseconds: its sequences began then.

        Raises:
            UnavailableError: It does not exist, or JetStream did not answer in time.
        """
        return await self._streams.created_ms(stream, deadline_s=timeout_s)

    async def ensure_consumer(self, spec: ConsumerSpec) -> None:
        """Create a durable consumer, or upgrade it if ``spec`` has a higher revision.

        Raises:
            BusRefusedError: JetStream will not keep such a consumer.
            UnavailableError: The stream does not exist, or JetStream did not answer for a minute.
        """
        await self._consumers.ensure(spec)

    async def consume(self, spec: ConsumerSpec, handler: Handler, *, batch: int = DEFAULT_BATCH) -> None:
        """Root task: give the handler what the stream holds and what comes, until :meth:`stop_consuming`.

        One batch at a time and as large as what has arrived, at most ``batch``; call it several times
        for several at once. Returning acknowledges the batch; raising refuses it for some time, during
        which nothing is pulled. :class:`Delivery` lets the handler decide for one message.

        Raises:
            BusRefusedError: JetStream will not keep such a consumer, or this user may not use it.
        """
        consumption = Consumption(
            self._connection,
            apis=(self._streams, self._consumers),
            spec=spec,
            handler=handler,
            batch=batch,
        )
        self._consumptions.append(consumption)
        try:
            await consumption.run()
        finally:
            self._consumptions.remove(consumption)

    async def stop_consuming(self, *, within_s: float = DEFAULT_STOP_S) -> None:
        """Take no more from streams; finish what handlers have in hand and acknowledge it (rule 26)."""
        async with asyncio.TaskGroup() as stops:
            for consumption in self._consumptions:
                stops.create_task(consumption.stop(within_s=within_s), name="stop consuming")

    async def ping(self) -> None:
        """Return when the server has answered, for readiness.

        Raises:
            UnavailableError: Not connected, or no answer within two seconds.
        """
        await self._connection.round_trip(timeout_s=2.0)

    async def stop_serving(self, *, within_s: float = DEFAULT_STOP_S) -> None:
        """Take no more requests, answer those that were delivered (rule 26).

        Requests can still be made and events still arrive, until :meth:`close`.
        """
        await self._server.stop(within_s=within_s)

    async def close(self) -> None:
        """Write out what was published, then close for good."""
        await self._connection.close()

    async def watch(self) -> None:
        """Root task: returns after :meth:`close`.

        Raises:
            BusClosedError: The connection will never work again; the process must end.
        """
        await self._connection.watch()
