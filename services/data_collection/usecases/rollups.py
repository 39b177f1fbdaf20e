"""Compute what is computed from samples: last points, which series there are, rollups.

Collecting calls :meth:`Derivation.note` and goes on. Hours are marked before samples are stored
(:mod:`.marking`): what is stored is computed some day, whoever dies. A mark this process wrote is trusted
until shortly before it is due, so that a busy endpoint costs a write an hour and not one a sample. Last
points are written coalesced, as many a second as the store bears.

What an application keeps no longer is not rolled up, however late: :mod:`.expiring` drops the rollups of such
hours and then the samples, and a rollup stored in between would tell of samples that are gone.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

import structlog
from prometheus_client import Counter, Gauge

from libs.contracts.errors import GroveError
from libs.contracts.ids import application_of
from libs.contracts.instants import unix_ms
from services.data_collection.domain.configuration import TimeSeriesConfiguration
from services.data_collection.domain.durations import HOUR_MS, start_of
from services.data_collection.domain.extraction import points_of
from services.data_collection.domain.lasts import MAX_SERIES, Last, Lasts, advanced
from services.data_collection.domain.rollups import (
    QUIET_MS,
    Hour,
    Mark,
    Rollup,
    due_at,
    spread_of,
)
from services.data_collection.domain.samples import Derivable
from services.data_collection.domain.spans import Spans
from services.data_collection.ports.collecting import Retentions, SampleRepository
from services.data_collection.ports.querying import (
    Clock,
    Configurations,
    LastRepository,
    RollupRepository,
    SeriesRepository,
)
from services.data_collection.usecases.naming import Names

TRUSTED_MS: Final = QUIET_MS // 2 - 30_000
"""How long its mark still stands for what is stored in an hour that is over; clocks may differ by 30 s."""
MAX_KNOWN: Final = 200_000
"""Marks and last points remembered; what is forgotten is written or read once more."""
MAX_WAITING: Final = 100_000
"""Last points that wait to be written; the computation of their hour brings what is dropped."""
_LASTS_AT_ONCE: Final = 256
_FORGOTTEN_AT_ONCE: Final = 1_000
_PAUSE_S: Final = 0.5
_RETRY_S: Final = 1.0
_COMPUTE_EVERY_S: Final = 5.0
_COMPUTE_AT_ONCE: Final = 256
_COMPUTE_S: Final = 20.0
_LEASE_MS: Final = 60_000

_DROPPED = Counter("grove_data_collection_lasts_dropped", "Last points that wait for the hour's computation.")
_UNKEPT = Counter(
    "grove_data_collection_lasts_unkept", "Last points of more series than an endpoint has any kept for."
)
_COMPUTED = Counter("grove_data_collection_hours_computed", "Hours of endpoints rolled up.")
_WAITING = Gauge(
    "grove_data_collection_lasts_waiting", "Endpoints whose last points are about to be written."
)

K = TypeVar("K")
V = TypeVar("V")

_log = structlog.get_logger()

Key = tuple[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class DerivationParts:
    """What it takes.

    Attributes:
        samples: What all is computed from.
        rollups: Where hours and marks are kept.
        lasts: Where last points are kept.
        series: Where names are kept.
        configurations: What is extracted from a sample.
        retentions: How long samples are kept.
        clock: The time.
        new_stamp: Draws what no other mark ever had.
    """

    samples: SampleRepository
    rollups: RollupRepository
    lasts: LastRepository
    series: SeriesRepository
    configurations: Configurations
    retentions: Retentions
    clock: Clock
    new_stamp: Callable[[], str]


class Derivation:
    """Implements :class:`services.data_collection.ports.collecting.Derived`."""

    def __init__(self, parts: DerivationParts) -> None:
        self._parts = parts
        self._trusted: dict[Key, int] = {}
        self._unmarked: dict[Key, None] = {}
        self._marking = asyncio.Lock()
        self._waiting: dict[str, tuple[str, dict[str, Last]]] = {}
        self._known: dict[str, Lasts] = {}
        self._names = Names(parts.series)
        self._spans = Spans(most=_COMPUTE_AT_ONCE)
        self._wake = asyncio.Event()

    def note(self, samples: Sequence[Derivable]) -> None:
        """Take note of stored samples."""
        now_ms = unix_ms(self._parts.clock.now())
        for sample in samples:
            key = (sample.endpoint_id, start_of(sample.time_ms, HOUR_MS))
            if self._trusted.get(key, 0) <= now_ms:
                self._unmarked[key] = None
            if sample.points:
                self._note_points(sample)
        self._wake.set()

    async def mark(self, places: Iterable[tuple[str, int]]) -> None:
        """Return when the hours of these endpoints and instants are marked in the store.

        Nothing is remembered of those that could not be: nothing is stored in them either.

        Raises:
            UnavailableError: The store is away.
        """
        keys = {(endpoint_id, start_of(time_ms, HOUR_MS)) for endpoint_id, time_ms in places}
        async with self._marking:  # what another just marked is trusted
            now_ms = unix_ms(self._parts.clock.now())
            missing = [key for key in keys if self._trusted.get(key, 0) <= now_ms]
            for start in range(0, len(missing), _LASTS_AT_ONCE):
                await self._mark(missing[start : start + _LASTS_AT_ONCE])

    async def forget(self, endpoint_id: str) -> None:
        """Drop all that was computed for an endpoint whose samples are gone.

        Raises:
            UnavailableError: The store is away.
        """
        self._waiting.pop(endpoint_id, None)
        self._known.pop(endpoint_id, None)
        self._trusted = {key: until for key, until in self._trusted.items() if key[0] != endpoint_id}
        await self._parts.lasts.forget(endpoint_id)
        while await self._parts.rollups.forget(endpoint_id, limit=_FORGOTTEN_AT_ONCE):
            pass

    async def marked(self) -> None:
        """Return when everything noted so far is marked in the store.

        Raises:
            UnavailableError: The store is away; what was noted stays to be marked.
        """
        async with self._marking:
            while self._unmarked:
                await self._mark(list(self._unmarked)[:_LASTS_AT_ONCE])

    async def run(self) -> None:
        """Root task: write what was noted, for ever."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            try:
                await self.flush()
            except GroveError as error:
                _log.warning("derivation.postponed", reason=error.reason_phrase)
                self._wake.set()
                await asyncio.sleep(_RETRY_S)
            await asyncio.sleep(_PAUSE_S)

    async def compute(self) -> None:
        """Root task: compute hours that have been quiet, for ever."""
        while True:
            try:
                done = await self.compute_due()
            except GroveError as error:
                _log.warning("rollups.postponed", reason=error.reason_phrase)
                done = 0
            if not done:
                await asyncio.sleep(_COMPUTE_EVERY_S)

    async def flush(self) -> None:
        """Write marks, names and last points that wait.

        Raises:
            UnavailableError: The store is away; what was not written waits on.
        """
        await self.marked()
        await self._names.write()
        while self._waiting:
            _WAITING.set(len(self._waiting))
            await self._write_lasts(list(self._waiting)[:_LASTS_AT_ONCE])
        _WAITING.set(0)

    async def compute_due(self) -> int:
        """Compute the hours whose time has come; says how many there were.

        Raises:
            UnavailableError: The store is away; the hours stay marked.
        """
        done = 0
        self._spans.begin(0, unix_ms(self._parts.clock.now()) + 1)
        while (span := self._spans.span) is not None:
            try:
                found = await self._parts.rollups.due(*span, limit=self._spans.most)
            except GroveError:
                self._spans.failed()
                raise
            await self._compute_all(found)
            self._spans.found(len(found))
            done += len(found)
        return done

    async def _compute_all(self, marks: Sequence[Mark]) -> None:
        for mark in marks:
            now_ms = unix_ms(self._parts.clock.now())
            if await self._parts.rollups.claim(mark, until_ms=now_ms + _LEASE_MS):
                try:
                    async with asyncio.timeout(_COMPUTE_S):  # well within the lease: nobody else computes it
                        await self._compute(mark, now_ms)
                except TimeoutError:
                    _log.warning("rollups.slow", endpoint_id=mark.endpoint_id, hour_ms=mark.hour_ms)

    def _note_points(self, sample: Derivable) -> None:
        waiting = self._waiting.get(sample.endpoint_id)
        if waiting is None:
            if len(self._waiting) >= MAX_WAITING:
                _DROPPED.inc()
                return
            application = application_of(sample.app_version) or ""
            waiting = self._waiting[sample.endpoint_id] = (application, {})
        application, points = waiting
        self._names.note(application, sample.points)
        kept = self._known.get(sample.endpoint_id)
        time_ms, sample_id = int(sample.time_ms), sample.id.hex()
        for series, values in sample.points.items():
            known = points.get(series)
            if known is None and len(points) >= MAX_SERIES and (kept is None or series not in kept.points):
                _UNKEPT.inc()
            elif known is None or (time_ms, sample_id) > (known.time_ms, known.sample):
                points[series] = Last(time_ms, sample_id, values)

    async def _mark(self, keys: Sequence[Key]) -> None:
        now_ms = unix_ms(self._parts.clock.now())
        await self._parts.rollups.mark(
            [
                Mark(
                    *key,
                    stamp=self._parts.new_stamp(),
                    due_ms=due_at(key[1], now_ms=now_ms) + spread_of(key[0]),
                )
                for key in keys
            ]
        )
        for key in keys:
            self._unmarked.pop(key, None)
            _remember(self._trusted, key, due_at(key[1], now_ms=now_ms) - QUIET_MS + TRUSTED_MS)

    async def _write_lasts(self, endpoint_ids: Sequence[str]) -> None:
        taken = {each: self._waiting.pop(each) for each in endpoint_ids}
        try:
            missing = [each for each in endpoint_ids if each not in self._known]
            self._known |= await self._parts.lasts.find_many(missing) if missing else {}
            changed: list[Lasts] = []
            for endpoint_id, (application, points) in taken.items():
                known = self._known.get(endpoint_id) or Lasts(endpoint_id, application)
                after = advanced(known, points)
                _UNKEPT.inc(len(points.keys() - (after or known).points.keys()))
                if after is not None:
                    changed.append(after)
            lost = set(await self._parts.lasts.advance(changed)) if changed else set()
        except BaseException:
            self._wait_again(taken)
            raise
        for each in changed:
            if each.endpoint_id in lost:
                self._known.pop(each.endpoint_id, None)
            else:
                _remember(self._known, each.endpoint_id, each)
        self._wait_again({each: taken[each] for each in lost})

    def _wait_again(self, taken: dict[str, tuple[str, dict[str, Last]]]) -> None:
        for endpoint_id, (application, points) in taken.items():
            self._known.pop(endpoint_id, None)  # what is stored is not known after a failure
            _, waiting = self._waiting.setdefault(endpoint_id, (application, {}))
            for series, point in points.items():
                if point.is_later_than(waiting.get(series)):
                    waiting[series] = point

    async def _compute(self, mark: Mark, now_ms: int) -> None:
        hour = Hour()
        configs: dict[str, TimeSeriesConfiguration] = {}
        async for sample in self._parts.samples.between(
            [mark.endpoint_id], mark.hour_ms, mark.hour_ms + HOUR_MS
        ):
            config = configs.get(sample.app_version)
            if config is None:
                config = configs[sample.app_version] = await self._parts.configurations.of(sample.app_version)
            points = points_of(sample.value, config=config)
            if points and hour.fits:
                hour.add(points, time_ms=int(sample.time_ms))
            self._note_points(
                Derivable(sample.endpoint_id, sample.app_version, sample.time_ms, sample.id, points)
            )
        is_rolled_up = hour.fits and hour.is_finite and bool(configs)
        if is_rolled_up:
            configured = {version: config.fingerprint for version, config in configs.items()}
            await self._parts.rollups.put(
                Rollup(mark.endpoint_id, mark.hour_ms, configured, hour.whole, hour.minutes)
            )
        # Looked at only now: whoever deletes these samples drops the rollup after this, or is known by now.
        if not is_rolled_up or not await self._is_kept(mark.hour_ms, configs):
            await self._parts.rollups.drop(mark.endpoint_id, mark.hour_ms)
        await self._parts.rollups.settle(mark, now_ms=now_ms)
        self._wake.set()
        _COMPUTED.inc()

    async def _is_kept(self, hour_ms: int, versions: Iterable[str]) -> bool:
        """Whether applications keep all samples of an hour for a while yet; clocks may differ."""
        kept_ms = await self._parts.retentions.retentions()
        soon_ms = unix_ms(self._parts.clock.now()) + _LEASE_MS
        applications = {application_of(each) or "" for each in versions}
        bounds = [kept_ms[each] for each in applications if each in kept_ms]
        return all(hour_ms >= soon_ms - bound for bound in bounds)


def _remember(known: dict[K, V], key: K, value: V) -> None:
    """Keep the latest :data:`MAX_KNOWN`; what goes costs a write or a read."""
    known.pop(key, None)
    known[key] = value
    if len(known) > MAX_KNOWN:
        del known[next(iter(known))]
