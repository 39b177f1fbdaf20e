"""All open streams of this process: how many there may be, and what wakes and ends them."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

import structlog

from libs.contracts.api_keys import ApiKey
from libs.contracts.catalogue import declared_events
from libs.contracts.errors import TooManyRequestsError, UnavailableError
from libs.contracts.live import DATA_GROUP, FollowEvents, type_name
from services.api_gateway import metrics
from services.api_gateway.live import sse
from services.api_gateway.live.following import Check, Follower, Pace
from services.api_gateway.live.log import EventLog
from services.api_gateway.live.showing import read_event, wanted_by
from services.api_gateway.ports import Events

_DATA_KINDS = tuple(type_name(event) for event in declared_events() if event.group == DATA_GROUP)
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveLimits:
    """How many streams.

    Attributes:
        streams: Of this process.
        per_key: Of one API key.
    """

    streams: int
    per_key: int


class LiveStreams:
    """Opens streams, and tells them what happens."""

    def __init__(self, events: Events, *, limits: LiveLimits, pace: Pace) -> None:
        self._events = events
        self._limits = limits
        self._pace = pace
        self._log = EventLog(events)
        self._followers: set[Follower] = set()
        self._of_key: Counter[str] = Counter()
        self._heard: dict[str, Callable[[], Awaitable[None]]] = {}
        self._changed = asyncio.Event()
        self._stopping = False

    # --- what happens ---------------------------------------------------------------------------

    def on_control(self) -> None:
        """A control event was told."""
        self._log.expect()
        for follower in self._followers:
            follower.wake()

    def on_cut(self) -> None:
        """Control events may have been missed."""
        self._log.forget()
        self.on_control()

    async def hear_data(self) -> None:
        """Root task: hear the data events that some stream wants, and no others, until :meth:`stop`.

        Data events that nobody hears are not even made.
        """
        while not self._stopping:  # Python 3.11 may swallow the cancellation of what is awaited below
            await self._changed.wait()
            self._changed.clear()
            followers = set(self._followers)
            for kind in _DATA_KINDS:
                is_wanted = any(not each.wanted.kinds or kind in each.wanted.kinds for each in followers)
                if is_wanted and kind not in self._heard:
                    self._heard[kind] = await self._events.hear(kind, partial(self._on_data, kind))
                elif not is_wanted and kind in self._heard:
                    await self._heard.pop(kind)()
            for follower in followers:
                follower.hears.set()

    def _on_data(self, kind: str, body: bytes) -> None:
        try:
            told = read_event(kind, body)
        except ValueError as error:
            _log.error("live.unreadable", kind=kind, reason=str(error))
            return
        block = sse.block(told.kind, told.text)
        for follower in self._followers:
            follower.offer(told, block)

    def stop(self) -> None:
        """End all streams; their readers come back, to another process or to this one's successor."""
        self._stopping = True
        self._changed.set()
        for follower in self._followers:
            follower.end("the server is stopping; come back")

    # --- who reads ------------------------------------------------------------------------------

    @contextmanager
    def opened(self, api_key: ApiKey, asked: FollowEvents, *, check: Check) -> Iterator[Follower]:
        """Open a stream for as long as the block lasts.

        Raises:
            TooManyRequestsError: The key has as many as it may.
            UnavailableError: The process has as many as it may, or is stopping.
        """
        self._admit(api_key.api_key_id)
        wanted = wanted_by(api_key, endpoint_ids=asked.endpoint_id, kinds=asked.event_types)
        follower = Follower(wanted, log=self._log, check=check, pace=self._pace)
        self._followers.add(follower)
        self._of_key[api_key.api_key_id] += 1
        self._changed.set()
        metrics.LIVE_STREAMS.inc()
        try:
            yield follower
        finally:
            metrics.LIVE_STREAMS.dec()
            self._followers.remove(follower)
            self._of_key[api_key.api_key_id] -= 1
            self._of_key += Counter()  # those without any are forgotten
            self._changed.set()

    def _admit(self, api_key_id: str) -> None:
        if self._stopping:
            raise UnavailableError("the server is stopping; come back")
        if len(self._followers) >= self._limits.streams:
            raise UnavailableError(
                f"there are {self._limits.streams} streams open already, no more at a time"
            )
        if self._of_key[api_key_id] >= self._limits.per_key:
            raise TooManyRequestsError(
                f"the API key has {self._limits.per_key} streams open already, no more at a time",
                retry_after_s=5,
            )
