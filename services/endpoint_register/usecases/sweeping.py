"""Finish what somebody else began and did not live to finish.

At the start and every few seconds each replica looks for what has waited too long: events that were
never published, changes of configuration that nobody was told of, creations older than a minute,
removals half done, applications half closed. All of it may be done twice, so replicas need not agree
on who does it.
"""

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from libs.contracts.applications import DeleteApplication
from libs.contracts.errors import GroveError
from services.endpoint_register.domain.application import Application, Lifecycle
from services.endpoint_register.domain.endpoint import Endpoint, EndpointState
from services.endpoint_register.ports import Parts
from services.endpoint_register.usecases.changing import change_application
from services.endpoint_register.usecases.configuring import tell_untold
from services.endpoint_register.usecases.emptying import empty_application
from services.endpoint_register.usecases.removing import remove_endpoint

_AT_ONCE = 16
_EMPTY_WITHIN_S = 60.0

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How soon what was left behind is found.

    Attributes:
        every_s: How often it is looked for.
        outbox_after_s: Age at which an event, a removal, or a change of configuration counts as left
            behind.
        creating_after_s: Age at which a creation does: no step of it can be on its way any more.
    """

    every_s: float
    outbox_after_s: float
    creating_after_s: float


class Sweeper:
    """Sweeps; :meth:`run` is its root task."""

    def __init__(self, parts: Parts, *, pace: Pace) -> None:
        self._parts = parts
        self._pace = pace

    async def run(self) -> None:
        """Sweep until cancelled; a store or a bus that is away is waited for."""
        while True:
            try:
                await self.sweep()
            except GroveError as error:
                _log.warning("sweep.interrupted", reason=error.reason_phrase)
            await asyncio.sleep(self._pace.every_s)

    async def sweep(self) -> None:
        """Look once, and do all that is due.

        Raises:
            UnavailableError: The store is away; the next sweep goes on.
        """
        due = self._parts.clock.now() - timedelta(seconds=self._pace.outbox_after_s)
        if not self._parts.announcing.is_busy:
            await self._sweep_endpoints(due)
        await tell_untold(before=due, parts=self._parts)
        for application in await self._parts.applications.unfinished(before=due):
            await self._guarded(self._finish(application), "application", application.name)

    async def _sweep_endpoints(self, due: datetime) -> None:
        """Go through all that wait; not while there is a backlog, which the embedded store reads whole."""
        batch: list[Endpoint] = []
        async for endpoint in self._parts.endpoints.unfinished(before=due):
            if endpoint.state is EndpointState.READY:
                self._parts.announcing.offer(endpoint)
            elif endpoint.state is not EndpointState.CREATING or self._is_stale(endpoint):
                batch.append(endpoint)
            if len(batch) == _AT_ONCE:
                await self._remove(batch)
                batch.clear()
            if self._parts.announcing.is_busy:
                break
        await self._remove(batch)

    def _is_stale(self, endpoint: Endpoint) -> bool:
        age = self._parts.clock.now() - endpoint.created_at
        return age >= timedelta(seconds=self._pace.creating_after_s)

    async def _remove(self, batch: list[Endpoint]) -> None:
        async with asyncio.TaskGroup() as group:
            for endpoint in batch:
                removal = remove_endpoint(endpoint, correlation_id="", parts=self._parts)
                group.create_task(self._guarded(removal, "endpoint", endpoint.id), name="sweep endpoint")

    async def _finish(self, application: Application) -> None:
        if application.lifecycle is Lifecycle.DELETING:
            cmd = DeleteApplication(application_name=application.name, force=True)
            await empty_application(application, cmd=cmd, within_s=_EMPTY_WITHIN_S, parts=self._parts)
        elif self._is_abandoned(application):
            # Whoever closed it would have removed or reopened it long ago.
            await change_application(application.name, Application.all_reopened, parts=self._parts)

    def _is_abandoned(self, application: Application) -> bool:
        since = application.unfinished_since
        limit = timedelta(seconds=self._pace.creating_after_s)
        return since is not None and self._parts.clock.now() - since >= limit

    async def _guarded(self, work: Awaitable[None], kind: str, name: str) -> None:
        """Let one failure not stop the rest; it is due again at the next sweep."""
        try:
            await work
        except GroveError as error:
            _log.warning("sweep.unfinished", kind=kind, name=name, reason=error.reason_phrase)
        else:
            _log.info("sweep.finished", kind=kind, name=name)
