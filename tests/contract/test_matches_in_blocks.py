"""What matches a filter, in blocks: found, counted once, and only small ranges are read."""

from dataclasses import replace
from datetime import timedelta

import pytest

from libs.store import Store
from services.endpoint_register.domain.listing import Listed, Order, listed, range_of
from services.endpoint_register.mongo import LandmarkListing, MongoEndpointListing
from tests.contract.listed_endpoints import EVERYTHING, endpoint
from tests.unit.endpoint_register.time_and_chance import START


async def test_what_matches_is_read_in_small_ranges(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = MongoEndpointListing(store, by_match=True)
    listing = LandmarkListing(plain, store, size=8)
    await listing.prepare()
    part = range_of(Order.CREATED, descending=True)
    matching, rare = replace(part, filter_id="x"), replace(part, filter_id="rare")
    assert await listing.count(matching) == 0  # as somebody asks who has just made a filter
    for number in range(60):
        created_at = START + timedelta(milliseconds=number)
        await listing.put(listed(endpoint(f"{number:03}", created_at=created_at)))
        matches = ("rare", "x") if number % 24 == 3 else ("x",)
        await listing.put(listed(endpoint(f"{number:03}", created_at=created_at, filters=matches, seq=1)))
        await listing.tend()
    sizes: list[int] = []
    read_matching = plain.matching

    async def read(filter_id: str, bounds: tuple[str, str | None]) -> list[Listed]:
        lines = await read_matching(filter_id, bounds)
        sizes.append(len(lines))
        return lines

    monkeypatch.setattr(plain, "matching", read)

    page = await listing.page(matching, offset=30, limit=5)
    total = await listing.count(matching)
    after_that = await listing.page(matching, after=page[-1].keys["created"], limit=2)
    ranges = len(sizes)
    assert await listing.count(rare) == 3
    await listing.tend()
    sizes.clear()
    rare_page = await listing.page(rare, offset=1, limit=5)

    assert [line.endpoint_id for line in (*page, *after_that)] == [f"{29 - each:03}" for each in range(7)]
    assert total == 60
    assert ranges <= 4
    assert [line.endpoint_id for line in rare_page] == ["027", "003"]
    assert sizes == [3]  # blocks in which little matches have been joined


async def test_a_filter_first_asked_for_while_lines_are_written_counts_them_once(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = MongoEndpointListing(store, by_match=True)
    listing = LandmarkListing(plain, store)
    await listing.prepare()
    matching = replace(EVERYTHING, filter_id="x")
    line = listed(endpoint(filters=("x",)))
    insert = plain.insert

    async def count_before_the_answer(line: Listed) -> bool:
        answer = await insert(line)
        await listing.count(matching)
        return answer

    monkeypatch.setattr(plain, "insert", count_before_the_answer)
    await listing.put(line)

    assert await listing.count(matching) == 1


async def test_what_matched_before_blocks_were_read_is_found(store: Store) -> None:
    before = MongoEndpointListing(store)
    await before.prepare()
    line = listed(endpoint(filters=("x",)))
    await before.put(line)
    await before.put(listed(endpoint("other")))

    listing = LandmarkListing(MongoEndpointListing(store, by_match=True), store)
    await listing.prepare()

    part = replace(range_of(Order.CREATED, descending=False), filter_id="x")
    assert await listing.page(part, limit=10) == [line]
    assert await listing.count(part) == 1


async def test_filters_together_read_no_more_than_some_blocks_at_once(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither the first question about one that nothing matches, nor what is counted again of a hundred."""
    plain = MongoEndpointListing(store, by_match=True)
    listing = LandmarkListing(plain, store, size=1)
    await listing.prepare()
    created = [START + timedelta(milliseconds=number) for number in range(60)]
    await listing.put_new([listed(endpoint(f"{at:%f}", created_at=at)) for at in created])
    await listing.tend()
    asked: list[str] = []
    matching = plain.matching

    async def read(filter_id: str, bounds: tuple[str, str | None]) -> list[Listed]:
        asked.append(filter_id)
        return await matching(filter_id, bounds)

    monkeypatch.setattr(plain, "matching", read)
    names = [f"{number:02}" for number in range(20)]

    for name in names:
        assert await listing.count(replace(EVERYTHING, filter_id=name)) == 0
    first = len(asked)
    asked.clear()
    for _ in range(4):
        await listing.tend()

    assert first <= 20 * 16
    assert len(asked) == 4 * 8
    assert set(asked) == set(names)  # each had its turn
