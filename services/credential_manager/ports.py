"""What the use cases need from the world.

Repositories never raise for a lost race, they return False; what they raise is UnavailableError
when the store cannot be reached. A write whose answer got lost is settled inside them: True means
that this write stands, however often it had to be sent.
"""

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, TypeVar

from libs.contracts.audit import AuditEntry
from libs.contracts.ids import ApiKeyId, ApplicationName, AppVersionName, EndpointId, TokenId
from libs.contracts.senml import DvnUuid
from services.credential_manager.domain import (
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
from services.credential_manager.domain.audit import Holder, Range

RecordT = TypeVar("RecordT", bound=Record)
CredentialT = TypeVar("CredentialT", bound=Credential)


class Clock(Protocol):
    """What time it is."""

    def now(self) -> datetime:
        """Aware, and whole milliseconds, as the store keeps them."""


class Entropy(Protocol):
    """Where chance comes from; all of it is fit for secrets."""

    def attempt(self) -> str:
        """Something no other write has ever used."""

    def record_id(self) -> str:
        """An id for a new record."""

    def token_value(self) -> str:
        """24 alphanumerics."""

    def api_key_value(self) -> str:
        """A key that is recognised as one of ours wherever it leaks to."""

    def nonce(self) -> bytes:
        """``NONCE_BYTES`` that no other secret is sealed with."""


class ChangeLog(Protocol[RecordT]):
    """Which changes of a kind of record others must still hear about."""

    async def unannounced(self, *, due_by: datetime, limit: int) -> list[RecordT]:
        """Records whose ``announce_from`` has come, the oldest first."""

    def changed_since(self, instant: datetime) -> AsyncIterator[RecordT]:
        """Records whose latest change is not older than that, the oldest first."""

    async def mark_announced(self, records: Sequence[RecordT]) -> None:
        """Note that these revisions are told; newer ones stay as they are."""

    async def forget(self, *, before: datetime) -> int:
        """Drop announced records whose ``forget_from`` has come; return how many."""


class CredentialRepository(ChangeLog[CredentialT], Protocol[CredentialT]):
    """Credentials of one kind; of those that are not DELETED, each value exists once where it must."""

    async def add(self, credential: CredentialT) -> bool:
        """Store a new one; False when its value exists already."""

    async def replace(self, before: CredentialT, after: CredentialT) -> bool:
        """Store ``after`` if the record still is ``before``."""

    async def discard(self, credential: CredentialT) -> None:
        """Drop the record if it still is this revision."""

    async def find(self, credential_id: str) -> CredentialT | None:
        """The credential of this id, in whatever phase."""

    async def of_endpoint(self, endpoint_id: EndpointId) -> list[CredentialT]:
        """All credentials of an endpoint, in whatever phase."""


class TokenRepository(CredentialRepository[EndpointToken], Protocol):
    """Endpoint tokens; a value exists once per application."""

    async def find_by_value(self, application: ApplicationName, fingerprint: bytes) -> EndpointToken | None:
        """The token that has this value, LIVE or UNCONFIRMED."""

    async def add_many(self, tokens: Sequence[EndpointToken]) -> set[TokenId]:
        """Store new ones; tell which are stored: once a value exists already, others may be left out too."""

    async def find_by_values(
        self, application: ApplicationName, fingerprints: Sequence[bytes]
    ) -> list[EndpointToken]:
        """The tokens that have these values, LIVE or UNCONFIRMED, in no order."""

    async def activate(self, tokens: Sequence[EndpointToken], change: Change) -> set[TokenId]:
        """Make tokens Active that are Inactive and still as they were read; tell which are so by this."""


class SenmlRepository(CredentialRepository[SenmlCredential], Protocol):
    """SenML credentials; a value exists once per device."""

    async def find_by_value(self, dvn_uuid: DvnUuid, fingerprint: bytes) -> SenmlCredential | None:
        """The credential that has this value, LIVE or UNCONFIRMED."""

    async def of_device(self, dvn_uuid: DvnUuid) -> list[SenmlCredential]:
        """All credentials of a device, in whatever phase, the oldest first."""


class ApiKeyRepository(ChangeLog[ApiKey], Protocol):
    """API keys; a value exists once."""

    async def add(self, key: ApiKey) -> bool:
        """Store a new key; False when its value exists already."""

    async def replace(self, before: ApiKey, after: ApiKey) -> bool:
        """Store ``after`` if the record still is ``before``."""

    async def find(self, key_id: ApiKeyId) -> ApiKey | None:
        """The key of this id."""

    async def find_by_value(self, fingerprint: bytes) -> ApiKey | None:
        """The key that has this value."""

    async def seeded(self) -> list[ApiKey]:
        """Keys that came from ``GROVE_ADMIN_KEY``."""

    async def page(self, *, offset: int, limit: int) -> tuple[list[ApiKey], int]:
        """Some keys, the newest first, and how many there are."""


class AuditRepository(Protocol):
    """Who changed what."""

    async def put(self, entries: Sequence[AuditEntry]) -> None:
        """Write records, each named once.

        What was known when a change began stands, whatever is said again; an outcome is added to it with
        the names it brings.
        """

    async def newest(self, span: Range, *, limit: int) -> list[AuditEntry]:
        """Some records, the newest first."""

    async def holders(self, endpoint_ids: Iterable[str]) -> dict[str, Holder]:
        """Which applications endpoints were last noted to be of, as far as they were."""

    async def note(self, holders: Mapping[str, Holder]) -> None:
        """Remember which applications endpoints are of, also when they are gone."""

    async def forget(self, *, from_ms: int, before_ms: int) -> int:
        """Delete the records of a span of time; return how many."""

    async def forget_holders(self, *, before_ms: int) -> None:
        """Delete what was noted before then."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisteredEndpoint:
    """An endpoint as endpoint-register sees it.

    Attributes:
        application: Where it belongs.
        version: The version it is at.
        incarnation: Which life of its id this is; None = an older release was asked.
    """

    application: ApplicationName
    version: AppVersionName
    incarnation: str | None


class EndpointDirectory(Protocol):
    """What endpoint-register knows."""

    async def find(self, endpoint_id: EndpointId, *, allowed: tuple[str, ...] | None) -> RegisteredEndpoint:
        """The endpoint of this id.

        Raises:
            NotFoundError: There is no such endpoint, or it is being created or deleted.
            ForbiddenError: It lies outside ``allowed``.
            UnavailableError: endpoint-register cannot be asked now.
        """


class EventPublisher(Protocol):
    """Where events are kept for whoever needs them."""

    async def publish(self, announcement: Announcement, *, deadline_s: float) -> None:
        """Return when the event is durable.

        Raises:
            UnavailableError: Not within ``deadline_s``; whether it was published is unknown.
        """


class Announcing(Protocol):
    """Tells others what has changed; see the module of that name among the use cases."""

    async def tell(self, record: Record) -> None:
        """Return when others have been told.

        Raises:
            UnavailableError: Not yet; it is repeated until they are.
        """

    async def tell_if_possible(self, record: Record) -> None:
        """The same, but for changes that nobody has to wait for."""

    def tell_later(self) -> None:
        """Let the changes that are due be told in the background, now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """All of the above, as the use cases are given it.

    Attributes:
        tell_within_s: How long a change is left to whoever made it before others tell it.
    """

    tokens: TokenRepository
    senml: SenmlRepository
    api_keys: ApiKeyRepository
    endpoints: EndpointDirectory
    announcing: Announcing
    fingerprints: Fingerprints
    secrets: SecretBox
    clock: Clock
    entropy: Entropy
    tell_within_s: float
