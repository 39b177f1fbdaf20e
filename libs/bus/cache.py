"""A bounded cache of lookups that never keeps an answer from before a revocation.

Made for "which endpoint is this token?", asked for every message of every device. Correctness
is rule 17 of protocol/delivery.md: an answer that was on its way while something was revoked may
be older than the revocation, so it is thrown away and asked for again. Everything else - one load
for concurrent callers, least recently used goes first, short memory for refusals - is speed.
The bus calls :meth:`LookupCache.clear` through ``Bus.on_cut`` when events may have been missed.
"""

import asyncio
import math
import time
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from prometheus_client import Counter

from libs.contracts.errors import DeadlineError, GroveError, UnavailableError, error_for

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

MAX_REPEATS = 8
"""Loads repeated because of revocations before the caller is told to come back (503)."""

_FIRST_SERVER_ERROR = 500
_REFRESH_SHARE = 1 / 2
"""Of its time, when an answer that may have a grace is asked for again as soon as it is used: whoever asks at
least every 14 s finds the time to do so, and what is used all the time is asked for hardly more often."""
_ASK_AGAIN_S = 5.0
"""How often somebody is asked who does not answer."""
_BELIEVED_FAILING_S = 3 * _ASK_AGAIN_S
"""How long a failure stands for those that would follow; each of these takes 5 s to show."""
_MAX_REFRESHES = 64
"""Loads on their way above which nothing is refreshed: those that somebody waits for come first."""
_GRACED = Counter("grove_cache_graced_total", "Answers kept longer because nobody could be asked.")


class NotAskedError(UnavailableError):
    """A load could not ask, or did not take the answer: this says nothing about whoever would be asked."""


@dataclass(slots=True)
class _Entry(Generic[V]):
    """What a load gave, until when it may be used, and until when if nobody can be asked."""

    expires_at: float
    value: V | None = None
    refusal: GroveError | None = None
    refresh_at: float = math.inf
    grace_until: float = 0.0


@dataclass(slots=True)
class _Load(Generic[V]):
    """A load on its way: who waits for it, and whether it has been overtaken by a revocation."""

    task: asyncio.Task[_Entry[V]]
    waiters: int = 0
    overtaken: bool = False


class LookupCache(Generic[K, V]):
    """Remembers what ``load`` answered, by key."""

    def __init__(
        self,
        load: Callable[[K], Awaitable[V]],
        *,
        max_entries: int,
        ttl_s: float = 30.0,
        negative_ttl_s: float = 5.0,
        grace_s: float = 0.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Keep at most ``max_entries`` answers, each ``ttl_s`` from the start of its load.

        A 4xx :class:`GroveError` of ``load`` is an answer too and is kept ``negative_ttl_s``,
        unless its class says that the same request may succeed later; 5xx is never kept.

        With ``grace_s`` an answer in use is asked for again a little before its time is over, without
        anybody waiting for it. While ``load`` ends in 503 or 504, the answer before, unless something has
        taken it back, is given for up to ``grace_s`` longer, and one caller at a time finds out whether
        that is still so; a refusal has no grace.
        """
        self._load = load
        self._max_entries = max_entries
        self._ttl_s = ttl_s
        self._negative_ttl_s = negative_ttl_s
        self._grace_s = grace_s
        self._failing_until = 0.0
        self._ask_again_at = 0.0
        self._clock = clock
        self._entries: dict[K, _Entry[V]] = {}
        self._loads: dict[K, _Load[V]] = {}

    def __len__(self) -> int:
        """Count the answers kept, refusals and expired ones included."""
        return len(self._entries)

    async def get(self, key: K) -> V:
        """Give the answer for ``key``, from memory or by one load shared with everyone asking.

        Raises:
            GroveError: What ``load`` raised; UnavailableError also when revocations kept
                overtaking the load.
        """
        entry, now = self._entries.get(key), self._clock()
        if entry is not None and (
            now < entry.expires_at or now < min(self._failing_until, entry.grace_until)
        ):
            del self._entries[key]
            self._entries[key] = entry  # the most recently used one now
            if now >= entry.refresh_at:
                self._refresh(key, now)
        else:
            entry = await self._join_load(key)
        if entry.refusal is not None:
            # A copy: a kept exception keeps the frames it went through, and with them a request.
            raise error_for(entry.refusal.status_code, entry.refusal.reason_phrase) from None
        return entry.value  # type: ignore[return-value]  # V itself may include None

    def invalidate(self, key: K) -> None:
        """Forget one key; a load of it that is on its way will be repeated."""
        self._entries.pop(key, None)
        load = self._loads.get(key)
        if load is not None:
            load.overtaken = True

    def invalidate_keys(self, predicate: Callable[[K], bool]) -> None:
        """Forget the keys for which ``predicate(key)`` is true, refusals included; as :meth:`invalidate`."""
        self._entries = {key: entry for key, entry in self._entries.items() if not predicate(key)}
        for key, load in self._loads.items():
            load.overtaken = load.overtaken or predicate(key)

    def invalidate_where(self, predicate: Callable[[K, V], bool]) -> None:
        """Forget the answers for which ``predicate(key, value)`` is true, and all refusals.

        What the loads on their way will bring is not known yet, so all of them are repeated:
        prefer :meth:`invalidate` or :meth:`invalidate_keys` where the event names the keys.
        """
        self._entries = {
            key: entry
            for key, entry in self._entries.items()
            if entry.refusal is None and not predicate(key, entry.value)  # type: ignore[arg-type]  # as above
        }
        self._overtake_loads()

    def drop_expired(self) -> None:
        """Let go of answers that are too old to be given, for those that must not stay in memory."""
        now = self._clock()
        self._entries = {key: entry for key, entry in self._entries.items() if entry.expires_at > now}

    def clear(self) -> None:
        """Forget everything; loads on their way will be repeated."""
        self._entries.clear()
        self._overtake_loads()

    def _overtake_loads(self) -> None:
        for load in self._loads.values():
            load.overtaken = True

    async def _join_load(self, key: K) -> _Entry[V]:
        load = self._loads.get(key)
        if load is None:
            load = self._start_load(key)
        load.waiters += 1
        try:
            return await asyncio.shield(load.task)
        finally:
            load.waiters -= 1
            if load.waiters == 0 and not load.task.done():
                self._abandon(key, load)

    def _start_load(self, key: K) -> _Load[V]:
        task = asyncio.get_running_loop().create_task(self._load_until_current(key), name="lookup")
        load = self._loads[key] = _Load(task)
        return load

    def _refresh(self, key: K, now: float) -> None:
        """Ask again without anybody waiting for it; while nobody answers, only every few seconds."""
        failing = now < self._failing_until
        if key in self._loads or len(self._loads) >= _MAX_REFRESHES or (failing and now < self._ask_again_at):
            return  # the next caller may
        self._ask_again_at = now + _ASK_AGAIN_S
        load = self._start_load(key)
        load.waiters += (
            1  # the cache itself: nobody else may want the answer, and it is finished all the same
        )
        load.task.add_done_callback(_take_note)

    def _abandon(self, key: K, load: _Load[V]) -> None:
        """Stop a load nobody waits for any more, so that the next caller starts afresh."""
        if self._loads.get(key) is load:
            del self._loads[key]
        load.task.cancel()

    async def _load_until_current(self, key: K) -> _Entry[V]:
        load = self._loads[key]
        try:
            for _ in range(MAX_REPEATS + 1):
                load.overtaken = False
                entry = await self._load_once(key)
                if not load.overtaken:
                    self._keep(key, entry)
                    return entry
            phrase = "revocations kept overtaking the lookup"
            raise UnavailableError(phrase)
        finally:
            if self._loads.get(key) is load:
                del self._loads[key]

    async def _load_once(self, key: K) -> _Entry[V]:
        started = self._clock()
        try:
            value = await self._load(key)
        except NotAskedError:
            return self._answer_before(key)
        except (UnavailableError, DeadlineError):
            self._failing_until = self._clock() + _BELIEVED_FAILING_S if self._grace_s else 0.0
            return self._answer_before(key)
        except GroveError as error:
            self._failing_until = 0.0
            if error.status_code >= _FIRST_SERVER_ERROR or error.retried:
                raise
            return _Entry(started + self._negative_ttl_s, refusal=error.with_traceback(None))
        self._failing_until = 0.0
        expires_at = started + self._ttl_s
        if not self._grace_s:
            return _Entry(expires_at, value=value)
        refresh_at = started + self._ttl_s * _REFRESH_SHARE
        return _Entry(expires_at, value, refresh_at=refresh_at, grace_until=expires_at + self._grace_s)

    def _answer_before(self, key: K) -> _Entry[V]:
        """Give what is known of a key while nobody can be asked, or raise what is being handled."""
        known, now = self._entries.get(key), self._clock()
        if known is None or known.refusal is not None or now >= known.grace_until:
            raise  # noqa: PLE0704 - called while the error is handled
        _GRACED.inc()
        expires_at = min(now + self._ttl_s, known.grace_until)
        return _Entry(expires_at, known.value, refresh_at=known.refresh_at, grace_until=known.grace_until)

    def _keep(self, key: K, entry: _Entry[V]) -> None:
        self._entries.pop(key, None)
        self._entries[key] = entry
        if len(self._entries) > self._max_entries:
            del self._entries[next(iter(self._entries))]


def _take_note(task: asyncio.Task[Any]) -> None:
    """Nobody waits for a refresh: whoever asks next finds out by himself."""
    if not task.cancelled():
        task.exception()
