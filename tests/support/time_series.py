"""What the query half of data-collection needs, kept in memory."""

import itertools
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import msgspec

from libs.contracts.app_configs import Configuration, Placed
from libs.contracts.errors import NotFoundError, UnavailableError
from libs.contracts.ids import application_of
from services.data_collection.domain.configuration import Standing, TimeSeriesConfiguration
from services.data_collection.domain.extraction import points_of
from services.data_collection.domain.lasts import Lasts
from services.data_collection.domain.rollups import Mark, Rollup
from services.data_collection.domain.samples import Derivable, Place, Sample
from services.data_collection.domain.storing import Inserted
from services.data_collection.usecases.configuring import effective, retentions_of
from services.data_collection.usecases.querying import QueryParts
from services.data_collection.usecases.rollups import Derivation, DerivationParts
from tests.support.rest import Json

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
VERSION = "olives-v1"


class InMemorySamples:
    """Samples by id."""

    def __init__(self) -> None:
        self.by_id: dict[bytes, Sample] = {}
        self.reads = 0

    async def insert(self, samples: Sequence[Sample]) -> Inserted:
        again = sum(each.id in self.by_id for each in samples)
        for each in samples:
            self.by_id.setdefault(each.id, each)
        return Inserted(again=again)

    async def between(
        self,
        endpoint_ids: Sequence[str],
        from_ms: int,
        to_ms: int,
        *,
        after: Place | None = None,
        limit: int | None = None,
        newest_first: bool = False,
    ) -> AsyncIterator[Sample]:
        left = itertools.count() if limit is None else range(limit)
        start = 0 if after is None else list(endpoint_ids).index(after.endpoint_id)
        found = (
            each
            for endpoint_id in endpoint_ids[start:]
            for each in sorted(self.by_id.values(), key=lambda s: (s.time_ms, s.id), reverse=newest_first)
            if each.endpoint_id == endpoint_id and from_ms <= each.time_ms < to_ms
        )
        for each in found:
            if after is not None and each.endpoint_id == after.endpoint_id:
                here, there = (each.time_ms, each.id), (after.time_ms, after.id)
                if (here >= there) if newest_first else (here <= there):
                    continue
            if next(iter(left), None) is None:
                return
            self.reads += 1
            yield each

    async def endpoints_of(self, application: str) -> AsyncIterator[str]:
        for each in sorted(
            {s.endpoint_id for s in self.by_id.values() if application_of(s.app_version) == application}
        ):
            yield each

    async def delete_older(
        self, endpoint_id: str, from_ms: int, before_ms: int, *, application: str
    ) -> AsyncIterator[int]:
        found = [each async for each in self.between([endpoint_id], from_ms, before_ms)]
        for each in found:
            if application_of(each.app_version) == application:
                del self.by_id[each.id]
                yield 1

    def delete_received(self, endpoint_id: str, until_ms: int) -> AsyncIterator[int]:
        raise NotImplementedError


class InMemoryConfigurationRepository:
    """Documents by place; also answers what they come to, anew each time."""

    def __init__(self) -> None:
        self.documents: dict[tuple[str, str, str | None], Configuration] = {}
        self.put_for: dict[tuple[str, str, str | None], str] = {}

    async def put(
        self,
        configuration: Configuration,
        *,
        instance: str,
        application: str,
        version: str | None,
        incarnation: str,
    ) -> None:
        self.documents[instance, application, version] = configuration
        self.put_for[instance, application, version] = incarnation

    async def find(self, *, instance: str, application: str, version: str | None) -> Configuration | None:
        return self.documents.get((instance, application, version))

    async def standing(self, *, instance: str, application: str, version: str | None) -> Standing | None:
        place = (instance, application, version)
        if place not in self.documents:
            return None
        return Standing(configuration=self.documents[place], incarnation=self.put_for.get(place))

    async def replace(
        self,
        before: Standing | None,
        configuration: Configuration,
        *,
        instance: str,
        application: str,
        version: str | None,
        incarnation: str,
    ) -> bool:
        if await self.standing(instance=instance, application=application, version=version) != before:
            return False
        await self.put(
            configuration,
            instance=instance,
            application=application,
            version=version,
            incarnation=incarnation,
        )
        return True

    async def all_of(self, instance: str, *, applications: Sequence[str] | None) -> AsyncIterator[Placed]:
        for (owner, application, version), document in self.documents.items():
            if owner == instance and (applications is None or application in applications):
                yield Placed(application=application, version=version, document=document)

    async def of_application(self, application: str) -> Mapping[tuple[str, str | None], Configuration]:
        return {(i, v): each for (i, a, v), each in self.documents.items() if a == application}

    async def of_instance(self, instance: str) -> Mapping[str, Configuration]:
        return {a: each for (i, a, v), each in self.documents.items() if i == instance and v is None}

    async def applications(self, *, after: str) -> list[str]:
        return sorted({a for _, a, _ in self.documents if a > after})[:2]

    async def incarnations(self, application: str) -> Mapping[tuple[str, str | None], str]:
        return {(i, v): self.put_for.get((i, a, v), "") for i, a, v in self.documents if a == application}

    async def remove(self, *, instance: str, application: str, version: str | None, incarnation: str) -> bool:
        place = (instance, application, version)
        if place not in self.documents or self.put_for.get(place, "") != incarnation:
            return False
        del self.documents[place]
        return True

    async def of(self, app_version: str) -> TimeSeriesConfiguration:
        return await effective(app_version, application_of(app_version) or "", self)

    async def retentions(self) -> Mapping[str, int]:
        return await retentions_of(self)


class InMemoryLastRepository:
    """Last points by endpoint."""

    def __init__(self) -> None:
        self.by_endpoint: dict[str, Lasts] = {}
        self.writes = 0

    async def find_many(self, endpoint_ids: Sequence[str]) -> dict[str, Lasts]:
        return {each: self.by_endpoint[each] for each in endpoint_ids if each in self.by_endpoint}

    async def page(self, application: str, *, after: str, limit: int) -> list[Lasts]:
        found = sorted(self.by_endpoint.values(), key=lambda each: each.endpoint_id)
        return [each for each in found if each.application == application and each.endpoint_id > after][
            :limit
        ]

    async def advance(self, lasts: Sequence[Lasts]) -> list[str]:
        lost = []
        for each in lasts:
            known = self.by_endpoint.get(each.endpoint_id)
            if (known.revision if known else 0) == each.revision - 1:
                self.writes += 1
                self.by_endpoint[each.endpoint_id] = each
            else:
                lost.append(each.endpoint_id)
        return lost

    async def forget(self, endpoint_id: str) -> None:
        self.by_endpoint.pop(endpoint_id, None)


class InMemorySeriesRepository:
    """Names by application."""

    def __init__(self) -> None:
        self.seen: set[tuple[str, str, str]] = set()

    async def add(self, application: str, series: Mapping[str, Sequence[str]]) -> None:
        self.seen |= {(application, name, value) for name, values in series.items() for value in values}

    async def of(self, application: str) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for each, name, value in sorted(self.seen):
            if each == application:
                found.setdefault(name, []).append(value)
        return found


class InMemoryRollupRepository:
    """Hours and marks."""

    def __init__(self) -> None:
        self.rollups: dict[tuple[str, int], Rollup] = {}
        self.marks: dict[str, Mark] = {}
        self.mark_writes = 0
        self.away = False

    async def mark(self, marks: Sequence[Mark]) -> None:
        if self.away:
            raise UnavailableError
        self.mark_writes += len(marks)
        self.marks |= {each.stamp: each for each in marks}

    async def due(self, from_ms: int, to_ms: int, *, limit: int) -> list[Mark]:
        return [each for each in self.marks.values() if from_ms <= each.due_ms < to_ms][:limit]

    async def claim(self, mark: Mark, *, until_ms: int) -> bool:
        if self.marks.get(mark.stamp) != mark:
            return False
        self.marks[mark.stamp] = mark._replace(due_ms=until_ms)
        return True

    async def settle(self, mark: Mark, *, now_ms: int) -> None:
        self.marks = {
            stamp: each
            for stamp, each in self.marks.items()
            if stamp != mark.stamp and (each[:2] != mark[:2] or each.due_ms > now_ms)
        }

    async def marked(self, endpoint_id: str, from_ms: int, to_ms: int, *, limit: int) -> set[int] | None:
        found = [each.hour_ms for each in self.marks.values() if each.endpoint_id == endpoint_id]
        found = [hour for hour in found if from_ms <= hour < to_ms]
        return None if len(found) > limit else set(found)

    async def put(self, rollup: Rollup) -> None:
        self.rollups[rollup.endpoint_id, rollup.hour_ms] = rollup

    async def drop(self, endpoint_id: str, hour_ms: int) -> None:
        self.rollups.pop((endpoint_id, hour_ms), None)

    async def drop_older(self, endpoint_id: str, before_ms: int, *, application: str, limit: int) -> int:
        if self.away:
            raise UnavailableError
        older = sorted(
            key
            for key, rollup in self.rollups.items()
            if key[0] == endpoint_id
            and key[1] < before_ms
            and any(application_of(version) == application for version in rollup.configured)
        )[:limit]
        for key in older:
            del self.rollups[key]
        return len(older)

    async def hours(
        self, endpoint_id: str, from_ms: int, to_ms: int, *, minutes: bool, limit: int, newest_first: bool
    ) -> list[Rollup]:
        found = sorted(self.rollups.values(), key=lambda each: each.hour_ms, reverse=newest_first)
        found = [
            each for each in found if each.endpoint_id == endpoint_id and from_ms <= each.hour_ms < to_ms
        ]
        return [replace(each, whole={}) if minutes else replace(each, minutes={}) for each in found[:limit]]

    async def forget(self, endpoint_id: str, *, limit: int) -> int:
        marks = [each.stamp for each in self.marks.values() if each.endpoint_id == endpoint_id][:limit]
        rollups = [key for key in self.rollups if key[0] == endpoint_id][:limit]
        for stamp in marks:
            del self.marks[stamp]
        for key in rollups:
            del self.rollups[key]
        return len(marks) + len(rollups)


class KnownApplications:
    """Applications, with one version each, and endpoints; the register may be away."""

    def __init__(self, *names: str, endpoints: Mapping[str, str] | None = None) -> None:
        self.names = set(names)
        self.endpoints = endpoints or {}
        self.life = "1"
        self.away = False

    async def check(self, application: str, version: str | None) -> None:
        if application not in self.names or version not in {None, f"{application}-v1"}:
            raise NotFoundError

    async def incarnations(self, application: str) -> Mapping[str | None, str]:
        if self.away:
            raise UnavailableError
        return {None: self.life, f"{application}-v1": self.life} if application in self.names else {}

    async def application_of_endpoint(self, endpoint_id: str) -> str:
        if endpoint_id not in self.endpoints:
            raise NotFoundError
        return self.endpoints[endpoint_id]


class SettableClock:
    """Stands still until it is moved."""

    def __init__(self, at_ms: int) -> None:
        self.at_ms = at_ms

    def now(self) -> datetime:
        return EPOCH + timedelta(milliseconds=self.at_ms)


@dataclass
class Grove:
    """All of it, with one application ``olives`` (and ``figs``, where a test needs another)."""

    clock: SettableClock
    samples: InMemorySamples = field(default_factory=InMemorySamples)
    rollups: InMemoryRollupRepository = field(default_factory=InMemoryRollupRepository)
    lasts: InMemoryLastRepository = field(default_factory=InMemoryLastRepository)
    series: InMemorySeriesRepository = field(default_factory=InMemorySeriesRepository)
    documents: InMemoryConfigurationRepository = field(default_factory=InMemoryConfigurationRepository)
    stamps: "itertools.count[int]" = field(default_factory=itertools.count)
    ids: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))

    @property
    def queries(self) -> QueryParts:
        return QueryParts(
            samples=self.samples,
            rollups=self.rollups,
            lasts=self.lasts,
            series=self.series,
            configurations=self.documents,
            documents=self.documents,
            applications=KnownApplications("olives", "figs", endpoints={"tree": "olives", "fig": "figs"}),
        )

    def derivation(self) -> Derivation:
        return Derivation(
            DerivationParts(
                samples=self.samples,
                rollups=self.rollups,
                lasts=self.lasts,
                series=self.series,
                configurations=self.documents,
                retentions=self.documents,
                clock=self.clock,
                new_stamp=lambda: str(next(self.stamps)),
            )
        )

    async def store(
        self, time_ms: int, value: Json, *, endpoint: str = "tree", version: str = VERSION
    ) -> Derivable:
        """Store a sample, as collecting does, and say what it would note."""
        sample = Sample(
            next(self.ids).to_bytes(16, "big"),
            endpoint,
            version,
            time_ms,
            self.clock.at_ms,
            msgspec.json.encode(value),
        )
        await self.samples.insert([sample])
        points = points_of(sample.value, config=await self.documents.of(version))
        return Derivable(endpoint, version, time_ms, sample.id, points)
