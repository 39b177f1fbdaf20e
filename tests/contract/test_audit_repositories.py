"""What credential-manager expects of the repository of audit records, held by the fake and by MongoDB."""

from collections.abc import AsyncIterator

import msgspec
import pytest

from libs.contracts.audit import first_id
from libs.store import Store
from services.credential_manager.domain.audit import Holder, Range
from services.credential_manager.mongo import MongoAuditRepository
from services.credential_manager.ports import AuditRepository
from tests.support.audit import NOON_MS, InMemoryAuditRepository, entry
from tests.support.servers import StoreServer, fresh_database

ALL = Range()


@pytest.fixture(params=["memory", "mongo"])
async def records(request: pytest.FixtureRequest) -> AsyncIterator[AuditRepository]:
    if request.param == "memory":
        yield InMemoryAuditRepository()
        return
    server: StoreServer = request.getfixturevalue("server")
    store = Store.open(server.url, database=fresh_database(), app_name="contract")
    repository = MongoAuditRepository(store)
    await repository.prepare()
    yield repository
    await store.close()


async def test_records_come_back_as_they_were_the_newest_first(records: AuditRepository) -> None:
    old, new = entry(1), entry(2, second=1, endpoint_id="", application_name="", status_code=0)
    await records.put([new, old])

    assert await records.newest(ALL, limit=10) == [new, old]
    assert await records.newest(ALL, limit=1) == [new]


async def test_the_same_record_again_doubles_nothing(records: AuditRepository) -> None:
    known = entry(1)
    for _ in range(3):
        await records.put([known])

    assert await records.newest(ALL, limit=10) == [known]


async def test_an_outcome_completes_what_was_begun(records: AuditRepository) -> None:
    begun = entry(1, endpoint_id="", application_name="", status_code=0)
    ended = entry(1, status_code=201)
    await records.put([begun])
    await records.put([ended])

    assert await records.newest(ALL, limit=10) == [ended]
    by_endpoint = Range(criterion=("endpointId", "tree-1"))
    assert await records.newest(by_endpoint, limit=10) == [ended]


async def test_a_beginning_that_comes_late_takes_no_outcome_away(records: AuditRepository) -> None:
    ended = entry(1, status_code=409)
    await records.put([ended])
    await records.put([msgspec.structs.replace(ended, status_code=0)])

    assert await records.newest(ALL, limit=10) == [ended]


async def test_an_outcome_keeps_the_application_that_was_found_before(records: AuditRepository) -> None:
    await records.put([entry(1, status_code=0)])
    await records.put([entry(1, application_name="")])

    assert await records.newest(ALL, limit=10) == [entry(1)]


async def test_records_are_found_by_each_criterion(records: AuditRepository) -> None:
    await records.put(
        [
            entry(1),
            entry(2, second=1, api_key_id="key-2", endpoint_id="tree-2"),
            entry(3, second=2, endpoint_id="tree-2", application_name="pears"),
            entry(4, second=3, api_key_id="key-2"),
        ]
    )

    async def numbers(name: str, value: str) -> list[str]:
        found = await records.newest(Range(criterion=(name, value)), limit=10)
        return [each.correlation_id for each in found]

    assert await numbers("apiKeyId", "key-2") == ["c4", "c2"]
    assert await numbers("endpointId", "tree-2") == ["c3", "c2"]
    assert await numbers("application", "pears") == ["c3"]
    assert await numbers("application", "plums") == []


async def test_a_range_has_its_first_and_not_its_end(records: AuditRepository) -> None:
    entries = [entry(number, second=number / 1000) for number in range(5)]
    await records.put(entries)

    from_two = Range(first=first_id(NOON_MS + 2), end=first_id(NOON_MS + 4))
    at_a_record = Range(end=entries[3].record_id, criterion=("endpointId", "tree-1"))

    assert await records.newest(from_two, limit=10) == [entries[3], entries[2]]
    assert await records.newest(at_a_record, limit=2) == [entries[2], entries[1]]


async def test_records_of_the_same_instant_are_told_apart(records: AuditRepository) -> None:
    entries = [entry(number) for number in range(5)]
    await records.put(entries)
    found = []
    span = ALL
    while page := await records.newest(span, limit=2):
        found += page
        span = Range(end=page[-1].record_id)

    assert found == entries[::-1]


async def test_a_span_of_time_is_forgotten(records: AuditRepository) -> None:
    entries = [entry(number, second=number) for number in range(4)]
    await records.put(entries)

    deleted = await records.forget(from_ms=NOON_MS, before_ms=NOON_MS + 2000)

    assert deleted == 2
    assert await records.newest(ALL, limit=10) == [entries[3], entries[2]]


async def test_applications_of_endpoints_are_remembered_until_they_are_old(records: AuditRepository) -> None:
    await records.note({"tree-1": Holder("olives", 1), "tree-2": Holder("pears", 5)})
    await records.note({"tree-1": Holder("plums", 2)})

    assert await records.holders({"tree-1", "tree-2", "tree-3"}) == {
        "tree-1": Holder("plums", 2),
        "tree-2": Holder("pears", 5),
    }
    await records.forget_holders(before_ms=5)
    assert await records.holders({"tree-1", "tree-2"}) == {"tree-2": Holder("pears", 5)}
