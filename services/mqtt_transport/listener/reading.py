"""When a client is read, and when the clock of its keep alive runs (delivery rules 14 and 15)."""

import asyncio
import enum
import time
from collections.abc import Callable
from typing import Final

from libs.mqtt import Session
from services.mqtt_transport import metrics
from services.mqtt_transport.listener.wire import Wire

_EARLY_ENOUGH_S: Final = 0.25


class Pause(enum.Flag):
    """Why a client is not read."""

    NONE = 0
    BUDGET = enum.auto()
    WINDOW = enum.auto()
    LEAVING = enum.auto()


class Reading:
    """Stops and goes on with one client; while it is stopped its keep alive stands still."""

    __slots__ = ("_on_timeout", "_paused", "_session", "_timer", "_timer_due", "_wire")

    def __init__(self, wire: Wire, session: Session, on_timeout: Callable[[], None]) -> None:
        """Read from ``wire``; ``on_timeout`` is called when the session may have timed out."""
        self._wire = wire
        self._session = session
        self._on_timeout = on_timeout
        self._paused = Pause.NONE
        self._timer: asyncio.TimerHandle | None = None
        self._timer_due = 0.0

    @property
    def leaving(self) -> bool:
        """Whether nothing is read any more because this process stops."""
        return bool(self._paused & Pause.LEAVING)

    def pause(self, why: Pause) -> None:
        """Read no more until :meth:`resume` was called with the same reason, and every other."""
        if self._paused & why:
            return
        if not self._paused:
            self._wire.pause()
            self._session.pause(time.monotonic())
            metrics.PAUSED.inc()
        self._paused |= why

    def resume(self, why: Pause) -> None:
        """Take a reason away."""
        if not self._paused & why:
            return
        self._paused &= ~why
        if not self._paused:
            self._session.resume(time.monotonic())
            self._wire.resume()
            metrics.PAUSED.dec()
            self.watch()

    def pause_while(self, holds: bool, why: Pause) -> None:  # noqa: FBT001 - reads as a condition
        """Pause or resume for one reason."""
        if holds:
            self.pause(why)
        else:
            self.resume(why)

    def watch(self) -> None:
        """See that the session's next timeout is not missed; timers that are early wait on."""
        due = self._session.next_timeout()
        if due is None:
            return
        if self._timer is not None:
            if self._timer_due <= due + _EARLY_ENOUGH_S:
                return
            self._timer.cancel()
        self._timer_due = due
        wait_s = max(0.0, due - time.monotonic())
        self._timer = asyncio.get_running_loop().call_later(wait_s, self._time_out)

    def end(self) -> None:
        """Watch and pause no more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._paused:
            metrics.PAUSED.dec()
            self._paused = Pause.NONE

    def _time_out(self) -> None:
        self._timer = None
        now = time.monotonic()
        due = self._session.next_timeout()
        if due is not None and due <= now:
            self._session.handle_timeout(now)
        self._on_timeout()
