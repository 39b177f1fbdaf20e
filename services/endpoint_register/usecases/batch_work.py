"""Carry out tasks that create many endpoints; whoever dies is followed by somebody who goes on.

A worker takes the task that waits longest by a compare-and-set that holds it for a while, works on a slice
of it, notes what became of each endpoint, and lets it go: so tasks take turns, and replicas share them. A
worker that was paused for longer does no harm: what it creates is what its follower creates, and what it
notes is refused.

Each endpoint is created as always (:func:`.endpoints.complete`), under the id and with the token that were
drawn when the task was accepted. What is found under that id is ours by its incarnation: it is completed,
waited for to go, or was created already.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import structlog

from libs.contracts.errors import ConflictError, GroveError, UnavailableError
from services.endpoint_register.domain.batch import DONE_KEPT, GIVE_UP_AFTER, Batch, BatchId, BatchState
from services.endpoint_register.domain.endpoint import Endpoint, EndpointState
from services.endpoint_register.ports import Parts
from services.endpoint_register.usecases.endpoints import complete
from services.endpoint_register.usecases.removing import discard
from services.endpoint_register.usecases.scope import check_open

_AT_ONCE: Final = 16
_NOTED_TOGETHER: Final = 64
_SLICE: Final = 256
_ATTEMPTS: Final = 3
_LOOKED_AT: Final = 16
_FIRST_SERVER_ERROR: Final = 500
_MAX_REASON: Final = 300

_log = structlog.get_logger()

Outcomes = dict[int, str | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchPace:
    """How soon tasks are gone on with.

    Attributes:
        every_s: How often new ones are looked for.
        lease_s: How long a worker that says nothing is waited for.
        retry_s: How long a task rests after something it needs was away.
    """

    every_s: float = 1.0
    lease_s: float = 20.0
    retry_s: float = 5.0


class BatchWorker:
    """Works on tasks; :meth:`run` is its root task."""

    def __init__(self, parts: Parts, *, pace: BatchPace) -> None:
        self._parts = parts
        self._pace = pace

    async def run(self) -> None:
        """Work until cancelled; a store that is away is waited for."""
        while True:
            try:
                busy = await self.work()
            except GroveError as error:
                _log.warning("batches.interrupted", reason=error.reason_phrase)
                busy = False
            if not busy:
                await asyncio.sleep(self._pace.every_s)

    async def work(self) -> bool:
        """Do a slice of every task that is due, and tell whether any was.

        Raises:
            UnavailableError: The store is away.
        """
        due = await self._parts.batches.due(at=self._parts.clock.now(), limit=_LOOKED_AT)
        moved = False
        for batch_id in due:
            try:
                moved = await self._come_back_to(batch_id) or moved
            except GroveError as error:
                _log.warning("batch.interrupted", batch=batch_id, reason=error.reason_phrase)
        return moved

    async def _come_back_to(self, batch_id: BatchId) -> bool:
        now, batches = self._parts.clock.now(), self._parts.batches
        batch = await batches.find(batch_id)
        if batch is None or batch.due_at > now:
            return False
        if batch.done_at is not None:
            if now >= batch.done_at + DONE_KEPT:
                await batches.remove(batch)
            else:
                await batches.replace(batch, batch.without_tokens(done_at=batch.done_at))
            return True
        if batch.state is BatchState.OFFERED:
            await batches.remove(batch)
            return True
        claimed = batch.claimed(until=self._until())
        if not await batches.replace(batch, claimed):
            return False
        return await self._slice(claimed)

    async def _slice(self, batch: Batch) -> bool:
        """Create some of what is left, and let the task go; False when it cannot be gone on with now."""
        pending = batch.pending[:_SLICE]
        rest_s = 0.0
        for start in range(0, len(pending), _NOTED_TOGETHER):
            numbers = pending[start : start + _NOTED_TOGETHER]
            outcomes = await self._create_all(batch, numbers)
            after = batch.noted(outcomes, at=self._parts.clock.now(), until=self._until())
            if not await self._parts.batches.replace(batch, after):
                return False  # somebody else has it
            batch = after
            if len(outcomes) < len(numbers):
                rest_s = self._pace.retry_s
            if not outcomes:
                break  # what it takes is away; a single endpoint that fails again and again is passed by
        if batch.state is BatchState.DONE:
            _log.info("batch.done", batch=batch.id, endpoints=len(batch.items))
            return True
        resumed_at = self._parts.clock.now() + timedelta(seconds=rest_s)
        await self._parts.batches.replace(batch, batch.released(at=resumed_at))
        return not rest_s

    async def _create_all(self, batch: Batch, numbers: Sequence[int]) -> Outcomes:
        """Create endpoints side by side; whatever may still succeed later is left out."""
        room = asyncio.Semaphore(_AT_ONCE)
        outcomes: Outcomes = {}

        async def create(number: int) -> None:
            async with room:
                try:
                    await create_item(batch, number, parts=self._parts)
                except GroveError as error:
                    if error.status_code < _FIRST_SERVER_ERROR or self._is_given_up(batch):
                        outcomes[number] = error.reason_phrase[:_MAX_REASON]
                else:
                    outcomes[number] = None

        async with asyncio.TaskGroup() as group:
            for number in numbers:
                group.create_task(create(number), name="create endpoint of a batch")
        return outcomes

    def _is_given_up(self, batch: Batch) -> bool:
        return self._parts.clock.now() - batch.created_at >= GIVE_UP_AFTER

    def _until(self) -> datetime:
        return self._parts.clock.now() + timedelta(seconds=self._pace.lease_s)


async def create_item(batch: Batch, number: int, *, parts: Parts) -> None:
    """Return when the endpoint of an item exists, whoever created it for this task.

    Raises:
        NotFoundError: The version is gone.
        ConflictError: The id or the token is taken, or the version is being removed.
        UnavailableError: Not now; what was begun is gone on with, or taken back after a minute.
    """
    item = batch.items[number]
    if item.token is None:
        raise ConflictError("its token was forgotten")
    for _ in range(_ATTEMPTS):
        await check_open(batch.version, parts=parts)
        hidden = _hidden(batch, number, parts)
        if not await parts.endpoints.add(hidden):
            found = await parts.endpoints.find(item.endpoint_id)
            if found is None:
                continue
            if not found.incarnation.startswith(batch.lineage(number)):
                raise ConflictError(f"endpoint id {item.endpoint_id} is taken")
            if found.state is EndpointState.DISCARDING:
                await discard(found, parts=parts)
                continue
            if found.state is not EndpointState.CREATING:
                return
            hidden = found
        await complete(hidden, item.token, correlation_id=batch.correlation_id, parts=parts)
        return
    raise UnavailableError("the endpoint is being taken back")


def _hidden(batch: Batch, number: int, parts: Parts) -> Endpoint:
    item, now = batch.items[number], parts.clock.now()
    return Endpoint(
        id=item.endpoint_id,
        application=batch.application,
        version=batch.version,
        version_since=now,
        created_at=now,
        incarnation=f"{batch.lineage(number)}{parts.entropy.attempt()}",
        metadata=item.metadata,
    )
