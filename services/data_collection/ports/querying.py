"""What is computed from samples, how it is kept, and how it is asked for.

Repositories never raise for a lost race; what they raise is UnavailableError when the store cannot be
reached, and then whether a write happened is unknown.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from libs.contracts.app_configs import Configuration, Placed
from services.data_collection.domain.configuration import Standing, TimeSeriesConfiguration
from services.data_collection.domain.lasts import Lasts
from services.data_collection.domain.rollups import Mark, Rollup


class Clock(Protocol):
    """What time it is."""

    def now(self) -> datetime:
        """An aware instant."""
        ...


class Configurations(Protocol):
    """What is configured, from memory."""

    async def of(self, app_version: str) -> TimeSeriesConfiguration:
        """What holds for a version: its own configuration, or else its application's, or the default.

        Raises:
            UnavailableError: It is not in memory, and the store is away.
        """
        ...


class ConfigurationRepository(Protocol):
    """Documents of configuration."""

    async def put(
        self,
        configuration: Configuration,
        *,
        instance: str,
        application: str,
        version: str | None,
        incarnation: str,
    ) -> None:
        """Store a document in place of what was there.

        Args:
            configuration: The document.
            instance: Of which service instance.
            application: For which application.
            version: For which version of it; None = the application itself.
            incarnation: Which life of the application or version it is put for.
        """
        ...

    async def find(self, *, instance: str, application: str, version: str | None) -> Configuration | None:
        """The document at exactly this place."""
        ...

    async def standing(self, *, instance: str, application: str, version: str | None) -> Standing | None:
        """The same, and which life it was put for."""
        ...

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
        """Store a document, as :meth:`put`, if ``before`` (None = nothing) still stands there."""
        ...

    def all_of(self, instance: str, *, applications: Sequence[str] | None) -> AsyncIterator[Placed]:
        """Documents of an instance, or those for some applications and their versions, in any order."""
        ...

    async def of_application(self, application: str) -> Mapping[tuple[str, str | None], Configuration]:
        """All documents of an application, by instance and version."""
        ...

    async def of_instance(self, instance: str) -> Mapping[str, Configuration]:
        """Documents of an instance, by application; those of versions are left out."""
        ...

    async def applications(self, *, after: str) -> list[str]:
        """Name some applications that have documents, those behind ``after``, in order; none = no more."""
        ...

    async def incarnations(self, application: str) -> Mapping[tuple[str, str | None], str]:
        """For which lives the documents of an application were put, by instance and version.

        Empty where an older release put one, which did not say.
        """
        ...

    async def remove(self, *, instance: str, application: str, version: str | None, incarnation: str) -> bool:
        """Drop a document if it was put for this life; whether it was."""
        ...


class Applications(Protocol):
    """Which applications and versions there are; another service knows."""

    async def check(self, application: str, version: str | None) -> None:
        """Return when they exist.

        Raises:
            NotFoundError: They do not.
        """
        ...

    async def incarnations(self, application: str) -> Mapping[str | None, str]:
        """Name the lives of an application (under None) and its versions, asked for anew; none = it is gone.

        Raises:
            UnavailableError: Nobody knows now.
        """
        ...

    async def application_of_endpoint(self, endpoint_id: str) -> str:
        """To which application an endpoint belongs.

        Raises:
            NotFoundError: There is none.
        """
        ...


class Announcements(Protocol):
    """Tells all replicas."""

    async def changed(self, *, application: str, version: str | None, instance: str) -> None:
        """Let everybody forget what was configured.

        Raises:
            GroveError: They could not be told; what they remember ends by itself.
        """
        ...


class LastRepository(Protocol):
    """The last points of endpoints."""

    async def find_many(self, endpoint_ids: Sequence[str]) -> dict[str, Lasts]:
        """Those there are."""
        ...

    async def page(self, application: str, *, after: str, limit: int) -> list[Lasts]:
        """Those of an application whose endpoint id is above ``after``, by id."""
        ...

    async def advance(self, lasts: Sequence[Lasts]) -> list[str]:
        """Store each in place of the revision before it; returns the endpoints where another was faster."""
        ...

    async def forget(self, endpoint_id: str) -> None:
        """Drop what is kept for an endpoint."""
        ...


class SeriesRepository(Protocol):
    """Which series and values were ever seen."""

    async def add(self, application: str, series: Mapping[str, Sequence[str]]) -> None:
        """Note that these were seen; again is no harm."""
        ...

    async def of(self, application: str) -> dict[str, list[str]]:
        """Series to value names, both sorted."""
        ...


class RollupRepository(Protocol):
    """Computed hours, and marks of those that have to be computed."""

    async def mark(self, marks: Sequence[Mark]) -> None:
        """Mark hours; an hour may have many marks. Returns when it is durable."""
        ...

    async def due(self, from_ms: int, to_ms: int, *, limit: int) -> list[Mark]:
        """Some marks whose time comes in ``from_ms <= time < to_ms``."""
        ...

    async def claim(self, mark: Mark, *, until_ms: int) -> bool:
        """Keep others from computing for this mark until then; False = another does, or it is gone."""
        ...

    async def settle(self, mark: Mark, *, now_ms: int) -> None:
        """Remove this mark, and those of its hour that were due then; ``now_ms`` as when it was claimed."""
        ...

    async def marked(self, endpoint_id: str, from_ms: int, to_ms: int, *, limit: int) -> set[int] | None:
        """Starts of marked hours in ``from_ms <= start < to_ms``; None = there are more marks than that."""
        ...

    async def put(self, rollup: Rollup) -> None:
        """Store a computed hour in place of what was there."""
        ...

    async def drop(self, endpoint_id: str, hour_ms: int) -> None:
        """Remove a computed hour: it is served from samples."""
        ...

    async def hours(
        self, endpoint_id: str, from_ms: int, to_ms: int, *, minutes: bool, limit: int, newest_first: bool
    ) -> list[Rollup]:
        """Computed hours with ``from_ms <= start < to_ms``, in order; ``minutes`` only if asked for."""
        ...

    async def drop_older(self, endpoint_id: str, before_ms: int, *, application: str, limit: int) -> int:
        """Remove the oldest computed hours that start before an instant; return how many there were.

        Only hours with samples of this application. At most ``limit``; fewer = none is left. Marks stay.
        """
        ...

    async def forget(self, endpoint_id: str, *, limit: int) -> int:
        """Drop hours and marks of an endpoint and return how many; 0 = none is left."""
        ...
