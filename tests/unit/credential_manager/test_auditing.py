"""What is kept of changes, who finds it, and for how long."""

import itertools
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, TypeAlias

import pytest
from msgspec import UNSET

from libs.contracts.audit import AuditEntry, AuditPage, ListAuditRecords, first_id
from libs.contracts.errors import BadRequestError, ForbiddenError, UnavailableError
from services.credential_manager.domain.audit import FIRST_STEP_MS, Holder, Range, steps
from services.credential_manager.usecases.auditing import MAX_PASSED, AuditParts, forget, keep, list_records
from tests.support.audit import NOON_MS, InMemoryAuditRepository, entry
from tests.support.credential_manager import FakeDirectory

Anything: TypeAlias = Any

NOON = datetime.fromtimestamp(NOON_MS / 1000, UTC)


class Clock:
    def __init__(self) -> None:
        self.time = NOON + timedelta(minutes=1)

    def now(self) -> datetime:
        return self.time


class World:
    def __init__(self) -> None:
        self.records = InMemoryAuditRepository()
        self.directory = FakeDirectory()
        self.clock = Clock()
        self.parts = AuditParts(
            records=self.records,
            endpoints=self.directory,
            clock=self.clock,
            kept_for=timedelta(days=30),
        )

    async def keep(self, *entries: AuditEntry) -> None:
        await keep(entries, parts=self.parts)

    async def ask(self, **question: Anything) -> AuditPage:
        return await list_records(ListAuditRecords(**question), parts=self.parts)

    async def numbers(self, **question: Anything) -> list[str]:
        return [each.correlation_id for each in (await self.ask(**question)).content]


@pytest.fixture
def world() -> World:
    return World()


async def test_a_beginning_and_its_outcome_are_one_record(world: World) -> None:
    begun, ended = entry(1, status_code=0), entry(1)
    await world.keep(begun, ended)
    await world.keep(begun)

    (record,) = (await world.ask()).content
    assert (record.time, record.outcome, record.status_code) == (
        "2026-11-21T12:00:00.000Z",
        "succeeded",
        204,
    )


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        pytest.param(0, "unknown", id="none"),
        pytest.param(201, "succeeded", id="done"),
        pytest.param(403, "refused", id="refused"),
        pytest.param(503, "unknown", id="perhaps done"),
    ],
)
async def test_an_outcome_is_said_in_a_word(world: World, status: int, outcome: str) -> None:
    await world.keep(entry(1, status_code=status))

    (record,) = (await world.ask()).content
    assert (record.outcome, record.status_code) == (outcome, status or UNSET)


async def test_an_endpoint_without_its_application_gets_that_from_the_register(world: World) -> None:
    await world.keep(entry(1, application_name=""))

    assert await world.numbers(application_name="olives") == ["c1"]


async def test_what_is_known_of_an_endpoint_outlives_it(world: World) -> None:
    await world.keep(entry(1, application_name="pears", endpoint_id="tree-9", status_code=201))
    await world.keep(entry(2, application_name="", endpoint_id="tree-9", second=1))

    assert await world.numbers(application_name="pears") == ["c2", "c1"]
    assert world.directory.asked == 0


async def test_what_a_refused_caller_claimed_is_not_believed(world: World) -> None:
    await world.keep(entry(1, application_name="pears", endpoint_id="tree-9", status_code=403))
    await world.keep(entry(2, application_name="", endpoint_id="tree-9", second=1))

    assert await world.numbers(application_name="pears") == ["c1"]


async def test_a_register_that_is_away_keeps_nothing_from_being_kept(world: World) -> None:
    def away(_: int) -> None:
        raise UnavailableError("away")

    world.directory.before_answering = away
    await world.keep(entry(1, application_name=""))

    (record,) = (await world.ask()).content
    assert record.application_name is UNSET


async def test_changes_of_no_endpoint_are_of_no_application(world: World) -> None:
    await world.keep(
        entry(1, endpoint_id="", application_name="olives"),
        entry(2, endpoint_id="", application_name="", operation="createApiKey"),
    )

    (record,) = (await world.ask(operation="createApiKey")).content
    assert record.application_name is UNSET


async def test_all_criteria_hold_at_once(world: World) -> None:
    await world.keep(
        entry(1),
        entry(2, second=1, api_key_id="key-2"),
        entry(3, second=2, api_key_id="key-2", operation="deleteEndpoint"),
        entry(4, second=3, api_key_id="key-2", endpoint_id="tree-2"),
        entry(5, second=4, api_key_id="key-2", application_name="pears"),
    )

    mine = {"api_key_id": "key-2", "endpoint_id": "tree-1", "application_name": "olives"}
    assert await world.numbers(**mine) == ["c3", "c2"]
    assert await world.numbers(**mine, operation="deleteEndpoint") == ["c3"]
    assert await world.numbers(from_date="2026-11-21T12:00:01Z", to_date="2026-11-21T12:00:03Z") == [
        "c3",
        "c2",
    ]


async def test_pages_follow_each_other_without_gap_or_repetition(world: World) -> None:
    numbers = range(50)
    await world.keep(*(entry(number, second=number // 3 * 20 - 900) for number in numbers))
    found: list[str] = []
    page = await world.ask(limit=7)
    while page.next is not UNSET:
        found += [each.correlation_id for each in page.content]
        page = await world.ask(limit=7, cursor=page.next)
    found += [each.correlation_id for each in page.content]

    assert found == [f"c{number}" for number in reversed(numbers)]


async def test_a_page_ends_when_it_has_looked_at_many_records(world: World) -> None:
    await world.records.put([entry(number, second=-1) for number in range(MAX_PASSED + 10)])
    await world.records.put([entry(1, second=-2, operation="deleteEndpoint")])

    first = await world.ask(operation="deleteEndpoint")
    assert isinstance(first.next, str)
    second = await world.ask(operation="deleteEndpoint", cursor=first.next)

    assert first.content == []
    assert [each.correlation_id for each in second.content] == ["c1"]


async def test_a_limited_key_sees_what_was_done_to_its_applications_alone(world: World) -> None:
    await world.keep(
        entry(1),
        entry(2, second=1, endpoint_id="tree-2", application_name="pears"),
        entry(3, second=2, endpoint_id="", application_name="", operation="createApiKey"),
    )

    assert await world.numbers(applications=("olives",)) == ["c1"]
    assert await world.numbers(applications=("olives", "plums")) == ["c1"]
    assert await world.numbers(applications=("plums",), endpoint_id="tree-1") == []
    with pytest.raises(ForbiddenError):
        await world.ask(applications=("olives",), application_name="pears")


@pytest.mark.parametrize(
    "question",
    [
        pytest.param({"from_date": "yesterday"}, id="no date"),
        pytest.param({"to_date": "1969-01-01T00:00:00Z"}, id="before the epoch"),
        pytest.param(
            {"from_date": "2026-11-22T00:00:00Z", "to_date": "2026-11-21T00:00:00Z"}, id="backwards"
        ),
        pytest.param({"cursor": "../.."}, id="no cursor"),
        pytest.param({"endpoint_id": "tree 1"}, id="no endpoint id"),
        pytest.param({"application_name": "OLIVES"}, id="no application name"),
        pytest.param({"operation": "o" * 257}, id="too long"),
        pytest.param({"limit": 0}, id="no records"),
    ],
)
async def test_a_bad_question_is_refused(world: World, question: dict[str, Anything]) -> None:
    with pytest.raises(BadRequestError):
        await world.ask(**question)


async def test_what_is_too_old_is_forgotten_and_not_shown_before(world: World) -> None:
    old, young = entry(1, second=-3600), entry(2)
    await world.keep(old, young)
    world.clock.time = NOON + timedelta(days=30) - timedelta(minutes=30)

    assert await world.numbers() == ["c2"]
    assert await forget(world.parts) == 1
    assert list(world.records.records) == [young.record_id]
    assert world.records.noted == {"tree-1": Holder("olives", NOON_MS + 60_000)}


async def test_who_keeps_records_for_longer_than_there_was_time_forgets_none(world: World) -> None:
    await world.keep(entry(1))
    parts = replace(world.parts, kept_for=timedelta(days=36_500))

    assert await forget(parts) == 0
    assert len((await list_records(ListAuditRecords(), parts=parts)).content) == 1


def spans(span: Range) -> Iterator[tuple[str, str]]:
    return ((each.first, each.end) for each in steps(span, now_ms=NOON_MS))


def test_steps_back_through_time_leave_nothing_out_and_grow() -> None:
    found = list(spans(Range(first=first_id(NOON_MS - 86_400_000))))

    assert found[0][0] == first_id(NOON_MS - FIRST_STEP_MS)
    assert found[-1][0] == first_id(NOON_MS - 86_400_000)
    assert all(later[0] == earlier[1] for later, earlier in itertools.pairwise(found))
    assert len(found) <= 10


def test_an_empty_range_has_no_steps() -> None:
    assert not list(spans(Range(first=first_id(NOON_MS), end=first_id(NOON_MS))))
