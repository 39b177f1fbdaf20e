"""One client: its bytes through :class:`libs.mqtt.Session`, its messages to the use cases.

What carries the bytes (TCP, TLS, WebSocket) is a :class:`Wire`. Reading stops while this client has too
much in flight, while all of them together hold too much, or while it is asked to leave
(:mod:`services.mqtt_transport.listener.reading`). Whatever a client does wrong ends this connection and no
other.
"""

import asyncio
import time
from collections.abc import Sequence
from random import SystemRandom
from typing import Final

import structlog

from libs.mqtt import (
    ConnectReceived,
    Delivered,
    Event,
    PublishReceived,
    ReasonCode,
    Session,
    SessionState,
    Subscribed,
)
from services.mqtt_transport import metrics
from services.mqtt_transport.domain.speaking import OnTheWay, Spoken
from services.mqtt_transport.listener.admission import admit
from services.mqtt_transport.listener.parts import Parts
from services.mqtt_transport.listener.reading import Pause, Reading
from services.mqtt_transport.listener.wire import Wire
from services.mqtt_transport.usecases.requests import HandedOver

QUIET_BYTES: Final = 1024 * 1024
"""Unread output above which answers of QoS 0 are dropped."""
MAX_UNSENT_BYTES: Final = 4 * 1024 * 1024
"""Unread output above which the client is cut off."""

_MESSAGE_OVERHEAD_BYTES: Final = 4096
"""What answering a message takes beside its own bytes: a task, its frames, its place in line. Measured."""
_MAX_BOUND_FILTERS: Final = 1_000
_LINGER_S: Final = 5.0
"""How long a client may take to read the last bytes of a connection that ends."""
_CHANCE: Final = SystemRandom()
_log = structlog.get_logger()


class Connection:
    """A client's connection, from its first byte to its last."""

    __slots__ = (
        "__weakref__",
        "_closed",
        "_dirty",
        "_in_flight",
        "_linger_timer",
        "_loop",
        "_parts",
        "_reading",
        "_repeat_timer",
        "_said_goodbye",
        "_session",
        "_settled",
        "_waiting",
        "_wire",
        "number",
        "on_the_way",
        "topics",
    )

    def __init__(self, number: int, wire: Wire, parts: Parts) -> None:
        """Begin; :meth:`start` once the wire can be written to."""
        self.number = number
        self._wire = wire
        self._parts = parts
        self._loop = asyncio.get_running_loop()
        self._session = Session(parts.limits, now=time.monotonic())
        self._reading = Reading(wire, self._session, self._timed_out)
        self._in_flight = 0
        self._waiting = 0
        self._closed = False
        self.topics: dict[str, Spoken] = {}
        self.on_the_way = OnTheWay()
        self._dirty = False
        self._settled: asyncio.Future[None] | None = None
        self._said_goodbye = False
        self._linger_timer: asyncio.TimerHandle | None = None
        self._repeat_timer: asyncio.TimerHandle | None = None

    # --- the wire -------------------------------------------------------------------------------

    def start(self) -> None:
        """Wait for the CONNECT."""
        if not self._parts.intake.enter(self):
            self._reading.pause(Pause.BUDGET)
        self._reading.watch()

    def data_received(self, data: bytes) -> None:
        """Take what the client sent."""
        if self._closed:
            return
        self._session.receive_data(data, now=time.monotonic())
        self._advance()

    def weigh_waiting(self) -> None:
        """Tell the budget how much waits for this client: unfinished packets, unacknowledged answers."""
        session = self._session
        waiting = session.buffered_bytes + session.outgoing_bytes + self._wire.unread_bytes
        if waiting != self._waiting and not self._closed:
            self._waiting = waiting
            self._parts.intake.hold_waiting(self, waiting)

    def wire_closed(self) -> None:
        """Forget the client: nothing reaches it any more."""
        if self._closed:
            return
        self._closed = True
        self._reading.end()
        for timer in (self._linger_timer, self._repeat_timer):
            if timer is not None:
                timer.cancel()
        parts, session = self._parts, self._session
        parts.intake.leave(self)
        parts.presence.closed(self.number)
        parts.things.leave(self)
        if session.connected or session.client_id:
            parts.clients.leave(
                session.client_id, self, state=session.state, expiry_s=session.session_expiry_s
            )
        if self._settled is not None and not self._settled.done():
            self._settled.set_result(None)

    def budget_changed(self, *, full: bool) -> None:
        """Stop or go on reading, as the budget of all connections says."""
        if self._closed:
            return
        self._reading.pause_while(full, Pause.BUDGET)

    def cut_off(self) -> None:
        """End a client that keeps too much waiting for it."""
        self._waiting = 0
        self.end(ReasonCode.QUOTA_EXCEEDED)

    # --- the use cases --------------------------------------------------------------------------

    def say(
        self,
        topic: str,
        payload: bytes,
        *,
        qos: int,
        owner: str | None = None,
        correlation_data: bytes | None = None,
        delivery: object | None = None,
    ) -> bool:
        """Publish to the client; see :class:`services.mqtt_transport.ports.Channel`."""
        if self.gone:
            metrics.DROPPED.labels("client is gone").inc()
            return False
        qos = self._session.granted(topic, qos)
        if qos == 0 and self._wire.unsent_bytes > QUIET_BYTES:
            metrics.DROPPED.labels("client does not read").inc()
            return False
        sent = self._session.publish(
            topic,
            payload,
            qos=qos,
            owner=owner,
            keep=owner is not None,
            correlation_data=correlation_data,
            delivery=delivery,
        )
        if not sent:
            metrics.DROPPED.labels("client takes no more").inc()
        elif qos == 0 and delivery is not None:
            # The client asked for QoS 0 and will acknowledge nothing: sent is all that can be known.
            self._parts.pushing.delivered(delivery)
        self._touch()
        return sent

    def settle(self, number: int, reason: ReasonCode) -> None:
        """Acknowledge a message."""
        # One that was taken over shares its session with its successor: a late PUBREC would be noted there.
        if not self.gone:
            self._session.acknowledge(number, reason)
            self._touch()

    def leave_out(self, number: int) -> None:
        """Never acknowledge a message, and end the connection in about a minute (delivery rule 13)."""
        metrics.LEFT_OUT.inc()
        if self._closed:
            return
        self._session.leave_out(number)
        if self._repeat_timer is None:
            wait_s = self._parts.repeat_after_s * _CHANCE.uniform(0.75, 1.25)
            self._repeat_timer = self._loop.call_later(wait_s, self.end, ReasonCode.SERVER_BUSY)
        self._touch()

    def collected(self, numbers: list[int], *, messages: int, held: int) -> None:
        """So many messages are durable: acknowledge those that have a number."""
        if numbers and not self.gone:
            self._session.acknowledge_many(numbers)
        self._finish(held, messages=messages)

    def not_collected(self, numbers: list[int], *, messages: int, held: int) -> None:
        """So many messages are not durable: never acknowledge them."""
        for number in numbers:
            self.leave_out(number)
        self._finish(held, messages=messages)

    def show_owner(self, owner: str) -> None:
        """Send what was kept for this owner."""
        if not self._closed:
            self._session.show_owner(owner)
            self._touch()

    def taken_over(self) -> SessionState | None:
        """End because the client id has connected again; a clean session ends with its connection."""
        session = self._session
        state = session.state if session.session_expiry_s else None
        self.end(ReasonCode.SESSION_TAKEN_OVER)
        return state

    def end(self, reason: ReasonCode) -> None:
        """Say goodbye: what is acknowledged is written first."""
        if not self._closed:
            self._session.disconnect(reason)
            self._flush()

    async def leave(self, *, within_s: float) -> None:
        """Stop reading, finish what is in flight, and say goodbye: this process stops (rule 26)."""
        if self._closed:
            return
        self._reading.pause(Pause.LEAVING)
        if self._in_flight:
            self._settled = self._loop.create_future()
            await asyncio.wait({self._settled}, timeout=within_s)
        self.end(ReasonCode.SERVER_SHUTTING_DOWN)

    # --- its CONNECT (services.mqtt_transport.listener.admission) -------------------------------

    @property
    def gone(self) -> bool:
        """Whether nothing can be said to the client any more."""
        return self._closed or self._session.closing

    def accept(self, state: SessionState | None, *, assigned_client_id: str | None) -> None:
        """Let the client in, with the session it has left."""
        self._session.accept(state=state, assigned_client_id=assigned_client_id)
        self._touch()

    def refuse(self, reason: ReasonCode) -> None:
        """Answer the CONNECT, and close."""
        self._session.refuse(reason)
        self._touch()

    # --- events ---------------------------------------------------------------------------------

    def _advance(self) -> None:
        """Handle what the session has understood, then write what it has to say."""
        session = self._session
        while not self._closed and self._in_flight < self._parts.max_in_flight:
            events = session.events_received()
            if not events:
                break
            self._take(events)
        self._flush()

    def _take(self, events: Sequence[Event]) -> None:
        at = 0
        while at < len(events):
            taken = held = 0
            if type(events[at]) is PublishReceived:
                taken, held = self._parts.gathering.take(self, events, at)
            if taken:
                self._in_flight += taken
                self._parts.intake.take(held)
                at += taken
            else:
                self._handle(events[at])
                at += 1

    def _handle(self, event: Event) -> None:
        if type(event) is PublishReceived:
            self._answer_soon(event)
            return
        match event:
            case ConnectReceived():
                admit(self, event, self._parts)
            case Subscribed():
                self._bind_soon(event)
            case Delivered():
                self._parts.pushing.delivered(event.delivery)
            case _:
                pass

    def _answer_soon(self, message: PublishReceived) -> None:
        held = len(message.payload) + len(message.topic) + _MESSAGE_OVERHEAD_BYTES
        self._begin(held)
        token = self.on_the_way.begin(message.topic)
        self._parts.tasks.spawn(self._answer(message, held, token), name="answer")

    async def _answer(self, message: PublishReceived, held: int, token: str | None) -> None:
        outcome: ReasonCode | HandedOver | None = None
        try:
            outcome = await self._parts.requests.answer(self, message, held=held)
        except Exception as error:  # noqa: BLE001 - the boundary: what we fail at is not acknowledged
            _log.error("mqtt_request_failed", connection=self.number, exc_info=error)
        finally:
            if token is not None:
                self.on_the_way.end(token)
            if not isinstance(outcome, HandedOver):
                if message.number and outcome is None:
                    self.leave_out(message.number)
                elif message.number and outcome is not None:
                    self.settle(message.number, outcome)
                self._finish(held)

    def _bind_soon(self, event: Subscribed) -> None:
        filters = [topic_filter for topic_filter, _ in event.filters[:_MAX_BOUND_FILTERS]]
        held = sum(len(topic_filter) for topic_filter in filters) + _MESSAGE_OVERHEAD_BYTES
        self._begin(held)
        self._parts.tasks.spawn(self._bind(filters, held), name="bind a subscriber")

    async def _bind(self, filters: list[str], held: int) -> None:
        try:
            for topic_filter in filters:
                if self._closed:
                    return
                await self._parts.requests.bind_subscriber(self, topic_filter)
        finally:
            self._finish(held)

    def _begin(self, held: int) -> None:
        self._in_flight += 1
        self._parts.intake.take(held)

    def _finish(self, held: int, *, messages: int = 1) -> None:
        self._in_flight -= messages
        self._parts.intake.give(held)
        self._touch()

    # --- output ---------------------------------------------------------------------------------

    def _touch(self) -> None:
        """Write soon, with whatever else happens in this turn of the loop."""
        if not self._dirty and not self._closed:
            self._dirty = True
            self._loop.call_soon(self._after_answers)

    def _after_answers(self) -> None:
        self._dirty = False
        if self._closed:
            return
        if self._settled is not None and not self._in_flight and not self._settled.done():
            self._settled.set_result(None)
        if self._reading.leaving:
            self._flush()
        else:
            self._advance()

    def _flush(self) -> None:
        if self._closed:
            return
        session = self._session
        data = session.data_to_send()
        if data:
            self._wire.write(data)
        if session.closing:
            self._close()
            return
        if self._wire.unsent_bytes > MAX_UNSENT_BYTES:
            metrics.CLOSED.labels("client does not read").inc()
            self._wire.abort()
            return
        self._weigh()
        self._reading.watch()

    def _close(self) -> None:
        if self._said_goodbye:
            return
        self._said_goodbye = True
        reason = self._session.close_reason or "closed"
        metrics.CLOSED.labels(reason).inc()
        _log.info("mqtt_closed", connection=self.number, reason=reason)
        self._wire.close()
        self._linger_timer = self._loop.call_later(_LINGER_S, self._wire.abort)

    def _weigh(self) -> None:
        """Stop or go on reading, as this client's own messages say."""
        session = self._session
        busy = session.blocked or self._in_flight >= self._parts.max_in_flight
        self._reading.pause_while(busy, Pause.WINDOW)
        self.weigh_waiting()

    def _timed_out(self) -> None:
        if not self._closed:
            self._flush()
