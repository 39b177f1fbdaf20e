"""Drain a stream: one durable consumer, pulled by ourselves (protocol/delivery.md rules 7 and 8).

nats-py's ``fetch()`` stayed blind for 28 s after its server was killed. Here one subscription takes
everything, and a request for more (NEXT) is only a message: it is made again whenever the server says that
it ended, after two missed heartbeats and after every reconnect, and nothing waits for it that could
be cancelled. While the handler works on one batch the next one may arrive; both are kept from being
given to somebody else by saying so three times in each ack wait. A stream that was deleted and made
again gets its consumer again. When to ask is decided in :mod:`.pulling`; here is what arrives and
what is said of it.
"""

import asyncio
import secrets
from collections import deque
from collections.abc import Awaitable, Callable, Sequence

import structlog
from nats.aio.msg import Msg

from libs.bus import metrics
from libs.bus.connection import Connection, NotSentError
from libs.bus.consumers import Consumers
from libs.bus.delivery import ACK, ACK_PREFIX, IN_PROGRESS, Delivery, Verdict, delivery_of, nak
from libs.bus.pulling import Pull
from libs.bus.streams import Streams
from libs.contracts.errors import GroveError, UnavailableError
from libs.contracts.streams import ConsumerSpec

Handler = Callable[[Sequence[Delivery]], Awaitable[None]]

DEFAULT_BATCH = 64
FIRST_DELAY_S = 0.5
LONGEST_DELAY_S = 5.0
"""After a failure: how long until the same message comes again, and until anything is pulled."""

_MAX_UNSAID = 4096
_IN_PROGRESS_SHARE = 1 / 3
_STEP_S = 1.0
_COMPLAIN_EVERY_S = 5.0
_LEARN_S = 5.0
_log = structlog.get_logger()


class Consumption:
    """One process's part in draining a stream; :meth:`run` lasts as long as it does."""

    def __init__(
        self,
        connection: Connection,
        *,
        apis: tuple[Streams, Consumers],
        spec: ConsumerSpec,
        handler: Handler,
        batch: int,
    ) -> None:
        """Prepare; nothing is pulled before :meth:`run`."""
        self._connection = connection
        self._streams, self._consumers = apis
        self._spec = spec
        self._handler = handler
        self._batch = batch
        self._pull = Pull(
            connection,
            subject=f"$JS.API.CONSUMER.MSG.NEXT.{spec.stream}.{spec.name}",
            inbox=f"{connection.inbox_prefix}.{secrets.token_urlsafe(12)}.",
            consumer=spec.name,
        )
        self._waiting: deque[Delivery] = deque()
        self._in_hand: Sequence[Delivery] = ()
        self._unsaid: deque[tuple[Delivery, Verdict]] = deque()
        self._stream_created_ms = 0
        self._last_consumer_sequence = 0
        self._delay_s = FIRST_DELAY_S
        self._complained_at = 0.0
        self._arrived = asyncio.Event()
        self._stopping = False
        self._ended: asyncio.Event | None = None

    async def run(self) -> None:
        """Give the handler what arrives until :meth:`stop`.

        Raises:
            BusRefusedError: JetStream will not keep such a consumer, or this user may not use it.
        """
        self._ended = asyncio.Event()
        self._connection.on_disconnect(self._pull.cut)
        try:
            subscription = await self._connection.subscribe(f"{self._pull.inbox}*", self._on_message)
            try:
                await self._work_with_helpers()
            finally:
                await self._connection.client.drain_subscription(subscription)
            self._return_waiting(nak(delay_s=0))
            await self._say_all()
        finally:
            self._connection.off_disconnect(self._pull.cut)
            self._ended.set()

    async def _work_with_helpers(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            helpers = (
                tasks.create_task(self._keep_pulling(), name=f"pull {self._spec.name}"),
                tasks.create_task(self._keep_held(), name=f"hold {self._spec.name}"),
            )
            await self._work()
            for helper in helpers:
                helper.cancel()

    async def stop(self, *, within_s: float) -> None:
        """Finish and acknowledge what the handler has in hand, give back the rest, and end (rule 26)."""
        self._stopping = True
        self._arrived.set()
        if self._ended is None:
            return
        try:
            async with asyncio.timeout(within_s):
                await self._ended.wait()
        except TimeoutError:
            _log.error("bus_consumer_stuck", consumer=self._spec.name, in_hand=len(self._in_hand))

    # --- what arrives ---------------------------------------------------------------------------

    async def _on_message(self, msg: Msg) -> None:
        if not msg.reply.startswith(ACK_PREFIX):
            self._pull.answered(msg)
            return
        delivery = delivery_of(msg, stream_created_ms=self._stream_created_ms)
        if delivery.consumer_sequence <= self._last_consumer_sequence:
            # Not the consumer we knew: the stream may be another one of the same name.
            try:
                delivery.stream_created_ms = await self._learn_stream()
            except UnavailableError:
                return  # it comes again
        self._last_consumer_sequence = delivery.consumer_sequence
        metrics.DELIVERED.labels(self._spec.name).inc()
        if delivery.delivered > 1:
            metrics.REDELIVERED.labels(self._spec.name).inc()
        self._waiting.append(delivery)
        self._arrived.set()
        self._pull.arrived()

    async def _learn_stream(self) -> int:
        created_ms = await self._streams.created_ms(self._spec.stream, deadline_s=_LEARN_S)
        if created_ms != self._stream_created_ms:
            self._stream_created_ms = created_ms
            self._last_consumer_sequence = 0
        return created_ms

    async def _keep_pulling(self) -> None:
        while not self._stopping:
            try:
                await self._connection.usable(within_s=_STEP_S)
                if self._pull.unsure:
                    await self._consumers.ensure(self._spec, deadline_s=_LEARN_S)
                    await self._learn_stream()
                    self._pull.unsure = False
                await self._say_all()
                if len(self._waiting) < self._batch:
                    await self._pull.again(self._batch)
            except UnavailableError as error:
                self._complain(error)
                self._pull.pause(FIRST_DELAY_S)
            await self._pull.rest(_STEP_S)

    def _complain(self, error: GroveError) -> None:
        """Say what is wrong, but not with every attempt; a cut says so itself."""
        now = asyncio.get_running_loop().time()
        if not isinstance(error, NotSentError) and now - self._complained_at >= _COMPLAIN_EVERY_S:
            self._complained_at = now
            _log.warning("bus_consumer_waits", consumer=self._spec.name, reason=error.reason_phrase)

    # --- what is done with it -------------------------------------------------------------------

    async def _work(self) -> None:
        while not self._stopping:
            if not self._waiting:
                self._arrived.clear()
                await self._arrived.wait()
                continue
            self._in_hand = [self._waiting.popleft() for _ in range(min(self._batch, len(self._waiting)))]
            self._pull.wake()
            default = await self._handle(self._in_hand)
            for delivery in self._in_hand:
                self._decide(delivery, delivery.verdict or default)
            self._in_hand = ()
            await self._say_all()

    async def _handle(self, batch: Sequence[Delivery]) -> Verdict:
        """Let the handler work; return what is said of messages that it has not decided itself."""
        try:
            await self._handler(batch)
        except Exception as error:  # noqa: BLE001 - whatever it was, the messages come again
            expected = isinstance(error, GroveError)
            _log.error(
                "bus_batch_failed",
                consumer=self._spec.name,
                count=len(batch),
                reason=repr(error),
                exc_info=None if expected else error,
            )
            return self._back_off()
        self._delay_s = FIRST_DELAY_S
        return ACK

    def _back_off(self) -> Verdict:
        """Pull nothing for a while, and give back what waits: others may be better off."""
        later = nak(delay_s=self._delay_s)
        self._pull.pause(self._delay_s)
        self._delay_s = min(LONGEST_DELAY_S, 2 * self._delay_s)
        self._return_waiting(later)
        return later

    def _return_waiting(self, verdict: Verdict) -> None:
        while self._waiting:
            self._decide(self._waiting.popleft(), verdict)

    # --- what is said of it ---------------------------------------------------------------------

    async def _say_all(self) -> None:
        """Say what is to be said; while the connection is cut it stays for the next time.

        What concerns a stream that is gone is dropped: its successor would take it for its own.
        """
        while self._unsaid:
            delivery, verdict = self._unsaid.popleft()
            if delivery.stream_created_ms != self._stream_created_ms:
                metrics.SETTLED.labels(self._spec.name, "unsaid").inc()
                continue
            try:
                await self._connection.publish(delivery.reply, verdict.body)
            except NotSentError:
                self._unsaid.appendleft((delivery, verdict))
                return
            metrics.SETTLED.labels(self._spec.name, verdict.name).inc()

    def _decide(self, delivery: Delivery, verdict: Verdict) -> None:
        if len(self._unsaid) == _MAX_UNSAID:
            metrics.SETTLED.labels(self._spec.name, "unsaid").inc()
            self._unsaid.popleft()
        self._unsaid.append((delivery, verdict))

    async def _keep_held(self) -> None:
        """Keep what is here from being given to somebody else."""
        while True:
            await asyncio.sleep(self._spec.ack_wait_s * _IN_PROGRESS_SHARE)
            for delivery in (*self._in_hand, *self._waiting):
                if delivery.stream_created_ms != self._stream_created_ms:
                    continue
                try:
                    await self._connection.publish(delivery.reply, IN_PROGRESS)
                except NotSentError:
                    break
