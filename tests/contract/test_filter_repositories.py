"""What repositories of filters promise, and lists by filter, held against the fakes and the real store."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import timedelta

import pytest

from libs.contracts.ids import ApplicationName, AppVersionName, EndpointId
from libs.store import Store
from services.endpoint_register.domain.endpoint import Endpoint
from services.endpoint_register.domain.filters import Filter, FilterSet
from services.endpoint_register.domain.listing import Order, listed, range_of
from services.endpoint_register.domain.queries import parse_query
from services.endpoint_register.mongo import (
    MongoEndpointListing,
    MongoEndpointRepository,
    MongoFilterRepository,
)
from services.endpoint_register.ports import EndpointListing, EndpointRepository, FilterRepository
from tests.support.servers import StoreServer, fresh_database
from tests.unit.endpoint_register.endpoint_fakes import InMemoryEndpointListing, InMemoryEndpointRepository
from tests.unit.endpoint_register.filter_fakes import InMemoryFilterRepository
from tests.unit.endpoint_register.time_and_chance import START, ManualClock

OLIVES, FIGS = ApplicationName("olives"), ApplicationName("figs")
LATER = START + timedelta(seconds=10)


@dataclass
class Kept:
    filters: FilterRepository
    endpoints: EndpointRepository
    listing: EndpointListing
    store: Store | None = None


@pytest.fixture(params=["memory", "store"])
async def kept(request: pytest.FixtureRequest, server: StoreServer) -> AsyncIterator[Kept]:
    clock = ManualClock()
    if request.param == "memory":
        yield Kept(
            InMemoryFilterRepository(), InMemoryEndpointRepository(clock=clock), InMemoryEndpointListing()
        )
        return
    store = Store.open(server.url, database=fresh_database(), app_name="test")
    filters, endpoints = MongoFilterRepository(store), MongoEndpointRepository(store, clock=clock)
    listing = MongoEndpointListing(store)
    for repository in (filters, endpoints, listing):
        await repository.prepare()
    yield Kept(filters, endpoints, listing, store)
    await store.close()


def new(name: str) -> Filter:
    query = parse_query(f'{{"metadata.{name}":{{"$exists":true}}}}')
    return Filter(id=f"id-{name}", name=name, description="", query=query, created_at=START, updated_at=START)


def with_two() -> FilterSet:
    return FilterSet(application=OLIVES).with_new(new("a")).with_new(new("b"))


def spelled(filters: FilterSet | None) -> object:
    """Spell a set so that it can be compared: what a query asks is a function."""
    assert filters is not None
    return [
        replace(filters, filters=()),
        *(
            (each.query.text, replace(each, query=parse_query("{}")).e_tag, each.is_active, each.name)
            for each in filters.filters
        ),
    ]


async def test_filters_are_found_as_they_were_stored(kept: Kept) -> None:
    empty, stored = await kept.filters.find(OLIVES), with_two()

    assert await kept.filters.replace(empty, stored)

    assert empty == FilterSet(application=OLIVES)
    assert spelled(await kept.filters.find(OLIVES)) == spelled(stored)
    assert spelled(await kept.filters.holding("id-b")) == spelled(stored)
    assert await kept.filters.holding("id-c") is None
    assert await kept.filters.stamp(OLIVES) == stored.stamp
    assert await kept.filters.stamp(FIGS) == (0, 0)


async def test_the_second_of_two_changes_loses(kept: Kept) -> None:
    empty, stored = await kept.filters.find(OLIVES), with_two()
    assert await kept.filters.replace(empty, stored)
    one, other = stored.without("id-a", at=LATER), stored.advanced("cursor", due_at=LATER)

    assert not await kept.filters.replace(empty, stored)
    assert await kept.filters.replace(stored, one)
    assert not await kept.filters.replace(stored, other)
    assert spelled(await kept.filters.find(OLIVES)) == spelled(one)


async def test_filters_are_due_until_endpoints_are_judged(kept: Kept) -> None:
    stored = with_two()
    await kept.filters.replace(FilterSet(application=OLIVES), stored)
    leased = stored.advanced("olives/e5", due_at=LATER)

    at_first = await kept.filters.due(at=START + timedelta(seconds=1), limit=9)
    await kept.filters.replace(stored, leased)
    while_leased = await kept.filters.due(at=LATER, limit=9)
    afterwards = await kept.filters.due(at=LATER + timedelta(seconds=1), limit=9)
    await kept.filters.replace(leased, leased.finished())

    assert at_first == [OLIVES]
    assert while_leased == []
    assert afterwards == [OLIVES]
    assert await kept.filters.due(at=LATER + timedelta(days=1), limit=9) == []
    assert [each.is_active for each in (await kept.filters.find(OLIVES)).filters] == [True, True]


async def test_what_is_due_longest_comes_first_and_no_more_than_is_asked_for(kept: Kept) -> None:
    for name, seconds in (("b", 2), ("c", 3), ("a", 1)):
        mine = replace(with_two(), application=ApplicationName(name))
        due = mine.advanced("", due_at=START + timedelta(seconds=seconds))
        await kept.filters.replace(FilterSet(application=ApplicationName(name)), due)

    assert await kept.filters.due(at=LATER, limit=2) == ["a", "b"]


async def test_all_filters_of_an_application_are_dropped(kept: Kept) -> None:
    await kept.filters.replace(FilterSet(application=OLIVES), with_two())

    await kept.filters.remove(OLIVES)
    await kept.filters.remove(FIGS)

    assert await kept.filters.find(OLIVES) == FilterSet(application=OLIVES)
    assert await kept.filters.holding("id-a") is None


def endpoint(name: str, *, filters: tuple[str, ...] = (), version: str = "olives-v1") -> Endpoint:
    return Endpoint(
        id=EndpointId(name),
        application=OLIVES,
        version=AppVersionName(version),
        version_since=START,
        created_at=START,
        incarnation=f"of-{name}",
        filters=filters,
        filters_as_of=7,
    )


async def test_an_endpoint_keeps_what_it_matches(kept: Kept) -> None:
    stored = endpoint("e", filters=("x", "y"))
    await kept.endpoints.add(stored)

    changed = stored.grouped(("y",), names={}, as_of=8, correlation_id="c")
    assert await kept.endpoints.replace(stored, changed)

    found = await kept.endpoints.find(stored.id, outbox=True)
    assert found == changed
    assert [entry.kind.name for entry in changed.outbox] == ["ep-unmatched"]


async def test_what_matches_a_filter_is_listed_and_counted(kept: Kept) -> None:
    for each in (
        endpoint("e3", filters=("x", "y")),
        endpoint("e1", filters=("y",)),
        endpoint("e2", filters=("xy",), version="olives-v2"),
        endpoint("e4", filters=("x",), version="olives-v2"),
        endpoint("e5"),
    ):
        await kept.listing.put(listed(each))
    everything = range_of(Order.ENDPOINT_ID, descending=False)
    of_x = replace(everything, filter_id="x")
    at_v2 = range_of(Order.CREATED, descending=True, version=AppVersionName("olives-v2"))

    lines = await kept.listing.page(of_x, limit=10)

    assert [(line.endpoint_id, line.filters) for line in lines] == [("e3", ("x", "y")), ("e4", ("x",))]
    assert await kept.listing.count(of_x) == 2
    assert [each.endpoint_id for each in await kept.listing.page(of_x, offset=1, limit=1)] == ["e4"]
    of_both = await kept.listing.page(replace(at_v2, filter_id="x"), limit=9)
    assert [each.endpoint_id for each in of_both] == ["e4"]
    assert await kept.listing.count(replace(everything, filter_id="gone")) == 0
    assert await kept.listing.count(everything) == 5


async def test_no_question_about_filters_scans_a_collection(kept: Kept) -> None:
    if kept.store is None:
        pytest.skip("memory has no plans")
    questions = {
        "filters": ({"ids": "x"}, {"due": {"$lt": START, "$gte": START - timedelta(days=1)}}),
        "listing": ({"filters": "x"},),
    }
    for name, queries in questions.items():
        for query in queries:
            plan = await kept.store.collection(name).find(query).explain()

            stages = str(plan["queryPlanner"]["winningPlan"])
            assert "IXSCAN" in stages, query
