"""What every listing promises: the fake, that of any store, and that of a store that reads whole ranges."""

from dataclasses import dataclass, replace
from datetime import timedelta

import pytest

from libs.contracts.ids import ApplicationName, AppVersionName
from libs.store import Store
from services.endpoint_register.domain.listing import KEYS, Order, Range, listed, range_of
from services.endpoint_register.mongo import LandmarkListing, MongoEndpointListing
from services.endpoint_register.ports import EndpointListing
from tests.contract.listed_endpoints import EVERYTHING, V2, endpoint
from tests.unit.endpoint_register.endpoint_fakes import InMemoryEndpointListing
from tests.unit.endpoint_register.time_and_chance import START


@dataclass
class Kept:
    """A listing, and where it is."""

    listing: EndpointListing
    store: Store | None = None

    async def tend(self) -> None:
        """Let blocks be cut and joined, where there are any."""
        if isinstance(self.listing, LandmarkListing):
            await self.listing.tend()


@pytest.fixture(params=["memory", "store", "landmarks"])
async def kept(request: pytest.FixtureRequest, store: Store) -> Kept:
    if request.param == "memory":
        return Kept(InMemoryEndpointListing())
    if request.param == "store":
        plain = MongoEndpointListing(store, by_match=True)
        await plain.prepare()
        return Kept(plain, store)
    listing = LandmarkListing(MongoEndpointListing(store, by_match=True), store, size=1)
    await listing.prepare()
    return Kept(listing, store)


async def listing_of_six(kept: Kept) -> None:
    for number, (name, version) in enumerate(
        [("d", "a-v1"), ("b", "a-v2"), ("A", "a-b-v1"), ("~", "a-v1"), ("a.c", "a-v10"), ("9", "a_-v1")]
    ):
        each = endpoint(
            name,
            application=ApplicationName(version.rpartition("-")[0]),
            version=AppVersionName(version),
            created_at=START + timedelta(milliseconds=number // 2),
        )
        await kept.listing.put(listed(each))


@pytest.mark.parametrize(
    ("part", "names"),
    [
        pytest.param(
            range_of(Order.ENDPOINT_ID, descending=False), ["9", "A", "a.c", "b", "d", "~"], id="by id"
        ),
        pytest.param(range_of(Order.CREATED, descending=True), ["a.c", "9", "~", "A", "d", "b"], id="newest"),
        pytest.param(
            range_of(Order.ENDPOINT_ID, descending=True, application=ApplicationName("a")),
            ["~", "d", "b", "a.c"],
            id="application",
        ),
        pytest.param(
            range_of(Order.CREATED, descending=False, version=AppVersionName("a-v1")),
            ["d", "~"],
            id="version",
        ),
        pytest.param(
            range_of(Order.APP_VERSION, descending=False, application=ApplicationName("a")),
            ["d", "~", "a.c", "b"],
            id="application by version",
        ),
        pytest.param(
            range_of(Order.CREATED, descending=False, version=AppVersionName("a-v")), [], id="no such"
        ),
        pytest.param(
            range_of(Order.ENDPOINT_ID, descending=False, id_prefix="a"), ["a.c"], id="beginning so"
        ),
        pytest.param(
            range_of(Order.ENDPOINT_ID, descending=True, application=ApplicationName("a"), id_prefix="~"),
            ["~"],
            id="application, beginning so",
        ),
    ],
)
async def test_a_listing_is_in_order(kept: Kept, part: Range, names: list[str]) -> None:
    await listing_of_six(kept)
    await kept.tend()

    lines = await kept.listing.page(part, offset=0, limit=10)
    middle = await kept.listing.page(part, offset=1, limit=2)
    behind = [await kept.listing.page(part, after=line.keys[part.key], limit=2) for line in lines]

    assert [line.endpoint_id for line in lines] == names
    assert middle == lines[1:3]
    assert behind == [lines[number + 1 : number + 3] for number in range(len(lines))]
    assert await kept.listing.count(part) == len(names)


async def test_names_are_those_of_a_range(kept: Kept) -> None:
    await listing_of_six(kept)
    matching = endpoint("f", application=ApplicationName("a"), version=AppVersionName("a-v1"), filters=("x",))
    await kept.listing.put(listed(matching))
    of_a = range_of(Order.ENDPOINT_ID, descending=True, application=ApplicationName("a"))

    names = await kept.listing.names(of_a, limit=10)
    some = await kept.listing.names(of_a, limit=2)
    filtered = await kept.listing.names(replace(EVERYTHING, filter_id="x"), limit=10)

    assert names == {name: f"of-{name}" for name in ("d", "b", "~", "a.c", "f")}
    assert len(some) == 2
    assert some.items() <= names.items()
    assert filtered == {"f": "of-f"}
    assert len(await kept.listing.names(EVERYTHING, limit=10)) == 7


async def test_a_line_is_dropped_by_incarnation(kept: Kept) -> None:
    line = listed(endpoint())
    await kept.listing.put(line)

    await kept.listing.drop(line.endpoint_id, incarnation="another")
    kept_lines = await kept.listing.page(EVERYTHING, offset=0, limit=10)
    await kept.listing.drop(line.endpoint_id, incarnation=line.incarnation)

    assert kept_lines == [line]
    assert await kept.listing.count(EVERYTHING) == 0


@pytest.mark.parametrize("second", [pytest.param(0, id="late"), pytest.param(1, id="again")])
async def test_a_line_never_goes_back(kept: Kept, second: int) -> None:
    first = listed(endpoint())
    newer = listed(endpoint(version=V2, seq=1))

    standing = [await kept.listing.put(line) for line in (first, newer, (first, newer)[second])]

    assert await kept.listing.page(EVERYTHING, offset=0, limit=10) == [newer]
    assert set(standing) == {first.incarnation}


async def test_a_line_of_another_incarnation_stays(kept: Kept) -> None:
    there, other = listed(endpoint()), listed(endpoint(version=V2, incarnation="another", seq=7))
    await kept.listing.put(there)

    standing = await kept.listing.put(other)

    assert standing == there.incarnation
    assert await kept.listing.page(EVERYTHING, offset=0, limit=10) == [there]


@pytest.mark.parametrize("kept", ["store"], indirect=True)
async def test_no_list_scans_or_sorts_a_collection(kept: Kept) -> None:
    assert kept.store is not None
    collection = kept.store.collection("listing")
    for key in KEYS:
        for direction in (1, -1):
            query = {key: {"$gte": "a/", "$lt": "a0"}}
            plan = await collection.find(query, sort=[(key, direction)], skip=5, limit=5).explain()

            stages = str(plan["queryPlanner"]["winningPlan"])
            assert "IXSCAN" in stages
            assert "COLLSCAN" not in stages
            assert "'SORT'" not in stages


async def test_many_are_listed_together_and_those_that_have_a_line_are_not(kept: Kept) -> None:
    await kept.listing.put(listed(endpoint("a", incarnation="older")))

    listed_now = await kept.listing.put_new([listed(endpoint(name)) for name in "abc"])

    assert listed_now == {"b", "c"}
    lines = await kept.listing.page(EVERYTHING, limit=10)
    assert [(each.endpoint_id, each.incarnation) for each in lines] == [
        ("a", "older"),
        ("b", "of-b"),
        ("c", "of-c"),
    ]
