"""The world of endpoint-register in memory; each fake keeps what its port promises, and can be made to fail.

The repositories are held to the same contract as the real ones in tests/contract.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from libs.bus import KeyedQueue
from libs.contracts.errors import ConflictError, GroveError, UnavailableError
from libs.contracts.ids import ApplicationName, AppVersionName, EndpointId
from libs.contracts.messages import Event
from libs.contracts.subjects import EventType
from services.endpoint_register.domain.configuration import EPMX
from services.endpoint_register.domain.endpoint import Endpoint
from services.endpoint_register.domain.whitelist import Whitelist, whitelist_of
from services.endpoint_register.ports import Parts
from services.endpoint_register.usecases.changing import EndpointChanges
from services.endpoint_register.usecases.matching import Judge
from services.endpoint_register.usecases.sorting import MAX_WAITING
from tests.unit.endpoint_register.endpoint_fakes import InMemoryEndpointListing, InMemoryEndpointRepository
from tests.unit.endpoint_register.filter_fakes import InMemoryFilterRepository
from tests.unit.endpoint_register.presence_fakes import InMemoryConnectivityRepository, InMemoryRunRepository
from tests.unit.endpoint_register.record_fakes import (
    InMemoryApplicationRepository,
    InMemoryBatchRepository,
    InMemoryConfigurationRepository,
    InMemoryRelationRepository,
)
from tests.unit.endpoint_register.time_and_chance import CountingEntropy, Hook, ManualClock, nothing


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
        self.is_busy = False

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
