"""Client ids: one connection each, and the session that outlives it (MQTT 5.0 sections 3.1.2.4 and 4.1).

Taking a client id over is per replica; between replicas the generations of bindings decide who has an
endpoint. Connects are let in at a bounded rate, so that a fleet that comes back after an outage finds the
bus and the store at work and not overrun.
"""

import time
from collections.abc import Callable
from typing import Protocol

from libs.mqtt import SessionState, SessionStore
from services.mqtt_transport import metrics


class Client(Protocol):
    """A connection that has a client id."""

    def taken_over(self) -> SessionState | None:
        """End at once, because another connection has come with the same id; gives up its session."""


class Clients:
    """Who is connected under which client id, and the sessions of those who are not."""

    def __init__(self, sessions: SessionStore, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._sessions = sessions
        self._clock = clock
        self._connected: dict[str, Client] = {}

    def enter(self, client_id: str, client: Client, *, clean_start: bool) -> SessionState | None:
        """Connect a client; returns the session it resumes.

        Whoever is connected under this id is taken over first.
        """
        state: SessionState | None = None
        before = self._connected.get(client_id)
        if before is not None:
            metrics.TAKEN_OVER.inc()
            state = before.taken_over()
        self._connected[client_id] = client
        kept = self._sessions.take(client_id, self._clock())
        return None if clean_start else state or kept

    def leave(self, client_id: str, client: Client, *, state: SessionState | None, expiry_s: int) -> None:
        """Disconnect a client and keep its session for a while; one that was taken over changes nothing."""
        if self._connected.get(client_id) is not client:
            return
        del self._connected[client_id]
        if state is not None and expiry_s > 0:
            self._sessions.put(client_id, state, expiry_s, self._clock())

    def expire(self) -> None:
        """Forget the sessions whose time is over."""
        self._sessions.expire(self._clock())


class Pace:
    """Lets things through one after the other at a bounded rate."""

    def __init__(self, *, per_s: float, burst: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._interval_s = 1.0 / per_s
        self._slack_s = burst * self._interval_s
        self._clock = clock
        self._next_at = clock()

    def delay_s(self, *, at_most_s: float) -> float | None:
        """Take the next place and return how long to wait for it; None, and no place, if that is too long."""
        now = self._clock()
        next_at = max(self._next_at, now - self._slack_s) + self._interval_s
        delay_s = max(0.0, next_at - now)
        if delay_s > at_most_s:
            return None
        self._next_at = next_at
        return delay_s
