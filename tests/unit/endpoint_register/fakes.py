"""The world of endpoint-register in memory; each fake keeps what its port promises, and can be made to fail.

The repositories are held to the same contract as the real ones in tests/contract.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

from libs.bus import KeyedQueue
from libs.contracts.app_configs import Configuration, Placed
from libs.contracts.errors import ConflictError, GroveError, PayloadTooLargeError, UnavailableError
from libs.contracts.ids import ApplicationName, AppVersionName, EndpointId
from libs.contracts.messages import Event
from libs.contracts.payload import JsonValue
from libs.contracts.subjects import EventType
from services.endpoint_register.domain.application import Application, Place
from services.endpoint_register.domain.batch import Batch, BatchId, BatchState
from services.endpoint_register.domain.configuration import EPMX, ConfigurationChange, Standing
from services.endpoint_register.domain.endpoint import Endpoint, EndpointState
from services.endpoint_register.domain.listing import Listed, Range
from services.endpoint_register.domain.relation import End, Relation
from services.endpoint_register.domain.whitelist import Whitelist, whitelist_of
from services.endpoint_register.ports import Parts
from services.endpoint_register.usecases.changing import EndpointChanges
from services.endpoint_register.usecases.matching import Judge
from services.endpoint_register.usecases.sorting import MAX_WAITING
from tests.unit.endpoint_register.filter_fakes import InMemoryFilterRepository
from tests.unit.endpoint_register.presence_fakes import InMemoryConnectivityRepository, InMemoryRunRepository

Hook = Callable[[], Awaitable[None]]

START = datetime(2026, 11, 21, 4, 0, tzinfo=UTC)


async def nothing() -> None:
    """Happen, and change nothing."""


@dataclass
class ManualClock:
    """Stands still until it is moved."""

    at: datetime = START

    def now(self) -> datetime:
        return self.at

    def pass_s(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)


class CountingEntropy:
    """Chance that is none: everything is numbered."""

    def __init__(self) -> None:
        self._numbers = count(1)
        self.octet = 0

    def attempt(self) -> str:
        return f"attempt{next(self._numbers)}"

    def endpoint_id(self) -> EndpointId:
        return EndpointId(f"generated-{next(self._numbers)}")

    def token_value(self) -> str:
        return f"token{next(self._numbers):019}"

    def octets(self, count: int) -> bytes:
        self.octet += 1
        return bytes([self.octet]) * count

    def pause_s(self, attempt: int) -> float:
        return 0.0


class InMemoryEndpointRepository:
    """Others may be let in before an insert or a compare-and-set; what they change makes the latter lose."""

    def __init__(self, *, clock: ManualClock) -> None:
        self._clock = clock
        self.kept: dict[EndpointId, Endpoint] = {}
        self.due: dict[EndpointId, datetime] = {}
        self.before_add: Hook = nothing
        self.before_values: Hook = nothing
        self.before_replace: Callable[[Endpoint], None] = lambda _endpoint: None
        self.failure: GroveError | None = None
        self.writes = 0
        self.too_large = False

    async def add(self, endpoint: Endpoint) -> bool:
        self._check()
        await self.before_add()
        kept = self.kept.setdefault(endpoint.id, endpoint)
        if kept.incarnation == endpoint.incarnation:
            self.due[endpoint.id] = self._clock.now()
        return kept.incarnation == endpoint.incarnation

    async def add_many(self, endpoints: Sequence[Endpoint]) -> set[EndpointId]:
        return {endpoint.id for endpoint in endpoints if await self.add(endpoint)}

    async def find(
        self, endpoint_id: EndpointId, *, metadata: bool = True, outbox: bool = False
    ) -> Endpoint | None:
        self._check()
        await asyncio.sleep(0)
        endpoint = self.kept.get(endpoint_id)
        return None if endpoint is None else _seen(endpoint, metadata=metadata, outbox=outbox)

    async def find_many(self, endpoint_ids: Sequence[EndpointId], *, metadata: bool) -> list[Endpoint]:
        if self.too_large and metadata:
            raise PayloadTooLargeError
        found = (self.kept.get(endpoint_id) for endpoint_id in endpoint_ids)
        return [_seen(each, metadata=metadata, outbox=False) for each in found if each is not None]

    async def metadata_values(
        self, endpoint_ids: Sequence[EndpointId], key: str
    ) -> AsyncIterator[dict[EndpointId, JsonValue]]:
        for endpoint_id in endpoint_ids:
            await self.before_values()
            kept = self.kept.get(endpoint_id)
            yield {} if kept is None or key not in kept.metadata else {endpoint_id: kept.metadata[key]}

    async def replace(self, before: Endpoint, after: Endpoint) -> bool:
        self._check()
        self.before_replace(before)
        kept = self.kept.get(before.id)
        if kept is None or (kept.seq, kept.incarnation) != (before.seq, before.incarnation):
            return False
        gained = tuple(entry for entry in after.outbox if entry.seq > before.seq)
        metadata = kept.metadata if after.metadata is before.metadata else after.metadata
        self.kept[before.id] = replace(after, metadata=metadata, outbox=(*kept.outbox, *gained))
        self.due.setdefault(before.id, self._clock.now())
        self.writes += 1
        return True

    async def reveal(self, announced: Sequence[Endpoint]) -> None:
        self._check()
        for hidden in announced:
            self.before_replace(hidden)
            kept = self.kept.get(hidden.id)
            if kept is not None and (kept.seq, kept.incarnation) == (hidden.seq, hidden.incarnation):
                self.kept[hidden.id] = kept.revealed()
                self.due.setdefault(hidden.id, self._clock.now())

    async def forget_told(self, endpoints: Sequence[Endpoint]) -> None:
        self._check()
        for endpoint in endpoints:
            self._forget_told(endpoint)

    def _forget_told(self, endpoint: Endpoint) -> None:
        kept, last = self.kept.get(endpoint.id), endpoint.outbox[-1].seq
        if kept is None or kept.state is not endpoint.state or kept.incarnation != endpoint.incarnation:
            return
        left = tuple(entry for entry in kept.outbox if entry.seq > last)
        self.kept[endpoint.id] = replace(kept, outbox=left)
        if kept.seq == last:
            self.due.pop(endpoint.id, None)

    async def remove(self, endpoint: Endpoint) -> None:
        self._check()
        kept = self.kept.get(endpoint.id)
        if kept is not None and (kept.incarnation, kept.state) == (endpoint.incarnation, endpoint.state):
            del self.kept[endpoint.id]
            self.due.pop(endpoint.id, None)

    async def at_version(self, version: AppVersionName, *, limit: int) -> list[EndpointId]:
        return [each.id for each in self.kept.values() if each.version == version][:limit]

    async def metadata_keys(self, version: AppVersionName) -> list[str]:
        there = [
            each
            for each in self.kept.values()
            if each.version == version and each.state is EndpointState.READY
        ]
        return sorted({key for each in there for key in each.metadata})

    async def unfinished(self, *, before: datetime) -> AsyncIterator[Endpoint]:
        self._check()
        for endpoint_id in sorted(self.due, key=lambda each: self.due[each]):
            if self.due[endpoint_id] < before:
                yield _seen(self.kept[endpoint_id], metadata=False, outbox=True)

    def _check(self) -> None:
        if self.failure is not None:
            raise self.failure


def _seen(endpoint: Endpoint, *, metadata: bool, outbox: bool) -> Endpoint:
    return replace(
        endpoint,
        metadata=endpoint.metadata if metadata else {},
        outbox=endpoint.outbox if outbox else (),
    )


class InMemoryEndpointListing:
    def __init__(self) -> None:
        self.lines: dict[EndpointId, Listed] = {}
        self.failure: GroveError | None = None
        self.before_put: Hook = nothing
        self.read = 0

    async def put(self, line: Listed) -> str:
        await self.before_put()
        if self.failure is not None:
            raise self.failure
        kept = self.lines.setdefault(line.endpoint_id, line)
        if kept.incarnation == line.incarnation and kept.seq < line.seq:
            self.lines[line.endpoint_id] = line
        return kept.incarnation

    async def put_new(self, lines: Sequence[Listed]) -> set[EndpointId]:
        for line in lines:
            if line.endpoint_id not in self.lines:
                await self.put(line)
        return {each.endpoint_id for each in lines if self._incarnation(each) == each.incarnation}

    async def drop(self, endpoint_id: EndpointId, *, incarnation: str) -> None:
        line = self.lines.get(endpoint_id)
        if line is not None and line.incarnation == incarnation:
            del self.lines[endpoint_id]

    def _incarnation(self, line: Listed) -> str:
        return self.lines[line.endpoint_id].incarnation

    async def page(self, part: Range, *, offset: int = 0, limit: int, after: str = "") -> list[Listed]:
        lines = self._within(part)
        if after:
            lines = [
                line
                for line in lines
                if (line.keys[part.key] < after if part.descending else line.keys[part.key] > after)
            ]
        page = lines[offset : offset + limit]
        self.read += len(page)
        return page

    async def names(self, part: Range, *, limit: int) -> dict[EndpointId, str]:
        return {line.endpoint_id: line.incarnation for line in self._within(part)[:limit]}

    async def count(self, part: Range) -> int:
        return len(self._within(part))

    def _within(self, part: Range) -> list[Listed]:
        lines = [line for line in self.lines.values() if part.holds(line.keys, line.filters)]
        return sorted(lines, key=lambda line: line.keys[part.key], reverse=part.descending)


class InMemoryApplicationRepository:
    """``lost_answers`` of the next compare-and-sets are carried out and reported as lost races."""

    def __init__(self, *, clock: ManualClock) -> None:
        self._clock = clock
        self.kept: dict[ApplicationName, Application] = {}
        self.untold_since: dict[ApplicationName, datetime] = {}
        self.lost_answers = 0

    async def add(self, application: Application) -> bool:
        if application.name not in self.kept:
            self.untold_since[application.name] = self._clock.now()
        return self.kept.setdefault(application.name, application).attempt == application.attempt

    async def find(self, name: ApplicationName) -> Application | None:
        return self.kept.get(name)

    async def all(self, names: Sequence[str] | None) -> list[Application]:
        found = [each for each in self.kept.values() if names is None or each.name in names]
        return sorted(found, key=lambda each: (each.shown.created_at, each.name))

    async def places(self, names: Sequence[str] | None) -> list[Place]:
        return [Place.of(each) for each in await self.all(names)]

    async def replace(self, before: Application, after: Application) -> bool:
        kept = self.kept.get(before.name)
        if kept is None or (kept.revision, kept.attempt) != (before.revision, before.attempt):
            return False
        self.kept[before.name] = after
        self.untold_since[before.name] = self._clock.now()
        self.lost_answers -= 1
        return self.lost_answers < 0

    async def remove(self, application: Application) -> None:
        kept = self.kept.get(application.name)
        if kept is not None and kept.attempt == application.attempt:
            del self.kept[application.name]
            self.untold_since.pop(application.name, None)

    async def untold(self, *, before: datetime) -> list[Application]:
        return [self.kept[name] for name, since in self.untold_since.items() if since < before]

    async def forget_told(self, application: Application) -> None:
        kept = self.kept.get(application.name)
        if kept is not None and (kept.revision, kept.attempt) == (application.revision, application.attempt):
            self.untold_since.pop(application.name, None)

    async def unfinished(self, *, before: datetime) -> list[Application]:
        return [
            each
            for each in await self.all(None)
            if each.unfinished_since is not None and each.unfinished_since < before
        ]


class InMemoryConfigurationRepository:
    def __init__(self, *, clock: ManualClock) -> None:
        self._clock = clock
        self.kept: dict[tuple[str, str, str | None], Configuration] = {}
        self.changes: dict[tuple[str, str, str | None], tuple[datetime, ConfigurationChange]] = {}
        self.attempts: dict[tuple[str, str, str | None], str] = {}

    async def put(self, configuration: Configuration, change: ConfigurationChange) -> None:
        place = (change.service, change.application, change.version)
        self.kept[place] = configuration
        self.attempts[place] = change.attempt
        self.changes[place] = (self._clock.now(), change)

    async def untold(self, *, before: datetime) -> list[ConfigurationChange]:
        return [change for since, change in self.changes.values() if since < before]

    async def forget_told(self, change: ConfigurationChange) -> None:
        self.changes = {place: kept for place, kept in self.changes.items() if kept[1] != change}

    async def find(
        self, *, service: str, application: ApplicationName, version: AppVersionName | None
    ) -> Configuration | None:
        return self.kept.get((service, application, version))

    async def standing(
        self, *, service: str, application: ApplicationName, version: AppVersionName | None
    ) -> Standing | None:
        place = (service, application, version)
        if place not in self.kept:
            return None
        return Standing(configuration=self.kept[place], attempt=self.attempts[place])

    async def replace(
        self, before: Standing | None, configuration: Configuration, change: ConfigurationChange
    ) -> bool:
        place = (change.service, change.application, change.version)
        standing = self.attempts[place] if place in self.kept else None
        if standing != (None if before is None else before.attempt):
            return False
        await self.put(configuration, change)
        return True

    async def of_service(self, service: str, *, applications: Sequence[str] | None) -> AsyncIterator[Placed]:
        for (owner, application, version), document in self.kept.items():
            if owner == service and (applications is None or application in applications):
                yield Placed(application=application, version=version, document=document)

    async def effective(self, version: AppVersionName, *, service: str) -> Configuration | None:
        application = version.rpartition("-")[0]
        own = self.kept.get((service, application, version))
        return own if own is not None else self.kept.get((service, application, None))

    async def remove(self, *, application: ApplicationName, version: AppVersionName | None) -> None:
        self.kept = {
            place: kept
            for place, kept in self.kept.items()
            if place[1] != application or version not in {None, place[2]}
        }
        self.changes = {place: change for place, change in self.changes.items() if place in self.kept}


class InMemoryBatchRepository:
    """``before_replace`` is let in before a compare-and-set, and may make it lose."""

    def __init__(self) -> None:
        self.kept: dict[BatchId, Batch] = {}
        self.before_replace: Hook = nothing
        self.failure: GroveError | None = None

    async def add(self, batch: Batch) -> None:
        self.kept[batch.id] = batch

    async def find(self, batch_id: BatchId) -> Batch | None:
        return self.kept.get(batch_id)

    async def waiting(self, application: ApplicationName) -> int:
        mine = [each for each in self.kept.values() if each.application == application]
        return sum(each.state is not BatchState.DONE for each in mine)

    async def due(self, *, at: datetime, limit: int) -> list[BatchId]:
        due = sorted((each.due_at, each.id) for each in self.kept.values() if each.due_at <= at)
        return [batch_id for _, batch_id in due[:limit]]

    async def replace(self, before: Batch, after: Batch) -> bool:
        await self.before_replace()
        if self.failure is not None:
            raise self.failure
        kept = self.kept.get(before.id)
        if kept is None or kept.revision != before.revision:
            return False
        self.kept[before.id] = after
        return True

    async def remove(self, batch: Batch) -> None:
        kept = self.kept.get(batch.id)
        if kept is not None and kept.revision == batch.revision:
            del self.kept[batch.id]


class InMemoryRelationRepository:
    """``after_add`` is let in when a relation has been stored."""

    def __init__(self) -> None:
        self.kept: list[Relation] = []
        self.after_add: Hook = nothing

    async def add(self, relation: Relation) -> bool:
        if relation in self.kept:
            return False
        self.kept.append(relation)
        await self.after_add()
        return True

    async def of(self, end: End) -> list[Relation]:
        return [each for each in self.kept if end in {each.source, each.target}]

    async def count(self, end: End) -> int:
        ends = [side.endpoint_id for each in self.kept for side in (each.source, each.target)]
        return ends.count(end.endpoint_id)

    async def remove(self, relation: Relation) -> None:
        self.kept = [each for each in self.kept if each != relation]

    async def forget(self, end: End) -> None:
        self.kept = [each for each in self.kept if end not in {each.source, each.target}]


@dataclass
class InMemoryCredentials:
    """``refusal`` answers a request that changed nothing, ``lost_answer`` one that took effect.

    The tokens of endpoints in ``stuck`` cannot be deleted.
    """

    tokens: dict[tuple[str, str], str] = field(default_factory=dict)
    incarnations: dict[tuple[str, str], str] = field(default_factory=dict)
    before_delete: Hook = nothing
    refusal: GroveError | None = None
    lost_answer: GroveError | None = None
    stuck: set[str] = field(default_factory=set)

    async def store_token(self, token: str, *, endpoint: Endpoint) -> None:
        if self.refusal is not None:
            raise self.refusal
        key = (endpoint.application, token)
        if self.incarnations.setdefault(key, endpoint.incarnation) != endpoint.incarnation:
            raise ConflictError("the token is taken")
        self.tokens[key] = endpoint.id
        if self.lost_answer is not None:
            raise self.lost_answer

    async def store_tokens(self, tokens: Sequence[tuple[Endpoint, str]]) -> list[GroveError | None]:
        return [await self._refusal(token, endpoint) for endpoint, token in tokens]

    async def _refusal(self, token: str, endpoint: Endpoint) -> GroveError | None:
        try:
            await self.store_token(token, endpoint=endpoint)
        except GroveError as error:
            return error
        return None

    async def delete_tokens(self, endpoint: Endpoint) -> None:
        await self.before_delete()
        if self.refusal is not None and self.refusal.status_code >= 500:
            raise self.refusal
        if endpoint.id in self.stuck:
            raise UnavailableError("away")
        for key in [key for key, holder in self.incarnations.items() if holder == endpoint.incarnation]:
            del self.tokens[key], self.incarnations[key]


@dataclass
class RecordingPublisher:
    """Keeps every message id once, as the stream does."""

    published: dict[str, tuple[EventType[Any], Event]] = field(default_factory=dict)
    attempts: list[str] = field(default_factory=list)
    failure: GroveError | None = None

    async def publish(
        self, kind: EventType[Any], event: Event, *, message_id: str, deadline_s: float
    ) -> None:
        await asyncio.sleep(0)
        self.attempts.append(message_id)
        if self.failure is not None:
            raise self.failure
        self.published.setdefault(message_id, (kind, event))

    def forget(self) -> None:
        self.published.clear()
        self.attempts.clear()

    def names(self) -> list[str]:
        return [kind.name for kind, _ in self.published.values()]


class DirectWhitelists:
    """Asks every time."""

    def __init__(self, configurations: InMemoryConfigurationRepository) -> None:
        self._configurations = configurations
        self.forgotten: list[tuple[str, str | None]] = []

    async def of(self, version: AppVersionName) -> Whitelist:
        return whitelist_of(await self._configurations.effective(version, service=EPMX))

    def forget(self, application: ApplicationName, version: AppVersionName | None) -> None:
        self.forgotten.append((application, version))


class OfferBox:
    """Takes offers and publishes nothing."""

    def __init__(self) -> None:
        self.offered: list[Endpoint] = []

    def offer(self, endpoint: Endpoint) -> None:
        self.offered.append(endpoint)


@dataclass
class World:
    """All fakes, and the parts made of them."""

    clock: ManualClock = field(default_factory=ManualClock)
    entropy: CountingEntropy = field(default_factory=CountingEntropy)
    listing: InMemoryEndpointListing = field(default_factory=InMemoryEndpointListing)
    connectivity: InMemoryConnectivityRepository = field(default_factory=InMemoryConnectivityRepository)
    runs: InMemoryRunRepository = field(default_factory=InMemoryRunRepository)
    credentials: InMemoryCredentials = field(default_factory=InMemoryCredentials)
    events: RecordingPublisher = field(default_factory=RecordingPublisher)
    announcing: OfferBox = field(default_factory=OfferBox)
    filters: InMemoryFilterRepository = field(default_factory=InMemoryFilterRepository)

    def __post_init__(self) -> None:
        self.endpoints = InMemoryEndpointRepository(clock=self.clock)
        self.applications = InMemoryApplicationRepository(clock=self.clock)
        self.configurations = InMemoryConfigurationRepository(clock=self.clock)
        self.batches = InMemoryBatchRepository()
        self.relations = InMemoryRelationRepository()
        self.whitelists = DirectWhitelists(self.configurations)
        self.parts = self.replica()
        self.judging = self.parts.judging

    def replica(self) -> Parts:
        """Parts of one more replica: the same world, a line and a memory of its own."""
        judging = Judge(endpoints=self.endpoints, filters=self.filters)
        changing = EndpointChanges(
            endpoints=self.endpoints,
            turns=KeyedQueue[str](),
            announcing=self.announcing,
            entropy=self.entropy,
            judging=judging,
        )
        return Parts(
            endpoints=self.endpoints,
            listing=self.listing,
            connectivity=self.connectivity,
            runs=self.runs,
            applications=self.applications,
            configurations=self.configurations,
            batches=self.batches,
            relations=self.relations,
            filters=self.filters,
            judging=judging,
            credentials=self.credentials,
            events=self.events,
            whitelists=self.whitelists,
            changing=changing,
            announcing=self.announcing,
            clock=self.clock,
            entropy=self.entropy,
            sorting=KeyedQueue[str](max_waiting_per_key=MAX_WAITING),
            active_for=timedelta(minutes=10),
        )

    def metadata_of(self, endpoint_id: str) -> Mapping[str, object]:
        return self.endpoints.kept[EndpointId(endpoint_id)].metadata
