"""Filters in memory, held to the same contract as the real repository."""

import asyncio
from datetime import datetime

from libs.contracts.ids import ApplicationName
from services.endpoint_register.domain.filters import FilterSet


class InMemoryFilterRepository:
    """``reads`` counts how often somebody looked whether there is something new."""

    def __init__(self) -> None:
        self.kept: dict[ApplicationName, FilterSet] = {}
        self.reads = 0

    async def find(self, application: ApplicationName) -> FilterSet:
        return self.kept.get(application, FilterSet(application=application))

    async def stamp(self, application: ApplicationName) -> tuple[int, int]:
        self.reads += 1
        await asyncio.sleep(0)
        return (await self.find(application)).stamp

    async def holding(self, filter_id: str) -> FilterSet | None:
        return next((each for each in self.kept.values() if each.holds(filter_id)), None)

    async def replace(self, before: FilterSet, after: FilterSet) -> bool:
        now = await self.find(before.application)
        if (now.revision, now.generation) != (before.revision, before.generation):
            return False
        self.kept[after.application] = after
        return True

    async def remove(self, application: ApplicationName) -> None:
        self.kept.pop(application, None)

    async def due(self, *, at: datetime, limit: int) -> list[ApplicationName]:
        due = [each.progress.due_at for each in self.kept.values() if each.progress is not None]
        return [
            name
            for moment in sorted(set(due))
            for name, each in self.kept.items()
            if moment < at and each.progress is not None and each.progress.due_at == moment
        ][:limit]
