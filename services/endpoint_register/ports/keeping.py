"""Where everything is kept.

Repositories never raise for a lost race, they return False; what they raise is UnavailableError when
the store cannot be reached, and then whether a write happened is unknown.
"""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import Protocol

from libs.contracts.app_configs import Configuration, Placed
from libs.contracts.ids import ApplicationName, AppVersionName, EndpointId
from libs.contracts.payload import JsonValue
from services.endpoint_register.domain.application import Application, Place
from services.endpoint_register.domain.batch import Batch, BatchId
from services.endpoint_register.domain.configuration import ConfigurationChange, Standing
from services.endpoint_register.domain.connectivity import Connectivity, Known, Run, Sighting, Statement
from services.endpoint_register.domain.endpoint import Endpoint
from services.endpoint_register.domain.filters import FilterSet
from services.endpoint_register.domain.listing import Listed, Range
from services.endpoint_register.domain.relation import End, Relation


class EndpointRepository(Protocol):
    """Endpoints in whatever state, with metadata and outbox."""

    async def add(self, endpoint: Endpoint) -> bool:
        """Store a new endpoint; False when its id is taken by another incarnation."""

    async def add_many(self, endpoints: Sequence[Endpoint]) -> set[EndpointId]:
        """Store new endpoints with ids of their own; tell which are stored: the other ids are taken."""

    async def find(
        self, endpoint_id: EndpointId, *, metadata: bool = True, outbox: bool = False
    ) -> Endpoint | None:
        """The endpoint, with as much of it as asked for."""

    async def find_many(self, endpoint_ids: Sequence[EndpointId], *, metadata: bool) -> list[Endpoint]:
        """Those that exist, in any order and state.

        Raises:
            PayloadTooLargeError: Their metadata do not fit into one message.
        """

    def metadata_values(
        self, endpoint_ids: Sequence[EndpointId], key: str
    ) -> AsyncIterator[dict[EndpointId, JsonValue]]:
        """What endpoints in whatever state have under a metadata key, in parts.

        Those that do not exist, or have no such key, are left out.
        """

    async def replace(self, before: Endpoint, after: Endpoint) -> bool:
        """Store ``after`` if the endpoint still is ``before``; what the outbox gained is added to it."""

    async def reveal(self, announced: Sequence[Endpoint]) -> None:
        """Let endpoints be seen that still are what was added, each with the event that says so."""

    async def forget_told(self, endpoints: Sequence[Endpoint]) -> None:
        """Take the events in the outbox of each, and those before them, out of what is stored."""

    async def remove(self, endpoint: Endpoint) -> None:
        """Drop the endpoint if it still is this incarnation and in this state."""

    async def at_version(self, version: AppVersionName, *, limit: int) -> list[EndpointId]:
        """Some endpoints at a version, in whatever state."""

    async def metadata_keys(self, version: AppVersionName) -> list[str]:
        """Names of the metadata keys that READY endpoints at a version have, sorted."""

    def unfinished(self, *, before: datetime) -> AsyncIterator[Endpoint]:
        """Endpoints that have waited since then: half made, half removed, or with events to publish.

        They come without metadata, with their outbox.
        """


class EndpointListing(Protocol):
    """Under which keys endpoints are listed; holds nothing else, and can be made again from them."""

    async def put(self, line: Listed) -> str:
        """List an endpoint unless its line is as new, or of another incarnation.

        Returns:
            The incarnation whose line stands now.
        """

    async def put_new(self, lines: Sequence[Listed]) -> set[EndpointId]:
        """List endpoints that have no line; tell which are listed as these incarnations now."""

    async def drop(self, endpoint_id: EndpointId, *, incarnation: str) -> None:
        """List it no more, if it still is this incarnation."""

    async def page(self, part: Range, *, offset: int = 0, limit: int, after: str = "") -> list[Listed]:
        """The lines of a page, in order; ``after`` is the key behind which it begins."""

    async def names(self, part: Range, *, limit: int) -> dict[EndpointId, str]:
        """Who is in a range, in any order, each with the incarnation that its line means."""

    async def count(self, part: Range) -> int:
        """How many there are."""


class ConnectivityRepository(Protocol):
    """Who is connected; a record for each endpoint that was ever heard."""

    async def find_many(self, endpoint_ids: Sequence[EndpointId]) -> dict[EndpointId, Connectivity]:
        """The records there are."""

    async def apply(self, known: Sequence[Known]) -> None:
        """Take statements in, each as ``domain.connectivity.applied`` says; one an endpoint."""

    async def settle(self, record: Connectivity) -> None:
        """Note that nothing is left to do about the version, if the record still is this one."""

    async def see(self, sightings: Sequence[tuple[Connectivity | None, Sighting]]) -> None:
        """Note that endpoints were heard, each with the record as it was found; a lost race is lost."""

    async def forget(self, endpoint_id: EndpointId, *, incarnation: str) -> None:
        """Drop the record of an endpoint that is removed."""

    async def forget_older(self, statements: Sequence[Statement]) -> None:
        """Drop records older than statements about endpoints that do not exist."""

    def held(self, run_id: str) -> AsyncIterator[list[Connectivity]]:
        """What a process holds, in parts."""

    async def end(self, records: Sequence[Connectivity]) -> None:
        """End these very bindings; whoever was bound anew stays so."""

    async def holds_any(self, run_id: str) -> bool:
        """Whether it holds anything."""


class RunRepository(Protocol):
    """Transport processes that hold, or may hold, bindings."""

    async def all(self) -> list[Run]:
        """All of them."""

    async def ending(self) -> set[str]:
        """Those that are being ended: nobody is connected to them any more."""

    async def find(self, run_id: str) -> Run | None:
        """One."""

    async def add(self, run: Run) -> None:
        """Know a process, unless it is known."""

    async def replace(self, before: Run, after: Run) -> bool:
        """Store ``after`` if the stamp and state still are those of ``before``."""

    async def remove(self, run: Run) -> None:
        """Forget it if the stamp and state still are these."""


class ApplicationRepository(Protocol):
    """Applications with their versions, in whatever stage of their life."""

    async def add(self, application: Application) -> bool:
        """Store a new application; False when its name is taken by another attempt."""

    async def find(self, name: ApplicationName) -> Application | None:
        """The application of this name."""

    async def all(self, names: Sequence[str] | None) -> list[Application]:
        """All of them, or those of these names, oldest first."""

    async def places(self, names: Sequence[str] | None) -> list[Place]:
        """The places of all of them, or of those of these names, in order."""

    async def replace(self, before: Application, after: Application) -> bool:
        """Store ``after`` if the application still is ``before``."""

    async def remove(self, application: Application) -> None:
        """Drop the application if it still is this one."""

    async def unfinished(self, *, before: datetime) -> list[Application]:
        """Applications in which something has been on its way out since then."""

    async def untold(self, *, before: datetime) -> list[Application]:
        """Applications that changed before then, and of which nobody may have been told."""

    async def forget_told(self, application: Application) -> None:
        """Note that everybody was told of the application as it is here; a later change stays untold."""


class ConfigurationRepository(Protocol):
    """Configuration of service instances, per application and version."""

    async def put(self, configuration: Configuration, change: ConfigurationChange) -> None:
        """Store a configuration in place of what was there; nobody has been told yet."""

    async def find(
        self, *, service: str, application: ApplicationName, version: AppVersionName | None
    ) -> Configuration | None:
        """The configuration that stands at exactly this place."""

    async def standing(
        self, *, service: str, application: ApplicationName, version: AppVersionName | None
    ) -> Standing | None:
        """The same, with the name of the write that put it there."""

    async def replace(
        self, before: Standing | None, configuration: Configuration, change: ConfigurationChange
    ) -> bool:
        """Store a configuration if ``before`` (None = nothing) still stands; nobody has been told yet."""

    def of_service(self, service: str, *, applications: Sequence[str] | None) -> AsyncIterator[Placed]:
        """All configuration of a service, or that for some applications and their versions, in any order."""

    async def effective(self, version: AppVersionName, *, service: str) -> Configuration | None:
        """The version's configuration, or else its application's."""

    async def remove(self, *, application: ApplicationName, version: AppVersionName | None) -> None:
        """Drop all configuration of a version, or of an application and its versions."""

    async def untold(self, *, before: datetime) -> list[ConfigurationChange]:
        """Changes that were made before then, and of which nobody may have been told."""

    async def forget_told(self, change: ConfigurationChange) -> None:
        """Note that everybody was told of this change; a later one stays untold."""


class BatchRepository(Protocol):
    """Tasks that create many endpoints."""

    async def add(self, batch: Batch) -> None:
        """Store a new task."""

    async def find(self, batch_id: BatchId) -> Batch | None:
        """The task of this id."""

    async def waiting(self, application: ApplicationName) -> int:
        """How many tasks of an application are not done."""

    async def due(self, *, at: datetime, limit: int) -> list[BatchId]:
        """Tasks that somebody has to come back to by then, those that wait longest first."""

    async def replace(self, before: Batch, after: Batch) -> bool:
        """Store ``after`` if the task still is ``before``."""

    async def remove(self, batch: Batch) -> None:
        """Drop the task if it still is this one."""


class RelationRepository(Protocol):
    """Relations of endpoints."""

    async def add(self, relation: Relation) -> bool:
        """Store a relation; False when it is there."""

    async def of(self, end: End) -> list[Relation]:
        """Relations at either end of which this life of an endpoint is."""

    async def count(self, end: End) -> int:
        """How many there are at most, those of earlier lives that nobody has dropped included."""

    async def remove(self, relation: Relation) -> None:
        """Drop a relation, if it is there."""

    async def forget(self, end: End) -> None:
        """Drop all relations of this life of an endpoint."""


class FilterRepository(Protocol):
    """Filters, all of an application as one thing."""

    async def find(self, application: ApplicationName) -> FilterSet:
        """The filters of an application; an empty set of revision 0 when it has never had any."""

    async def stamp(self, application: ApplicationName) -> tuple[int, int]:
        """The stamp of that set, which costs less than the set."""

    async def holding(self, filter_id: str) -> FilterSet | None:
        """The filters among which this one is."""

    async def replace(self, before: FilterSet, after: FilterSet) -> bool:
        """Store ``after`` if the set still is ``before``."""

    async def remove(self, application: ApplicationName) -> None:
        """Drop all filters of an application."""

    async def due(self, *, at: datetime, limit: int) -> list[ApplicationName]:
        """Whose endpoints are to be judged, and are nobody's work at that moment; the longest due first."""
