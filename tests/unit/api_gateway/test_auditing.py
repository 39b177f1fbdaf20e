"""A change is made only when it is written down, and its outcome follows whatever the stream does."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import msgspec
import pytest

from libs.contracts.api_keys import ApiKey, Scope
from libs.contracts.applications import EmptyReply
from libs.contracts.audit import AuditEntry, outcome_of
from libs.contracts.endpoints import DeleteEndpoint, GetEndpoint
from libs.contracts.errors import ConflictError, ForbiddenError, UnavailableError
from services.api_gateway.audit_entries import Call
from services.api_gateway.auditing import MAX_REFUSALS, Auditing, Trail
from services.api_gateway.routes import ROUTES
from tests.support.waiting import eventually

KEY = ApiKey(
    api_key_id="k1",
    name="planner",
    scope=Scope.WRITE,
    applications=None,
    created_date="2026-11-21T04:00:00.000Z",
    expiry_date=None,
    revoked=False,
)
DELETION = DeleteEndpoint(endpoint_id="tree-1")


class FakeLog:
    """Keeps what it is given, unless it is away; may be held up."""

    def __init__(self) -> None:
        self.batches: list[list[AuditEntry]] = []
        self.away = False
        self.open = asyncio.Event()
        self.open.set()

    @property
    def told(self) -> list[tuple[str, int]]:
        return [(each.operation, each.status_code) for batch in self.batches for each in batch]

    async def store(self, entries: Sequence[AuditEntry], *, deadline_s: float) -> None:
        async with asyncio.timeout(deadline_s):
            await self.open.wait()
        if self.away:
            raise UnavailableError("the stream is away")
        self.batches.append(list(entries))


class Clock:
    def now(self) -> datetime:
        return datetime(2026, 11, 21, 6, 0, tzinfo=UTC)


def call(operation_id: str = "deleteEndpoint") -> Call:
    route = next(each for each in ROUTES if each.operation_id == operation_id)
    return Call(route=route, values={"endpointId": "tree-1"}, correlation_id="c1", remote_address="192.0.2.7")


@asynccontextmanager
async def running(
    log: FakeLog, *, patience_s: float = 5.0, max_outcomes: int = 100
) -> AsyncIterator[tuple[Trail, Auditing]]:
    trail = Trail(log, patience_s=patience_s, max_outcomes=max_outcomes)
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(trail.run(), name="trail")
        yield trail, Auditing(trail, clock=Clock())
        task.cancel()


async def test_a_change_is_written_down_before_it_is_made_and_again_with_its_outcome() -> None:
    log = FakeLog()
    async with running(log) as (trail, auditing):
        async with auditing.change(call(), KEY, DELETION) as change:
            assert log.told == [("deleteEndpoint", 0)]
            change.done(EmptyReply())
        await trail.finish(within_s=5)

    (begun,), (ended,) = log.batches
    assert log.told == [("deleteEndpoint", 0), ("deleteEndpoint", 204)]
    assert msgspec.structs.replace(ended, status_code=0) == begun


async def test_a_change_that_cannot_be_written_down_is_not_made() -> None:
    log = FakeLog()
    log.away = True
    made = False
    async with running(log) as (trail, auditing):
        with pytest.raises(UnavailableError, match="was not made"):
            async with auditing.change(call(), KEY, DELETION):
                made = True
        log.away = False
        await trail.finish(within_s=5)

    assert not made
    assert log.told == [("deleteEndpoint", 503)]


async def test_a_stream_that_is_silent_refuses_changes_in_time() -> None:
    log = FakeLog()
    log.open.clear()
    async with running(log, patience_s=0.05) as (_, auditing):
        async with asyncio.timeout(5):
            with pytest.raises(UnavailableError):
                async with auditing.change(call(), KEY, DELETION):
                    pytest.fail("made")
        log.open.set()


@pytest.mark.parametrize(
    ("error", "status", "outcome"),
    [
        pytest.param(ConflictError("no"), 409, "refused", id="refused by its owner"),
        pytest.param(UnavailableError("later"), 503, "unknown", id="perhaps done"),
        pytest.param(ZeroDivisionError(), 500, "unknown", id="a bug"),
    ],
)
async def test_what_went_wrong_is_told(error: Exception, status: int, outcome: str) -> None:
    log = FakeLog()
    async with running(log) as (trail, auditing):
        with pytest.raises(type(error)):
            async with auditing.change(call(), KEY, DELETION):
                raise error
        await trail.finish(within_s=5)

    assert log.told[-1] == ("deleteEndpoint", status)
    assert outcome_of(status) == outcome


async def test_a_change_that_was_cut_off_has_no_outcome() -> None:
    log = FakeLog()
    async with running(log) as (trail, auditing):
        with pytest.raises(asyncio.CancelledError):
            async with auditing.change(call(), KEY, DELETION):
                raise asyncio.CancelledError
        await trail.finish(within_s=5)

    assert log.told == [("deleteEndpoint", 0)]
    assert outcome_of(0) == "unknown"


async def test_a_call_that_only_asks_leaves_no_trace() -> None:
    log = FakeLog()
    async with running(log) as (trail, auditing):
        async with auditing.change(call("getEndpoint"), KEY, GetEndpoint(endpoint_id="tree-1")):
            pass
        with pytest.raises(ForbiddenError), auditing.refusals(call("getEndpoint"), KEY):
            raise ForbiddenError
        await trail.finish(within_s=5)

    assert not log.batches


async def test_changes_of_the_same_time_share_a_publish() -> None:
    log = FakeLog()
    log.open.clear()
    async with running(log) as (_, auditing):

        async def make() -> None:
            async with auditing.change(call(), KEY, DELETION):
                pass

        async with asyncio.TaskGroup() as tasks:
            for number in range(20):
                tasks.create_task(make(), name=f"change {number}")
            await asyncio.sleep(0)
            log.open.set()

    begun = [[each for each in batch if not each.status_code] for batch in log.batches]
    assert sum(map(len, begun)) == 20
    assert len([batch for batch in begun if batch]) <= 2


async def test_outcomes_wait_for_the_stream_and_not_without_bound() -> None:
    log = FakeLog()
    async with running(log, max_outcomes=3) as (trail, auditing):
        async with auditing.change(call(), KEY, DELETION):
            log.away = True
        for number in range(10):
            trail.end(msgspec.structs.replace(log.batches[0][0], status_code=200 + number))
        log.away = False

        async def told() -> bool:
            return len(log.told) == 4

        await eventually(told, what="what waited is told")

    assert log.told[1] == ("deleteEndpoint", 204)


async def test_a_key_that_may_not_is_told_of_and_cannot_fill_the_trail() -> None:
    log = FakeLog()
    async with running(log, max_outcomes=1000) as (trail, auditing):
        for _ in range(3 * MAX_REFUSALS):
            with pytest.raises(ForbiddenError), auditing.refusals(call(), KEY):
                raise ForbiddenError
        await trail.finish(within_s=5)

    assert set(log.told) == {("deleteEndpoint", 403)}
    assert MAX_REFUSALS <= len(log.told) <= MAX_REFUSALS + 10


class SilentLog(FakeLog):
    """Does not answer until it is open, as a server that was frozen."""

    async def store(self, entries: Sequence[AuditEntry], *, deadline_s: float) -> None:
        del deadline_s
        await self.open.wait()
        self.batches.append(list(entries))


async def test_changes_that_gave_up_wait_no_more_however_long_the_stream_is_silent() -> None:
    log = SilentLog()
    log.open.clear()

    async def attempt(auditing: Auditing) -> None:
        with pytest.raises(UnavailableError, match="was not made"):
            async with auditing.change(call(), KEY, DELETION):
                raise AssertionError("it was made")

    async with running(log, patience_s=0.02) as (trail, auditing):
        async with asyncio.TaskGroup() as group:
            for _ in range(300):
                group.create_task(attempt(auditing), name="change")
        waiting = len(trail)
        log.open.set()

    assert waiting == 0
