"""When to ask a consumer for more: one request (NEXT) at a time, each known by its number.

A request ends when as many messages have arrived as it asked for, when the server says so (expired,
consumer gone, nobody there), when two of its heartbeats were missed or the connection was cut. Messages
do not say which request brought them; a late one from an ended request only makes the next one come sooner.
"""

import asyncio
import contextlib
import math

import msgspec
from nats.aio.msg import Msg

from libs.bus import metrics
from libs.bus.connection import Connection
from libs.bus.jetstream import NS
from libs.bus.requests import pauses_s

EXPIRES_S = 5.0
HEARTBEAT_S = 1.0
SILENCE_S = 2.2 * HEARTBEAT_S
"""Two heartbeats and a little."""

_HEARTBEAT = "100"
_EXPIRED = "408"


class Pull:
    """The requests of one subscription.

    Attributes:
        inbox: Where their answers arrive, one subject for each number.
        unsure: Whether the consumer, or its stream, may have gone or been made again.
    """

    def __init__(self, connection: Connection, *, subject: str, inbox: str, consumer: str) -> None:
        """Ask at ``subject``."""
        self.inbox = inbox
        self.unsure = True
        self._connection = connection
        self._subject = subject
        self._consumer = consumer
        self._number = 0
        self._expected = 0
        self._reason = "first"
        self._heard_at = -math.inf
        self._not_before = -math.inf
        self._pauses = pauses_s()
        self._woken = asyncio.Event()

    async def again(self, count: int) -> None:
        """Ask for ``count`` messages, unless a request is under way or it is too early.

        Raises:
            NotSentError: There is no connection.
        """
        now = asyncio.get_running_loop().time()
        if self._expected and now - self._heard_at > SILENCE_S:
            self._end("heartbeats missed", unsure=True)
            return
        if self._expected or now < self._not_before or self.unsure:
            return
        self._number += 1
        body = msgspec.json.encode(
            {"batch": count, "expires": int(EXPIRES_S * NS), "idle_heartbeat": int(HEARTBEAT_S * NS)}
        )
        await self._connection.publish(self._subject, body, reply=f"{self.inbox}{self._number}")
        self._expected = count
        self._heard_at = now
        metrics.PULLS.labels(self._consumer, self._reason).inc()

    def answered(self, msg: Msg) -> None:
        """Hear what the server says of a request."""
        if msg.subject != f"{self.inbox}{self._number}":
            return  # of one that has ended already
        self._heard_at = asyncio.get_running_loop().time()
        status = (msg.headers or {}).get("Status", "")
        if status == _HEARTBEAT:
            self._pauses = pauses_s()
        elif status == _EXPIRED:
            self._end("expired")
        else:
            self.pause(next(self._pauses))
            self._end(f"status {status}", unsure=True)

    def arrived(self) -> None:
        """Count a message."""
        self._heard_at = asyncio.get_running_loop().time()
        self._pauses = pauses_s()
        if self._expected:
            self._expected -= 1
            if not self._expected:
                self._end("fulfilled")

    def cut(self) -> None:
        """The connection is gone, and with it the request."""
        self._end("reconnect", unsure=True)

    def pause(self, pause_s: float) -> None:
        """Ask for nothing during this time."""
        self._not_before = max(self._not_before, asyncio.get_running_loop().time() + pause_s)

    def wake(self) -> None:
        """Let :meth:`rest` end: there is room again."""
        self._woken.set()

    async def rest(self, at_most_s: float) -> None:
        """Return when :meth:`again` may have something to do."""
        now = asyncio.get_running_loop().time()
        due = self._heard_at + SILENCE_S if self._expected else self._not_before
        wait_s = due - now if due > now else at_most_s
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(min(wait_s, at_most_s)):
                await self._woken.wait()
        self._woken.clear()

    def _end(self, reason: str, *, unsure: bool = False) -> None:
        self._expected = 0
        self._reason = reason
        self.unsure = self.unsure or unsure
        self._woken.set()
