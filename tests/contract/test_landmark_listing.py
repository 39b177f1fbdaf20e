"""Lists in blocks: no cut changes an answer, counts are right, and only small ranges are read."""

import asyncio
import random
from dataclasses import replace
from datetime import timedelta

import pytest

from libs.contracts.errors import UnavailableError
from libs.contracts.ids import ApplicationName, AppVersionName, EndpointId
from libs.store import Store
from services.endpoint_register.domain.listing import Listed, Order, listed, range_of
from services.endpoint_register.mongo import LandmarkListing, MongoEndpointListing
from services.endpoint_register.ports import EndpointListing
from tests.contract.listed_endpoints import EVERYTHING, OLIVES, V1, V2, endpoint
from tests.unit.endpoint_register.endpoint_fakes import InMemoryEndpointListing
from tests.unit.endpoint_register.time_and_chance import START

PARTS = [
    range_of(order, descending=descending, application=application, version=version)
    for order in Order
    for descending in (False, True)
    for application, version in ((None, None), (OLIVES, None), (None, V2))
]
PARTS += [replace(part, filter_id=name) for part in PARTS if part.key in {"id", "created"} for name in "xy"]


async def assert_alike(listing: EndpointListing, model: EndpointListing, chance: random.Random) -> None:
    part = chance.choice(PARTS)
    if part.key in {"id", "applicationId"} and chance.random() < 1 / 2:
        part = replace(part, prefix=f"{part.prefix}{chance.choice('012')}")
    offset, limit = chance.randrange(12), chance.randrange(1, 8)
    page = await model.page(part, offset=offset, limit=limit)

    assert await listing.page(part, offset=offset, limit=limit) == page
    assert await listing.count(part) == await model.count(part)
    for line in page[:1]:
        after = line.keys[part.key]
        expected = await model.page(part, after=after, limit=limit)
        assert await listing.page(part, after=after, limit=limit) == expected


@pytest.mark.parametrize("seed", range(2))
async def test_blocks_change_no_answer(store: Store, seed: int) -> None:
    """Lines come, move and go between questions; blocks are cut, joined, forgotten and found again."""
    chance, model = random.Random(seed), InMemoryEndpointListing()
    plain = MongoEndpointListing(store, by_match=True)
    listing = LandmarkListing(plain, store, size=4)
    await listing.prepare()
    for step in range(90):
        name = f"{chance.randrange(40):03}"
        version = chance.choice([V1, V2, AppVersionName("figs-v1")])
        application = ApplicationName(version.rpartition("-")[0])
        created_at = START + timedelta(milliseconds=chance.randrange(3))
        line = listed(
            endpoint(
                name,
                application=application,
                version=version,
                created_at=created_at,
                seq=chance.choice([0, step]),
                filters=chance.choice([(), ("x",), ("y", "x")]),
            )
        )
        match chance.randrange(8):
            case 0 | 1 | 2:
                assert await listing.put(line) == await model.put(line)
            case 3 | 4:
                names = {f"{chance.randrange(40):03}" for _ in range(6)}
                lines = [listed(endpoint(each, version=version, application=application)) for each in names]
                assert await listing.put_new(lines) == await model.put_new(lines)
            case 5:
                for each in (listing, model):
                    await each.drop(line.endpoint_id, incarnation=line.incarnation)
            case 6:
                await listing.tend()
            case 7 if step % 2:
                listing = LandmarkListing(plain, store, size=4)
                await listing.prepare()
        await assert_alike(listing, model, chance)


async def test_only_small_ranges_are_read(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a hundred lines a page is found without reading more than two blocks, and a count reads none."""
    plain = MongoEndpointListing(store, by_match=True)
    listing = LandmarkListing(plain, store, size=8)
    await listing.prepare()
    await listing.put_new([listed(endpoint(f"{number:03}")) for number in range(100)])
    await listing.tend()
    part = range_of(Order.ENDPOINT_ID, descending=False, application=OLIVES)
    await listing.count(part)  # cuts where the application begins and ends, and counts there
    ranges: list[tuple[str, tuple[str, str | None]]] = []
    between, count_between = plain.between, plain.count_between

    async def read(
        key: str, bounds: tuple[str, str | None], *, descending: bool, offset: int, limit: int
    ) -> list[Listed]:
        ranges.append((key, bounds))
        return await between(key, bounds, descending=descending, offset=offset, limit=limit)

    async def counted(key: str, bounds: tuple[str, str | None]) -> int:
        ranges.append((key, bounds))
        return await count_between(key, bounds)

    monkeypatch.setattr(plain, "between", read)
    monkeypatch.setattr(plain, "count_between", counted)

    page = await listing.page(part, offset=50, limit=8)
    total = await listing.count(part)
    found_again = LandmarkListing(plain, store, size=8)
    await found_again.prepare()
    first = await found_again.page(part, limit=8)

    assert [line.endpoint_id for line in (*page, *first)] == [
        f"{number:03}" for number in (*range(50, 58), *range(8))
    ]
    assert total == 100
    sizes = [await count_between(key, bounds) for key, bounds in ranges]
    assert 0 < max(sizes) <= 16
    assert len(sizes) <= 4


async def test_what_may_have_been_written_is_counted_again(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = MongoEndpointListing(store, by_match=True)
    listing = LandmarkListing(plain, store)
    await listing.prepare()
    insert = plain.insert

    async def lose_the_answer(line: Listed) -> bool:
        await insert(line)
        raise UnavailableError("the answer was lost")

    monkeypatch.setattr(plain, "insert", lose_the_answer)
    with pytest.raises(UnavailableError):
        await listing.put(listed(endpoint()))

    assert await listing.count(EVERYTHING) == 1


async def test_no_count_is_believed_that_a_write_met(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = MongoEndpointListing(store, by_match=True)
    listing = LandmarkListing(plain, store)
    await listing.prepare()
    await listing.put(listed(endpoint("a")))
    listing = LandmarkListing(plain, store)  # it has counted nothing yet
    await plain.prepare()
    insert, count_between = plain.insert, plain.count_between
    counting: list[bool] = []

    async def count_before_the_answer(line: Listed) -> bool:
        answer = await insert(line)
        await listing.count(EVERYTHING)
        return answer

    async def write_before_the_answer(key: str, bounds: tuple[str, str | None]) -> int:
        count = await count_between(key, bounds)
        if not counting:
            counting.append(True)
            await listing.put(listed(endpoint("c")))
        return count

    monkeypatch.setattr(plain, "insert", count_before_the_answer)
    await listing.put(listed(endpoint("b")))
    after_write = await listing.count(EVERYTHING)
    listing = LandmarkListing(plain, store)
    monkeypatch.setattr(plain, "insert", insert)
    monkeypatch.setattr(plain, "count_between", write_before_the_answer)
    await listing.count(EVERYTHING)

    assert after_write == 2
    assert await listing.count(EVERYTHING) == 3


async def test_what_another_replica_writes_is_counted_in_the_end(store: Store) -> None:
    ours, theirs = (LandmarkListing(MongoEndpointListing(store, by_match=True), store) for _ in range(2))
    await ours.prepare()
    await theirs.prepare()
    assert await ours.count(EVERYTHING) == 0

    await theirs.put(listed(endpoint()))
    await ours.tend()

    assert await ours.count(EVERYTHING) == 1


async def test_a_line_that_moved_while_it_is_dropped_leaves_no_count(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = MongoEndpointListing(store, by_match=True)
    listing = LandmarkListing(plain, store)
    await listing.prepare()
    await listing.put(listed(endpoint()))
    parts = [range_of(Order.ENDPOINT_ID, descending=False, version=version) for version in (V1, V2)]
    for part in parts:
        await listing.count(part)
    erase = plain.erase

    async def move_first(endpoint_id: EndpointId, *, incarnation: str, seq: int | None = None) -> bool:
        monkeypatch.setattr(plain, "erase", erase)
        await listing.put(listed(endpoint(version=V2, seq=1)))
        for part in parts:
            await listing.count(part)
        return await erase(endpoint_id, incarnation=incarnation, seq=seq)

    monkeypatch.setattr(plain, "erase", move_first)
    await listing.drop(EndpointId("tree"), incarnation="of-tree")

    assert [await listing.count(part) for part in parts] == [0, 0]
    assert await listing.count(EVERYTHING) == 0


@pytest.mark.parametrize("seq", [pytest.param(4, id="both know the line"), pytest.param(None, id="no line")])
async def test_two_who_put_the_same_endpoint_are_counted_once(store: Store, seq: int | None) -> None:
    plain = MongoEndpointListing(store, by_match=True)
    listing = LandmarkListing(plain, store)
    await listing.prepare()
    parts = [
        replace(EVERYTHING, filter_id="x"),
        *(range_of(Order.ENDPOINT_ID, descending=False, version=version) for version in (V1, V2)),
    ]
    for number in range(10):
        name = f"{number:03}"
        if seq is not None:
            await listing.put(listed(endpoint(name, seq=seq)))
        for part in parts:
            await listing.count(part)

        await asyncio.gather(
            listing.put(listed(endpoint(name, seq=5, version=V2, filters=("x",)))),
            listing.put(listed(endpoint(name, seq=6))),
        )

        assert [await listing.count(part) for part in parts] == [0, number + 1, 0]


async def test_a_block_that_is_cut_while_it_is_read_is_counted_again(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = MongoEndpointListing(store, by_match=True)
    listing = LandmarkListing(plain, store, size=4)
    await listing.prepare()
    await listing.put_new([listed(endpoint(f"{number:03}")) for number in range(20)])
    keys, part = plain.keys, range_of(Order.ENDPOINT_ID, descending=False, application=OLIVES)

    async def cut_and_write_before_the_answer(key: str, bounds: tuple[str, str | None]) -> list[str]:
        found = await keys(key, bounds)
        if key == part.key:
            monkeypatch.setattr(plain, "keys", keys)
            await listing.count(part)
            await listing.put(listed(endpoint("999")))
            await listing.count(part)
        return found

    monkeypatch.setattr(plain, "keys", cut_and_write_before_the_answer)
    await listing.tend()

    assert await listing.count(part) == 21


@pytest.mark.parametrize("seed", range(2))
async def test_counts_hold_whatever_goes_on_at_once(store: Store, seed: int) -> None:
    chance, plain = random.Random(seed), MongoEndpointListing(store, by_match=True)
    listing = LandmarkListing(plain, store, size=4)
    await listing.prepare()
    parts = [
        *(replace(range_of(Order.CREATED, descending=False), filter_id=name) for name in "xy"),
        *(range_of(Order.ENDPOINT_ID, descending=False, version=version) for version in (None, V1, V2)),
    ]

    async def act(seqs: range) -> None:
        for seq in seqs:
            number = chance.randrange(12)
            line = listed(
                endpoint(
                    f"{number:02}",
                    seq=chance.choice([seq, seq, max(0, seq - 5), 0]),
                    version=chance.choice([V1, V2]),
                    created_at=START + timedelta(milliseconds=number),
                    filters=chance.choice([(), ("x",), ("x", "y")]),
                )
            )
            what = chance.randrange(10)
            if what < 6:
                await listing.put(line)
            elif what < 7:
                await listing.put_new([replace(line, filters=(), seq=0)])
            elif what < 8:
                await listing.drop(line.endpoint_id, incarnation=line.incarnation)
            else:
                await listing.count(chance.choice(parts))

    for turn in range(5):
        first = 100 * turn
        async with asyncio.TaskGroup() as group:
            group.create_task(listing.tend(), name="tend")
            for number in range(6):
                group.create_task(act(range(first + number, first + 30, 6)), name=f"actor {number}")

        assert [await listing.count(part) for part in parts] == [await plain.count(part) for part in parts]
