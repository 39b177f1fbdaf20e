"""Who else acts: the clock and chance, other services, and the use cases for one another."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol, TypeVar

from libs.contracts.errors import GroveError
from libs.contracts.ids import ApplicationName, AppVersionName, EndpointId
from libs.contracts.messages import Event
from libs.contracts.subjects import EventType
from services.endpoint_register.domain.endpoint import Endpoint
from services.endpoint_register.domain.filters import FilterSet
from services.endpoint_register.domain.whitelist import Whitelist
from services.endpoint_register.ports.keeping import (
    ApplicationRepository,
    BatchRepository,
    ConfigurationRepository,
    ConnectivityRepository,
    EndpointListing,
    EndpointRepository,
    FilterRepository,
    RelationRepository,
    RunRepository,
)

T = TypeVar("T")

Change = Callable[[Endpoint], Endpoint | None]
"""From an endpoint to the changed one, or None when nothing would change; what it raises refuses it.

It may be called again after a lost race, and what it gave before is then forgotten.
"""


class Clock(Protocol):
    """What time it is."""

    def now(self) -> datetime:
        """Aware, and whole milliseconds, as the store keeps them."""


class Entropy(Protocol):
    """Where chance comes from; all of it is fit for secrets."""

    def attempt(self) -> str:
        """Something no other write and no other incarnation has ever used."""

    def endpoint_id(self) -> EndpointId:
        """An id for a new endpoint."""

    def token_value(self) -> str:
        """24 alphanumerics."""

    def octets(self, count: int) -> bytes:
        """As many bytes."""

    def pause_s(self, attempt: int) -> float:
        """How long to wait after so many lost races: short, and different for everybody."""


class Credentials(Protocol):
    """Tokens of endpoints; credential-manager has them."""

    async def store_token(self, token: str, *, endpoint: Endpoint) -> None:
        """Store the first token of this incarnation; again is a success.

        Raises:
            ConflictError: The application has this token, for another endpoint.
            UnavailableError: Not now; as with DeadlineError, it may have happened.
        """

    async def store_tokens(self, tokens: Sequence[tuple[Endpoint, str]]) -> list[GroveError | None]:
        """Store the first tokens of endpoints of one application; for each what storing it alone raises.

        Raises:
            UnavailableError: Not now; as with DeadlineError, some may be stored.
        """

    async def delete_tokens(self, endpoint: Endpoint) -> None:
        """Forget all tokens of this incarnation, which is hidden; again is a success."""


class EventPublisher(Protocol):
    """Where events are kept for whoever needs them."""

    async def publish(
        self, kind: EventType[Any], event: Event, *, message_id: str, deadline_s: float
    ) -> None:
        """Return when the event is durable; an id that is known already is not stored again.

        Raises:
            UnavailableError: Not in time; whether it was published is unknown.
        """


class Whitelists(Protocol):
    """What devices may see and write, from memory where that is fresh enough."""

    async def of(self, version: AppVersionName) -> Whitelist:
        """The limits of a version."""

    def forget(self, application: ApplicationName, version: AppVersionName | None) -> None:
        """Forget what was configured for a version, or for an application and its versions."""


class Judging(Protocol):
    """Which filters endpoints match; see ``matching`` among the use cases."""

    async def filters_now(self, application: ApplicationName) -> FilterSet:
        """The filters of an application as they are at some moment after the call."""

    async def judge(self, endpoint: Endpoint) -> Endpoint:
        """Let an endpoint that is about to be written match what it matches."""

    def moment(self) -> int:
        """Name this moment."""

    async def catch_up(self, endpoint: Endpoint, *, since: int) -> Endpoint | None:
        """Judge an endpoint again if other filters are there; what is stored then, if anything is.

        Args:
            endpoint: As it was written.
            since: A moment after that: filters that were read later are new enough.
        """


class Turns(Protocol):
    """One at a time per key, in order of arrival."""

    async def run(self, key: str, work: Callable[[], Awaitable[T]], *, wait_s: float) -> T:
        """Do the work when it is this caller's turn.

        Raises:
            UnavailableError: Too many wait already.
            DeadlineError: The turn did not come in time; nothing was done.
        """


class Announcing(Protocol):
    """Publishes what is in outboxes; see the module of that name among the use cases."""

    def offer(self, endpoint: Endpoint) -> None:
        """Publish the events in this endpoint's outbox soon; never waits, never fails."""

    @property
    def is_busy(self) -> bool:
        """Whether there is enough to publish for a while, so that nothing has to be looked for."""


class Changing(Protocol):
    """Writes changes of endpoints; see the module of that name among the use cases."""

    async def change(self, endpoint_id: EndpointId, change: Change, *, wait_s: float = ...) -> Endpoint:
        """Apply a change to the endpoint as it is at that moment, and let its events be published.

        Args:
            endpoint_id: Whom.
            change: What.
            wait_s: How long to wait for the turn.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """All of the above, as the use cases are given it.

    Attributes:
        sorting: For lists that are sorted in memory, one at a time.
        active_for: How long after it was heard an endpoint without a connection counts as active.
    """

    endpoints: EndpointRepository
    listing: EndpointListing
    connectivity: ConnectivityRepository
    runs: RunRepository
    applications: ApplicationRepository
    configurations: ConfigurationRepository
    batches: BatchRepository
    relations: RelationRepository
    filters: FilterRepository
    judging: Judging
    credentials: Credentials
    events: EventPublisher
    whitelists: Whitelists
    changing: Changing
    announcing: Announcing
    clock: Clock
    entropy: Entropy
    sorting: Turns
    active_for: timedelta
