"""In-memory ports of credential-manager, held to the same contract as the real ones, and a clock to move."""

import itertools
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Generic, TypeVar

from libs.contracts.ecap import EndpointTokenStatusChangedEvent
from libs.contracts.errors import ForbiddenError, NotFoundError, UnavailableError
from libs.contracts.ids import ApplicationName, AppVersionName, EndpointId, TokenId
from libs.contracts.senml import DvnUuid
from libs.contracts.senml_credentials import SenmlCredentialStatusChangedEvent
from libs.contracts.tokens import TokenStatus
from services.credential_manager.domain import (
    NONCE_BYTES,
    Announcement,
    ApiKey,
    Change,
    Credential,
    EndpointToken,
    Fingerprints,
    Record,
    SecretBox,
    SenmlCredential,
)
from services.credential_manager.ports import Parts, RegisteredEndpoint
from services.credential_manager.usecases.announcing import Announcer, Pace

R = TypeVar("R", bound=Record)
C = TypeVar("C", bound=Credential)

SECRETS_KEY = "a key of the tests, long enough for all"
APPLICATION = ApplicationName("olives")
ENDPOINT = EndpointId("tree-1")
START = datetime(2026, 11, 21, 6, 0, tzinfo=UTC)


class FakeClock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self._now = START

    def now(self) -> datetime:
        return self._now

    def advance(self, **spans: float) -> None:
        self._now += timedelta(**spans)


class CountingEntropy:
    """Draws the same values in every run, and none of them twice."""

    def __init__(self) -> None:
        self._numbers = itertools.count(1)

    def attempt(self) -> str:
        return f"attempt-{next(self._numbers)}"

    def record_id(self) -> str:
        return f"id-{next(self._numbers):04}"

    def token_value(self) -> str:
        return f"{next(self._numbers):024}"

    def api_key_value(self) -> str:
        return f"grove_{next(self._numbers):040}"

    def nonce(self) -> bytes:
        return next(self._numbers).to_bytes(NONCE_BYTES, "big")


class _InMemoryRecords(Generic[R]):
    """Records by id; what is kept is immutable, so nothing is ever copied."""

    def __init__(self, value_of: Callable[[R], object]) -> None:
        self.records: dict[str, R] = {}
        self.away = False
        self.before_replacing: Callable[[], None] = lambda: None
        self._value_of = value_of

    async def add(self, record: R) -> bool:
        self._check_here()
        if any(self._value_of(other) == self._value_of(record) for other in self.records.values()):
            return record.id in self.records
        self.records[record.id] = record
        return True

    async def replace(self, before: R, after: R) -> bool:
        self._check_here()
        self.before_replacing()
        current = self.records.get(before.id)
        if current is None or current.revision != before.revision:
            return current is not None and current.attempt == after.attempt
        self.records[after.id] = after
        return True

    async def discard(self, record: R) -> None:
        self._check_here()
        if self.records.get(record.id, record).revision == record.revision:
            self.records.pop(record.id, None)

    async def find(self, record_id: str) -> R | None:
        self._check_here()
        return self.records.get(record_id)

    async def unannounced(self, *, due_by: datetime, limit: int) -> list[R]:
        self._check_here()
        due = [
            (record.announce_from, record)
            for record in self.records.values()
            if record.announce_from is not None and record.announce_from <= due_by
        ]
        return [record for _, record in sorted(due, key=lambda one: one[0])][:limit]

    async def changed_since(self, instant: datetime) -> AsyncIterator[R]:
        self._check_here()
        changed = [record for record in self.records.values() if record.changed_at >= instant]
        for record in sorted(changed, key=lambda record: record.changed_at):
            yield record

    async def mark_announced(self, records: Sequence[R]) -> None:
        self._check_here()
        for record in records:
            current = self.records.get(record.id)
            if current is not None and current.revision == record.revision:
                self.records[record.id] = replace(current, announce_from=None)

    def _check_here(self) -> None:
        if self.away:
            raise UnavailableError("the store cannot be reached")


class _InMemoryCredentials(_InMemoryRecords[C]):
    async def of_endpoint(self, endpoint_id: EndpointId) -> list[C]:
        self._check_here()
        return [one for one in self.records.values() if one.endpoint_id == endpoint_id]

    async def forget(self, *, before: datetime) -> int:
        gone = [
            one.id
            for one in self.records.values()
            if one.forget_from is not None and one.forget_from <= before and one.announce_from is None
        ]
        for credential_id in gone:
            del self.records[credential_id]
        return len(gone)


class InMemoryTokenRepository(_InMemoryCredentials[EndpointToken]):
    def __init__(self) -> None:
        super().__init__(lambda token: (token.application, token.fingerprint))

    async def find_by_value(self, application: ApplicationName, fingerprint: bytes) -> EndpointToken | None:
        self._check_here()
        for token in self.records.values():
            if (token.application, token.fingerprint) == (application, fingerprint):
                return token
        return None

    async def add_many(self, tokens: Sequence[EndpointToken]) -> set[TokenId]:
        return {token.id for token in tokens if await self.add(token)}

    async def find_by_values(
        self, application: ApplicationName, fingerprints: Sequence[bytes]
    ) -> list[EndpointToken]:
        found = [await self.find_by_value(application, each) for each in fingerprints]
        return [each for each in found if each is not None]

    async def activate(self, tokens: Sequence[EndpointToken], change: Change) -> set[TokenId]:
        moved = [(token, token.moved(TokenStatus.ACTIVE, change) or token) for token in tokens]
        return {after.id for before, after in moved if await self.replace(before, after)}


class InMemorySenmlRepository(_InMemoryCredentials[SenmlCredential]):
    def __init__(self) -> None:
        super().__init__(lambda one: (one.dvn_uuid, one.fingerprint))

    async def find_by_value(self, dvn_uuid: DvnUuid, fingerprint: bytes) -> SenmlCredential | None:
        return next((one for one in await self.of_device(dvn_uuid) if one.fingerprint == fingerprint), None)

    async def of_device(self, dvn_uuid: DvnUuid) -> list[SenmlCredential]:
        self._check_here()
        found = [one for one in self.records.values() if one.dvn_uuid == dvn_uuid]
        return sorted(found, key=lambda one: (one.created_at, one.id))


class InMemoryApiKeyRepository(_InMemoryRecords[ApiKey]):
    def __init__(self) -> None:
        super().__init__(lambda key: key.fingerprint)

    async def find_by_value(self, fingerprint: bytes) -> ApiKey | None:
        self._check_here()
        return next((key for key in self.records.values() if key.fingerprint == fingerprint), None)

    async def seeded(self) -> list[ApiKey]:
        return [key for key in self.records.values() if key.seeded]

    async def page(self, *, offset: int, limit: int) -> tuple[list[ApiKey], int]:
        newest = sorted(self.records.values(), key=lambda key: key.created_at, reverse=True)
        return newest[offset : offset + limit], len(newest)

    async def forget(self, *, before: datetime) -> int:
        return 0


class FakeDirectory:
    """endpoint-register as far as it is asked."""

    def __init__(self) -> None:
        self.applications: dict[str, ApplicationName] = {ENDPOINT: APPLICATION}
        self.incarnations: dict[str, str | None] = {}
        self.before_answering: Callable[[int], None] = lambda _: None
        self.asked = 0

    async def find(self, endpoint_id: EndpointId, *, allowed: tuple[str, ...] | None) -> RegisteredEndpoint:
        self.asked += 1
        self.before_answering(self.asked)
        application = self.applications.get(endpoint_id)
        if application is None:
            raise NotFoundError("there is no such endpoint")
        if allowed is not None and application not in allowed:
            raise ForbiddenError(f"the API key may not touch application {application!r}")
        return RegisteredEndpoint(
            application=application,
            version=AppVersionName(f"{application}-v1"),
            incarnation=self.incarnations.get(endpoint_id, "first"),
        )


class RecordingPublisher:
    """Keeps every event under its message id, as the stream does; may be away."""

    def __init__(self) -> None:
        self.published: dict[str, Announcement] = {}
        self.attempts: list[str] = []
        self.away = False

    async def publish(self, announcement: Announcement, *, deadline_s: float) -> None:
        self.attempts.append(announcement.message_id)
        if self.away:
            raise UnavailableError("the event could not be stored in time")
        self.published.setdefault(announcement.message_id, announcement)

    def names(self) -> list[str]:
        return [one.kind.name for one in self.published.values()]

    def statuses(self) -> list[TokenStatus | None]:
        events = (one.event for one in self.published.values())
        kinds = (EndpointTokenStatusChangedEvent, SenmlCredentialStatusChangedEvent)
        return [event.status for event in events if isinstance(event, kinds)]


@dataclass
class Fakes:
    """All of them, wired up."""

    tokens: InMemoryTokenRepository = field(default_factory=InMemoryTokenRepository)
    senml: InMemorySenmlRepository = field(default_factory=InMemorySenmlRepository)
    api_keys: InMemoryApiKeyRepository = field(default_factory=InMemoryApiKeyRepository)
    directory: FakeDirectory = field(default_factory=FakeDirectory)
    events: RecordingPublisher = field(default_factory=RecordingPublisher)
    clock: FakeClock = field(default_factory=FakeClock)
    entropy: CountingEntropy = field(default_factory=CountingEntropy)

    def __post_init__(self) -> None:
        self.announcer = Announcer(
            {EndpointToken: self.tokens, ApiKey: self.api_keys, SenmlCredential: self.senml},
            events=self.events,
            clock=self.clock,
            pace=Pace(tell_within_s=3.0, sweep_every_s=0.05),
        )
        self.parts = Parts(
            tokens=self.tokens,
            senml=self.senml,
            api_keys=self.api_keys,
            endpoints=self.directory,
            announcing=self.announcer,
            fingerprints=Fingerprints(SECRETS_KEY),
            secrets=SecretBox(SECRETS_KEY),
            clock=self.clock,
            entropy=self.entropy,
            tell_within_s=3.0,
        )
