"""Tell everyone, and hear what others tell: core NATS, at most once.

Whoever hears events to keep a cache right (rule 17) must not miss one silently. Whatever makes
that possible - a message that cannot be read, a handler that fails, a slow consumer, a cut - is
reported through :meth:`Connection.missed_events`.
"""

from collections.abc import Callable

import msgspec
import structlog
from nats.aio.msg import Msg
from structlog.contextvars import bound_contextvars

from libs.bus import metrics
from libs.bus.codec import decoder, encode, expired, stamped
from libs.bus.connection import Connection
from libs.contracts.messages import Event, EventT

_log = structlog.get_logger()


class Broadcasts:
    """Says and hears events."""

    def __init__(self, connection: Connection, *, replica: str) -> None:
        """Sign events with ``replica``."""
        self._connection = connection
        self._replica = replica

    async def broadcast(self, subject: str, event: Event, *, reply: str = "") -> None:
        """Tell everyone who listens now; where nobody does, the server says so on ``reply``.

        Raises:
            UnavailableError: There is no connection; nobody heard it.
            PayloadTooLargeError: Larger than anything on the bus may be.
        """
        body = encode(stamped(event, originator_replica_id=self._replica))
        await self._connection.publish(subject, body, reply=reply)

    async def listen(self, subject: str, event_type: type[EventT], handler: Callable[[EventT], None]) -> None:
        """Call ``handler`` with every event on ``subject``, one by one in order of arrival."""
        decode = decoder(event_type).decode
        kind = event_type.__name__

        async def on_message(msg: Msg) -> None:
            metrics.EVENTS.labels(kind).inc()
            try:
                event = decode(msg.data)
            except (msgspec.DecodeError, UnicodeDecodeError) as error:
                self._missed(kind, "not readable", error)
                return
            if expired(event.timestamp, event.timeout):
                self._missed(kind, "expired", None)
                return
            with bound_contextvars(correlation_id=event.correlation_id):
                try:
                    handler(event)
                except Exception as error:  # noqa: BLE001 - the next event must still be heard
                    self._missed(kind, "handler failed", error)

        await self._connection.subscribe(subject, on_message)

    def _missed(self, kind: str, reason: str, error: Exception | None) -> None:
        metrics.DROPPED.labels(kind, reason).inc()
        _log.error("bus_event_missed", message_type=kind, reason=reason, exc_info=error)
        self._connection.missed_events(f"event {reason}")
