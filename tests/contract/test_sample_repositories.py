"""What repositories of samples promise, held against the fake and the real store."""

from collections.abc import AsyncIterator
from itertools import product
from typing import Any

import pytest

from libs.store import Store
from services.data_collection.domain.samples import Place, Sample
from services.data_collection.domain.storing import Inserted
from services.data_collection.mongo import MongoSampleRepository
from services.data_collection.ports import SampleRepository
from tests.support.servers import StoreServer, fresh_database
from tests.unit.data_collection.collecting_fakes import InMemorySampleRepository

FAR = 10**12


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


@pytest.mark.parametrize("from_ms", [0, 5])
async def test_samples_of_a_range_of_time_are_deleted(samples: SampleRepository, from_ms: int) -> None:
    await samples.insert([sample(number, time_ms=number) for number in range(25)])

    counts = [count async for count in samples.delete_older("tree", from_ms, 20, application="grove")]

    assert sum(counts) == 20 - from_ms
    assert [each.time_ms for each in await found(samples)] == [*range(from_ms), *range(20, 25)]
    assert [each async for each in samples.delete_older("tree", 0, from_ms, application="other")] == []


async def test_an_endpoint_whose_id_was_given_again_keeps_what_its_own_application_keeps(
    samples: SampleRepository,
) -> None:
    others = [sample(number)._replace(app_version="grove-east-v1") for number in (1, 3)]
    await samples.insert([*others, sample(2), sample(4)])

    counts = [count async for count in samples.delete_older("tree", 0, FAR, application="grove")]

    assert sum(counts) == 2
    assert await found(samples) == others


async def test_many_samples_of_one_moment_are_deleted_and_those_of_others_are_not(
    samples: SampleRepository,
) -> None:
    ours = [sample(number, time_ms=FAR + number // 1100) for number in range(2400)]
    others = [sample(number, time_ms=FAR + 1)._replace(app_version="figs-v1") for number in range(3000, 4200)]
    await samples.insert(ours)
    await samples.insert(others)

    counts = [count async for count in samples.delete_older("tree", 0, 2 * FAR, application="grove")]

    assert sum(counts) == 2400
    assert len([each async for each in samples.between(["tree"], 0, 2 * FAR)]) == 1200


async def test_what_was_received_until_an_instant_is_deleted_and_nothing_else(
    samples: SampleRepository,
) -> None:
    future = sample(9)._replace(time_ms=FAR - 1, received_ms=5004, id=b"f" * 16)
    await samples.insert([*(sample(number) for number in range(9)), future, sample(50, "oak")])

    deleted = [count async for count in samples.delete_received("tree", 5004)]

    assert sum(deleted) == 6
    assert [each.received_ms for each in await found(samples, "tree", "oak")] == [*range(5005, 5009), 5050]


async def test_endpoints_are_known_by_their_application(samples: SampleRepository) -> None:
    await samples.insert([sample(1, "oak"), sample(2, "elm"), sample(3, "oak")])

    assert [each async for each in samples.endpoints_of("grove")] == ["elm", "oak"]
    assert [each async for each in samples.endpoints_of("other")] == []


MINUTE_MS = 60_000
FULL = [number * 4 * MINUTE_MS for number in range(4000)]
"""Eleven days, a sample every four minutes, long after the beginning of time."""


@pytest.fixture
async def full(server: StoreServer) -> AsyncIterator[tuple[MongoSampleRepository, list[int]]]:
    """A repository with many samples of one endpoint, and how many were in each range that was read."""
    store = Store.open(server.url, database=fresh_database(), app_name="test")
    repository, read = MongoSampleRepository(store), []
    await repository.prepare()
    await repository.insert([sample(number, time_ms=FAR + at) for number, at in enumerate(FULL)])
    samples = store.collection("samples")
    find = samples.find

    def counted(wanted: dict[str, Any], *args: Any, **options: Any) -> Any:  # noqa: ANN401 - pymongo's own
        assert wanted.keys() == {"e", "t"}  # with one condition more all of the endpoint is read
        span = wanted["t"]
        read.append(sum(span["$gte"] <= FAR + at < span["$lt"] for at in FULL))
        return find(wanted, *args, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(repository._samples, "find", counted)  # noqa: SLF001 - what it asks the store for
        yield repository, read
    await store.close()


@pytest.mark.parametrize("newest_first", [False, True])
async def test_a_long_range_is_read_in_parts(
    full: tuple[MongoSampleRepository, list[int]],
    newest_first: bool,  # noqa: FBT001 - a parameter
) -> None:
    repository, read = full

    times = [
        each.time_ms
        async for each in repository.between(["tree"], FAR, FAR + FULL[-1] + 1, newest_first=newest_first)
    ]

    assert times == [FAR + at for at in (FULL[::-1] if newest_first else FULL)]
    assert sum(read) < 2 * len(FULL)
    assert max(read) <= 1000
    assert len(read) < 40


async def test_what_is_old_goes_in_parts(full: tuple[MongoSampleRepository, list[int]]) -> None:
    repository, read = full

    counts = [
        count async for count in repository.delete_older("tree", 0, FAR + FULL[3000], application="grove")
    ]

    assert sum(counts) == 3000
    assert max(counts) <= 1000
    assert max(read) <= 1000
    assert len(read) < 60
    assert len([each async for each in repository.between(["tree"], FAR, 2 * FAR)]) == 1000
