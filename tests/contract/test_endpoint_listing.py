"""What every listing promises: the fake, that of any store, and that of a store that reads whole ranges."""

import random
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, replace
from datetime import timedelta

import pytest

from libs.contracts.errors import UnavailableError
from libs.contracts.ids import ApplicationName, AppVersionName, EndpointId
from libs.store import Store
from services.endpoint_register.domain.endpoint import Endpoint
from services.endpoint_register.domain.listing import KEYS, Listed, Order, Range, listed, range_of
from services.endpoint_register.mongo import LandmarkListing, MongoEndpointListing
from services.endpoint_register.ports import EndpointListing
from tests.support.rest import Json
from tests.support.servers import StoreServer, fresh_database, store_process
from tests.unit.endpoint_register.endpoint_fakes import InMemoryEndpointListing
from tests.unit.endpoint_register.time_and_chance import START

OLIVES, V1, V2 = ApplicationName("olives"), AppVersionName("olives-v1"), AppVersionName("olives-v2")
EVERYTHING = range_of(Order.ENDPOINT_ID, descending=False)


@dataclass
class Kept:
    """A listing, and where it is."""

    listing: EndpointListing
    store: Store | None = None

    async def tend(self) -> None:
        """Let blocks be cut and joined, where there are any."""
        if isinstance(self.listing, LandmarkListing):
            await self.listing.tend()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StoreServer]:
    with store_process(tmp_path_factory.mktemp("contract")) as server:
        yield server


@pytest.fixture
async def store(server: StoreServer) -> AsyncIterator[Store]:
    store = Store.open(server.url, database=fresh_database(), app_name="test")
    yield store
    await store.close()


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


def endpoint(name: str = "tree", **fields: Json) -> Endpoint:
    defaults = {
        "id": EndpointId(name),
        "application": OLIVES,
        "version": V1,
        "version_since": START,
        "created_at": START,
        "incarnation": f"of-{name}",
    }
    return Endpoint(**{**defaults, **fields})


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
    write = plain.write

    async def lose_the_answer(line: Listed) -> tuple[str, bool]:
        await write(line)
        raise UnavailableError("the answer was lost")

    monkeypatch.setattr(plain, "write", lose_the_answer)
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
    write, count_between = plain.write, plain.count_between
    counting: list[bool] = []

    async def count_before_the_answer(line: Listed) -> tuple[str, bool]:
        answer = await write(line)
        await listing.count(EVERYTHING)
        return answer

    async def write_before_the_answer(key: str, bounds: tuple[str, str | None]) -> int:
        count = await count_between(key, bounds)
        if not counting:
            counting.append(True)
            await listing.put(listed(endpoint("c")))
        return count

    monkeypatch.setattr(plain, "write", count_before_the_answer)
    await listing.put(listed(endpoint("b")))
    after_write = await listing.count(EVERYTHING)
    listing = LandmarkListing(plain, store)
    monkeypatch.setattr(plain, "write", write)
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
    write = plain.write

    async def count_before_the_answer(line: Listed) -> tuple[str, bool]:
        answer = await write(line)
        await listing.count(matching)
        return answer

    monkeypatch.setattr(plain, "write", count_before_the_answer)
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
