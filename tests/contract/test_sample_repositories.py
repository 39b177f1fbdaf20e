"""What repositories of samples promise, held against the fake and the real store."""

from collections.abc import AsyncIterator, Iterator
from itertools import product

import pytest

from libs.store import Store
from services.data_collection.domain.samples import Place, Sample
from services.data_collection.domain.storing import Inserted
from services.data_collection.mongo import MongoSampleRepository
from services.data_collection.ports import SampleRepository
from tests.support.servers import StoreServer, fresh_database, store_process
from tests.unit.data_collection.collecting_fakes import InMemorySampleRepository

FAR = 10**12


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StoreServer]:
    with store_process(tmp_path_factory.mktemp("contract")) as server:
        yield server


@pytest.fixture(params=["memory", "store"])
async def samples(request: pytest.FixtureRequest, server: StoreServer) -> AsyncIterator[SampleRepository]:
    if request.param == "memory":
        yield InMemorySampleRepository()
        return
    store = Store.open(server.url, database=fresh_database(), app_name="test")
    repository = MongoSampleRepository(store)
    await repository.prepare()
    yield repository
    await store.close()


def sample(
    number: int, endpoint_id: str = "tree", *, time_ms: int | None = None, key: str | None = None
) -> Sample:
    at = 1000 + number if time_ms is None else time_ms
    return Sample(number.to_bytes(16, "big"), endpoint_id, "grove-v1", at, 5000 + number, b'{"n":1}', key)


async def found(samples: SampleRepository, *endpoint_ids: str, **options: object) -> list[Sample]:
    ids = endpoint_ids or ("tree",)
    return [each async for each in samples.between(ids, 0, FAR, **options)]  # type: ignore[arg-type]  # options


async def test_a_sample_is_found_as_it_was_stored(samples: SampleRepository) -> None:
    assert await samples.insert([sample(1), sample(2, key="tree/a")]) == Inserted()

    assert await found(samples) == [sample(1), sample(2, key="tree/a")]


async def test_samples_inserted_again_stay_as_they_are(samples: SampleRepository) -> None:
    await samples.insert([sample(1), sample(2)])

    outcome = await samples.insert([sample(1, time_ms=7), sample(2), sample(3)])

    assert outcome == Inserted(again=2)
    assert await found(samples) == [sample(1), sample(2), sample(3)]


async def test_a_message_that_is_known_is_a_success_for_it_alone(samples: SampleRepository) -> None:
    await samples.insert([sample(1, key="tree/a")])

    outcome = await samples.insert([sample(2), sample(3, key="tree/a"), sample(4)])

    assert outcome == Inserted(known=(1,))
    assert [each.id[-1] for each in await found(samples)] == [1, 2, 4]


async def test_samples_are_ordered_by_time_then_id_for_each_endpoint(samples: SampleRepository) -> None:
    await samples.insert([sample(3, time_ms=5), sample(1, time_ms=5), sample(2, time_ms=4), sample(9, "oak")])

    forward = await found(samples, "oak", "tree")
    backward = await found(samples, "tree", newest_first=True)

    assert [each.id[-1] for each in forward] == [9, 2, 1, 3]
    assert [each.id[-1] for each in backward] == [3, 1, 2]


async def test_a_range_holds_its_beginning_and_not_its_end(samples: SampleRepository) -> None:
    await samples.insert([sample(number, time_ms=number) for number in range(10)])

    those = [each.time_ms async for each in samples.between(["tree"], 3, 6)]

    assert those == [3, 4, 5]


@pytest.mark.parametrize(
    ("newest_first", "distinct"),
    list(product([False, True], [1, 7, 10_000])),
    ids=["one time", "few times", "all times", "one time, back", "few times, back", "all times, back"],
)
async def test_pages_continue_wherever_they_ended(
    samples: SampleRepository,
    newest_first: bool,  # noqa: FBT001 - a parameter
    distinct: int,
) -> None:
    count = 2500
    for start in range(0, count, 500):
        await samples.insert(
            [sample(number, time_ms=1000 + number % distinct) for number in range(start, start + 500)]
        )

    everything = await found(samples, newest_first=newest_first)
    first = await found(samples, newest_first=newest_first, limit=1201)
    place = Place("tree", first[-1].time_ms, first[-1].id)
    rest = await found(samples, newest_first=newest_first, after=place)

    assert len(everything) == count
    assert first + rest == everything
    keys = [(each.time_ms, each.id) for each in everything]
    assert keys == sorted(keys, reverse=newest_first)


@pytest.mark.parametrize("newest_first", [False, True], ids=["forward", "back"])
async def test_whoever_continues_is_given_nothing_outside_the_range(
    samples: SampleRepository,
    newest_first: bool,  # noqa: FBT001 - a parameter
) -> None:
    await samples.insert([sample(number, time_ms=number) for number in range(30)])
    place = Place("tree", 20, (20).to_bytes(16, "big")) if newest_first else Place("tree", 5, bytes(16))

    those = [
        each.time_ms
        async for each in samples.between(["tree"], 10, 15, after=place, newest_first=newest_first)
    ]

    assert those == ([14, 13, 12, 11, 10] if newest_first else [10, 11, 12, 13, 14])


async def test_the_oldest_go_first_and_the_end_is_told_by_a_short_count(samples: SampleRepository) -> None:
    await samples.insert([sample(number, time_ms=number) for number in range(25)])

    counts = [await samples.delete_older("tree", 20, application="grove", limit=8) for _ in range(4)]

    assert counts == [8, 8, 4, 0]
    assert [each.time_ms for each in await found(samples)] == [20, 21, 22, 23, 24]


async def test_an_endpoint_whose_id_was_given_again_keeps_what_its_own_application_keeps(
    samples: SampleRepository,
) -> None:
    others = [sample(number)._replace(app_version="grove-east-v1") for number in (1, 3)]
    await samples.insert([*others, sample(2), sample(4)])

    counts = [await samples.delete_older("tree", FAR, application="grove", limit=1) for _ in range(3)]

    assert counts == [1, 1, 0]
    assert await found(samples) == others


async def test_what_was_received_until_an_instant_is_deleted_and_nothing_else(
    samples: SampleRepository,
) -> None:
    await samples.insert([sample(number) for number in range(10)] + [sample(50, "oak")])

    deleted = await samples.delete_received("tree", 5004, limit=100)

    assert deleted == 5
    assert [each.received_ms for each in await found(samples, "tree", "oak")] == [*range(5005, 5010), 5050]


async def test_endpoints_are_known_by_their_application(samples: SampleRepository) -> None:
    await samples.insert([sample(1, "oak"), sample(2, "elm"), sample(3, "oak")])

    assert [each async for each in samples.endpoints_of("grove")] == ["elm", "oak"]
    assert [each async for each in samples.endpoints_of("other")] == []
