"""What else endpoint-register keeps, in memory, held to the contract of the real ones in tests/contract."""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime

from libs.contracts.app_configs import Configuration, Placed
from libs.contracts.errors import GroveError
from libs.contracts.ids import ApplicationName, AppVersionName
from services.endpoint_register.domain.application import Application, Place
from services.endpoint_register.domain.batch import Batch, BatchId, BatchState
from services.endpoint_register.domain.configuration import ConfigurationChange, Standing
from services.endpoint_register.domain.relation import End, Relation
from tests.unit.endpoint_register.time_and_chance import Hook, ManualClock, nothing


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
