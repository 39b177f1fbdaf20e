"""How every change of an endpoint is written: in order, together, and never over somebody else's.

Changes of one endpoint stand in line within a replica. Whoever's turn it is takes what stands behind it
along: the endpoint is read once, the changes are applied one after the other, each with its own
conditions, outcome and event, and one compare-and-set writes them all. So a crowd on one endpoint
costs a few writes instead of one each. Between replicas the loser of that write reads again and waits a
little, differently from everybody else.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final

from libs.contracts.errors import ConflictError, DeadlineError, GroveError, NotFoundError, UnavailableError
from libs.contracts.ids import ApplicationName, EndpointId
from libs.contracts.messages import Request
from services.endpoint_register.domain.application import Application, Lifecycle
from services.endpoint_register.domain.endpoint import Endpoint, EndpointState
from services.endpoint_register.ports import (
    Announcing,
    Change,
    EndpointRepository,
    Entropy,
    Judging,
    Parts,
    Turns,
)

ATTEMPTS: Final = 40
"""Lost races of one change before it is a 409; their pauses together stay well below a request's 5 s."""

SETTLE_S: Final = 4.0
"""After this a change is not tried again, however few races it lost: a slow store makes each one long, and
those that stand behind it wait as well. A full outbox is no lost race: for room in it whoever leads waits as
long as its request does."""

TOGETHER: Final = 64
TURN_WAIT_S: Final = 4.5
"""A turn is waited for unless the request says for how long anybody waits for its answer."""

_TIME_TO_ANSWER_S: Final = 0.5

Outcome = Endpoint | GroveError


def patience_s(request: Request) -> float:
    """How long a request may stand in line: a little less than its caller waits."""
    return max(0.0, request.timeout / 1000 - _TIME_TO_ANSWER_S) if request.timeout else TURN_WAIT_S


async def find_ready(endpoint_id: EndpointId, *, parts: Parts, metadata: bool = True) -> Endpoint:
    """Find an endpoint that may be seen.

    Raises:
        NotFoundError: There is none, or it is half made or half removed.
    """
    return _seen(await parts.endpoints.find(endpoint_id, metadata=metadata), endpoint_id)


def same_incarnation(now: Endpoint, meant: Endpoint) -> Endpoint:
    """Give the endpoint that was meant, as it is now.

    Raises:
        NotFoundError: It is gone, and another one has its id, perhaps in another application.
    """
    if now.incarnation != meant.incarnation:
        raise NotFoundError(f"there is no endpoint {meant.id[:64]!a} any more")
    return now


class _Standing:
    """A change in line, and what became of it."""

    __slots__ = ("change", "outcome", "taken")

    def __init__(self, change: Change) -> None:
        self.change = change
        self.taken = False
        self.outcome: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()

    def settle(self, outcome: Outcome) -> None:
        if not self.outcome.done():
            self.outcome.set_result(outcome)

    async def result(self) -> Endpoint:
        outcome = await self.outcome
        if isinstance(outcome, GroveError):
            raise outcome
        return outcome


class EndpointChanges:
    """The line of every endpoint that is being changed."""

    def __init__(
        self,
        *,
        endpoints: EndpointRepository,
        turns: Turns,
        announcing: Announcing,
        entropy: Entropy,
        judging: Judging,
        settle_s: float = SETTLE_S,
    ) -> None:
        self._endpoints = endpoints
        self._turns = turns
        self._announcing = announcing
        self._entropy = entropy
        self._judging = judging
        self._settle_s = settle_s
        self._lines: dict[EndpointId, deque[_Standing]] = {}

    async def change(
        self, endpoint_id: EndpointId, change: Change, *, wait_s: float = TURN_WAIT_S
    ) -> Endpoint:
        """Apply ``change`` to the endpoint as it is at that moment, and let its events be published.

        Raises:
            NotFoundError: As :func:`find_ready`.
            ConflictError: Others were faster, again and again.
            UnavailableError: Too many changes wait, or the events of earlier ones cannot be published.
            DeadlineError: The turn did not come in time; nothing was changed.
            GroveError: What ``change`` raised.
        """
        mine = _Standing(change)
        until = asyncio.get_running_loop().time() + wait_s
        line = self._lines.setdefault(endpoint_id, deque())
        line.append(mine)
        try:
            await self._turns.run(endpoint_id, lambda: self._lead(endpoint_id, mine, until), wait_s=wait_s)
        except (DeadlineError, UnavailableError):
            if not mine.taken:
                raise
        finally:
            if not mine.taken:
                line.remove(mine)
            if not line and self._lines.get(endpoint_id) is line:
                del self._lines[endpoint_id]
        return await mine.result()

    async def _lead(self, endpoint_id: EndpointId, mine: _Standing, until: float) -> None:
        """Settle the change whose turn it is with those behind it, unless an earlier one did that."""
        if mine.taken:
            return
        line = self._lines[endpoint_id]
        batch = [line.popleft() for _ in range(min(TOGETHER, len(line)))]
        for standing in batch:
            standing.taken = True
        outcomes: Sequence[Outcome] = [UnavailableError("the change was interrupted")] * len(batch)
        try:
            changes = [standing.change for standing in batch]
            outcomes = await self._until_settled(endpoint_id, changes, room_by=until)
        except GroveError as error:
            outcomes = [error] * len(batch)
        finally:
            for standing, outcome in zip(batch, outcomes, strict=True):
                standing.settle(outcome)

    async def _until_settled(
        self, endpoint_id: EndpointId, changes: Sequence[Change], *, room_by: float
    ) -> Sequence[Outcome]:
        clock = asyncio.get_running_loop().time
        ends_at = clock() + self._settle_s
        room_by, tried, lost = max(ends_at, room_by), 0, 0
        while True:
            before = _seen(await self._endpoints.find(endpoint_id, outbox=True), endpoint_id)
            after, outcomes = _applied(before, changes)
            crowded = not before.has_room and after.state is EndpointState.READY
            if after is before:
                return outcomes
            after = await self._judging.judge(after)
            if crowded:
                self._announcing.offer(before)
            elif await self._endpoints.replace(before, after):
                self._announcing.offer(after)
                return outcomes
            await asyncio.sleep(self._entropy.pause_s(min(tried, ATTEMPTS)))
            tried += 1
            if crowded and clock() >= room_by:
                raise UnavailableError("events of this endpoint cannot be published at the moment")
            if crowded:
                ends_at, lost = max(ends_at, min(clock() + self._settle_s, room_by)), 0
                continue
            lost += 1
            if lost >= ATTEMPTS or clock() >= ends_at:
                raise ConflictError("concurrent changes of the endpoint could not be reconciled")


def _applied(before: Endpoint, changes: Sequence[Change]) -> tuple[Endpoint, Sequence[Outcome]]:
    """Apply changes one after the other; what one of them refuses concerns itself alone."""
    endpoint = before
    outcomes: list[Outcome] = []
    for change in changes:
        try:
            endpoint = change(_seen(endpoint, before.id)) or endpoint
            outcomes.append(endpoint)
        except GroveError as error:
            outcomes.append(error)
    return endpoint, outcomes


def _seen(endpoint: Endpoint | None, endpoint_id: EndpointId) -> Endpoint:
    if endpoint is None or endpoint.state is not EndpointState.READY:
        raise NotFoundError(f"there is no endpoint {endpoint_id[:64]!a}")
    return endpoint


async def change_application(
    name: ApplicationName, change: Callable[[Application], Application], *, parts: Parts
) -> Application:
    """Apply ``change`` to the application as it is at that moment.

    Raises:
        NotFoundError: There is none, or it is being removed.
        ConflictError: Others were faster, again and again.
    """
    for attempt in range(ATTEMPTS):
        before = await parts.applications.find(name)
        if before is None or before.lifecycle is Lifecycle.DELETING:
            raise NotFoundError(f"there is no application {name[:64]!a}")
        after = change(before)
        if await parts.applications.replace(before, after):
            return after
        await asyncio.sleep(parts.entropy.pause_s(attempt))
    raise ConflictError("concurrent changes of the application could not be reconciled")
