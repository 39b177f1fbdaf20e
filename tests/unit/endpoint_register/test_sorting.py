"""Lists in the order of a metadata key, and of when endpoints were last heard."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from libs.contracts.endpoints import ListEndpoints
from libs.contracts.errors import BadRequestError, DeadlineError, PayloadTooLargeError, UnavailableError
from libs.contracts.ids import ApplicationName, AppVersionName, EndpointId
from libs.contracts.payload import JsonValue
from services.endpoint_register.domain.connectivity import Connectivity
from services.endpoint_register.domain.endpoint import Endpoint, EndpointState
from services.endpoint_register.domain.listing import Order, Range, listed, range_of
from services.endpoint_register.domain.sorting import (
    MAX_SORTED,
    MAX_TEXT,
    ValueSort,
    check_sortable,
    in_order,
    parse_value_sort,
    rank_of,
)
from services.endpoint_register.usecases import sorting
from services.endpoint_register.usecases.listing import list_endpoints
from tests.support.rest import Json
from tests.unit.endpoint_register.endpoint_fakes import InMemoryEndpointListing
from tests.unit.endpoint_register.fakes import World
from tests.unit.endpoint_register.time_and_chance import START

VALUES = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-(2**63), 2**63 - 1),
        st.integers(-2, 2),
        st.floats(allow_nan=False, allow_infinity=False),
        st.text(max_size=3),
    ),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=2), inner, max_size=2),
    max_leaves=4,
)
IDS = st.text("abAZ019._~-", min_size=1, max_size=3).map(EndpointId)
HELD = st.dictionaries(IDS, st.one_of(st.none(), st.tuples(VALUES)), max_size=12)
"""Endpoints, each with what it has under a key: nothing, or a value (and that may be null)."""
STAIRS: list[list[JsonValue]] = [
    [None],
    [-1e308],
    [-1, -1.0],
    [0, -0.0],
    [0.5],
    [2**53],
    [2**53 + 1],
    [""],
    ["10"],
    ["9"],
    ["Z"],
    ["a"],
    ["é"],
    ["\U0001f333"],
    [{}, {"a": 1}, {"$ref": 1, "a.b": 2}],
    [[], [1], ["a", {}]],
    [False],
    [True],
]
"""Values in ascending order; those in one list equal each other."""


@pytest.mark.parametrize(
    ("lower", "higher"), list(pairwise(STAIRS)), ids=[repr(step[0]) for step in STAIRS[1:]]
)
def test_values_of_all_types_have_one_order(lower: list[JsonValue], higher: list[JsonValue]) -> None:
    assert len({rank_of(value) for value in lower}) == 1
    assert all(rank_of(one) < rank_of(other) for one in lower for other in higher)


@given(VALUES, VALUES, VALUES)
@settings(max_examples=50)
def test_the_order_of_values_is_total(one: JsonValue, two: JsonValue, three: JsonValue) -> None:
    a, b, c = rank_of(one), rank_of(two), rank_of(three)

    assert (a < b) + (a == b) + (b < a) == 1
    assert a < c or not (a < b < c)


@given(held=HELD, descending=st.booleans())
@settings(max_examples=50)
def test_endpoints_follow_their_values_then_their_ids(
    held: dict[EndpointId, tuple[JsonValue] | None], *, descending: bool
) -> None:
    ranks = {name: rank_of(*value) for name, value in held.items() if value is not None}

    ordered = in_order(held, ranks, descending=descending)

    assert sorted(ordered) == sorted(held)
    with_values = [name for name in ordered if name in ranks]
    without = [name for name in ordered if name not in ranks]
    assert ordered == with_values + without
    pairs = [(ranks[name], name) for name in with_values]
    assert pairs == sorted(pairs, reverse=descending)
    assert without == sorted(without, reverse=descending)


def test_of_a_long_text_only_the_beginning_is_kept() -> None:
    _, kept = rank_of("a" * MAX_TEXT * 1000)

    assert kept == "a" * MAX_TEXT


@pytest.mark.parametrize(
    ("sort", "parsed"),
    [
        pytest.param("lastSeen", ValueSort(None, descending=False), id="last seen"),
        pytest.param("-lastSeen", ValueSort(None, descending=True), id="last seen, descending"),
        pytest.param("metadata.row_1", ValueSort("row_1", descending=False), id="a key"),
        pytest.param("-metadata.0", ValueSort("0", descending=True), id="a key that is a number"),
        *(pytest.param(order.value, None, id=order.value) for order in Order),
        pytest.param(None, None, id="none"),
        pytest.param("metadata", None, id="metadata as a whole"),
        pytest.param("--lastSeen", None, id="twice descending"),
    ],
)
def test_a_sort_names_a_key_or_last_seen(sort: str | None, parsed: ValueSort | None) -> None:
    assert parse_value_sort(sort) == parsed


@pytest.mark.parametrize("sort", ["metadata.", "metadata.a.b", "-metadata.$where", "metadata.größe"])
async def test_a_key_that_no_endpoint_can_have_is_a_bad_request(grove: World, sort: str) -> None:
    with pytest.raises(BadRequestError, match="metadata key"):
        await list_endpoints(ListEndpoints(sort=sort), parts=grove.parts)


def test_too_many_are_refused_with_their_number_and_what_to_do() -> None:
    by = ValueSort("row", descending=False)

    check_sortable(by, count=MAX_SORTED)
    with pytest.raises(
        BadRequestError, match=r"10001 endpoints .* 10000 .*metadata\.row; name an application"
    ):
        check_sortable(by, count=MAX_SORTED + 1)


class GrowingListing(InMemoryEndpointListing):
    """Something is added after it was counted."""

    async def count(self, part: Range) -> int:
        return await super().count(part) - 1


@pytest.mark.parametrize(
    ("listing", "number"),
    [
        pytest.param(InMemoryEndpointListing(), MAX_SORTED + 5, id="at first"),
        pytest.param(GrowingListing(), MAX_SORTED + 1, id="too late"),
    ],
)
async def test_a_list_of_too_many_is_refused_before_anything_is_read_of_them(
    listing: InMemoryEndpointListing, number: int
) -> None:
    world = World(listing=listing)
    tree = await plant(world, "tree", {})
    more = (replace(tree, id=EndpointId(f"tree-{each}")) for each in range(1, number))
    listing.lines |= {endpoint.id: listed(endpoint) for endpoint in more}

    async def fail() -> None:
        pytest.fail("values are read")

    world.endpoints.before_values = fail
    with pytest.raises(BadRequestError, match=f"^{number} endpoints"):
        await list_endpoints(ListEndpoints(sort="metadata.row"), parts=world.parts)


async def plant(
    world: World, name: str, metadata: dict[str, JsonValue], *, application: str = "olives"
) -> Endpoint:
    endpoint = Endpoint(
        id=EndpointId(name),
        application=ApplicationName(application),
        version=AppVersionName(f"{application}-v1"),
        version_since=START,
        created_at=START,
        incarnation=f"of-{name}",
        state=EndpointState.READY,
        metadata=metadata,
    )
    world.endpoints.kept[endpoint.id] = endpoint
    await world.listing.put(listed(endpoint))
    return endpoint


def hear(world: World, name: str, second: int, *, incarnation: str | None = None) -> None:
    world.connectivity.kept[EndpointId(name)] = Connectivity(
        endpoint_id=EndpointId(name),
        incarnation=incarnation or f"of-{name}",
        transport="HTTP",
        last_seen=START + timedelta(seconds=second),
    )


@pytest.fixture
async def trees(world: World) -> World:
    """Five trees of two applications; b has no row, d was never heard, and e only in an earlier life."""
    await plant(world, "a", {"row": 3})
    await plant(world, "b", {"description": "none"})
    await plant(world, "c", {"row": "3"}, application="figs")
    await plant(world, "d", {"row": 1}, application="figs")
    await plant(world, "e", {"row": 3.0})
    for name, second in (("a", 5), ("b", 1), ("c", 9)):
        hear(world, name, second)
    hear(world, "e", 7, incarnation="earlier")
    return world


@pytest.mark.parametrize(
    ("query", "names", "total"),
    [
        pytest.param({"sort": "metadata.row"}, "daecb", 5, id="by a key"),
        pytest.param({"sort": "-metadata.row"}, "ceadb", 5, id="descending"),
        pytest.param({"sort": "metadata.other"}, "abcde", 5, id="by a key that nobody has"),
        pytest.param({"sort": "lastSeen"}, "bacde", 5, id="heard last"),
        pytest.param({"sort": "-lastSeen"}, "cabed", 5, id="heard first"),
        pytest.param({"sort": "metadata.row", "offset": 1, "limit": 2}, "ae", 5, id="a page"),
        pytest.param({"sort": "metadata.row", "offset": 9}, "", 5, id="beyond the end"),
        pytest.param({"sort": "metadata.row", "application_name": "figs"}, "dc", 2, id="of an application"),
        pytest.param(
            {"sort": "-lastSeen", "application_version_name": "olives-v1"}, "abe", 3, id="at a version"
        ),
        pytest.param({"sort": "metadata.row", "applications": ("figs",)}, "dc", 2, id="a limited key"),
        pytest.param(
            {"sort": "metadata.row", "applications": ("figs", "gone", "olives")}, "daecb", 5, id="two limits"
        ),
        pytest.param(
            {"sort": "-metadata.row", "endpoint_id": ("a", "c", "x", "b", "a")}, "cab", 3, id="by name"
        ),
        pytest.param(
            {"sort": "lastSeen", "endpoint_id": ("a", "c", "b"), "applications": ("olives",)},
            "ba",
            2,
            id="a limited key by name",
        ),
    ],
)
async def test_a_list_is_in_the_order_of_what_endpoints_hold(
    trees: World, query: Json, names: str, total: int
) -> None:
    found, counted = await list_endpoints(ListEndpoints(**query), parts=trees.parts)

    assert "".join(endpoint.id for endpoint in found) == names
    assert counted == total


@given(HELD, st.sampled_from(["metadata.row", "-metadata.row"]), st.integers(1, 5))
@settings(max_examples=50)
async def test_pages_are_a_partition_of_the_list(
    held: dict[EndpointId, tuple[JsonValue] | None], sort: str, limit: int
) -> None:
    world = World()
    for name, value in held.items():
        await plant(world, name, {} if value is None else {"row": value[0]})

    whole, total = await list_endpoints(ListEndpoints(sort=sort, limit=1000), parts=world.parts)
    pages = [
        (await list_endpoints(ListEndpoints(sort=sort, offset=offset, limit=limit), parts=world.parts))[0]
        for offset in range(0, len(held), limit)
    ]

    assert total == len(held)
    assert [endpoint for page in pages for endpoint in page] == whole
    assert sorted(endpoint.id for endpoint in whole) == sorted(held)


@pytest.mark.parametrize("named", [False, True], ids=["in the listing", "by name"])
async def test_only_metadata_of_the_page_are_loaded(trees: World, *, named: bool) -> None:
    names = tuple(trees.endpoints.kept) if named else ()
    bare = ListEndpoints(sort="metadata.row", endpoint_id=names)
    trees.endpoints.too_large = True

    found, _ = await list_endpoints(bare, parts=trees.parts)
    with pytest.raises(PayloadTooLargeError):
        await list_endpoints(
            ListEndpoints(sort="metadata.row", endpoint_id=names, include=("metadata",)), parts=trees.parts
        )
    trees.endpoints.too_large = False
    full, _ = await list_endpoints(
        ListEndpoints(sort="metadata.row", endpoint_id=names, include=("metadata",), limit=1),
        parts=trees.parts,
    )

    assert [endpoint.metadata for endpoint in found] == [{}] * 5
    assert [endpoint.metadata for endpoint in full] == [{"row": 1}]


async def test_what_is_not_there_as_its_line_says_is_left_out_and_corrected(trees: World) -> None:
    del trees.endpoints.kept[EndpointId("a")]
    moved = replace(trees.endpoints.kept[EndpointId("b")], version=AppVersionName("olives-v2"), seq=1)
    trees.endpoints.kept[moved.id] = moved
    at_v1 = ListEndpoints(sort="metadata.row", application_version_name="olives-v1")

    found, counted = await list_endpoints(at_v1, parts=trees.parts)
    again, counted_then = await list_endpoints(at_v1, parts=trees.parts)

    assert [endpoint.id for endpoint in found] == [endpoint.id for endpoint in again] == ["e"]
    assert (counted, counted_then) == (3, 1)
    assert "a" not in trees.listing.lines
    assert trees.listing.lines[moved.id] == listed(moved)


ALL = (range_of(Order.ENDPOINT_ID, descending=False),)
BY_ROW = ValueSort("row", descending=False)


@pytest.fixture
async def forest(world: World) -> World:
    """One endpoint more than is sorted without a turn."""
    for number in range(1001):
        await plant(world, f"tree-{number:04}", {"row": number % 10})
    return world


async def ids_by_row(world: World, **fields: Json) -> list[str]:
    found, _ = await sorting.list_ranges_sorted(
        ListEndpoints(limit=3), ALL, BY_ROW, shown=lambda _: True, parts=world.parts, **fields
    )
    return [endpoint.id for endpoint in found]


async def test_large_lists_are_sorted_one_at_a_time_and_few_wait(forest: World) -> None:
    going, go_on = asyncio.Event(), asyncio.Event()
    at_once, most = 0, 0

    async def hold() -> None:
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        going.set()
        await go_on.wait()
        at_once -= 1

    forest.endpoints.before_values = hold
    async with asyncio.TaskGroup() as group:
        asked = [group.create_task(ids_by_row(forest), name="sort") for _ in range(1 + sorting.MAX_WAITING)]
        await going.wait()
        with pytest.raises(UnavailableError):
            await ids_by_row(forest)
        go_on.set()

    assert most == 1
    assert [task.result() for task in asked] == [["tree-0000", "tree-0010", "tree-0020"]] * 5


async def test_a_list_no_larger_than_a_page_waits_for_nobody(forest: World, trees: World) -> None:
    going, go_on = asyncio.Event(), asyncio.Event()

    async def hold() -> None:
        going.set()
        await go_on.wait()

    forest.endpoints.before_values = hold
    async with asyncio.TaskGroup() as group:
        large = group.create_task(ids_by_row(forest), name="large")
        await going.wait()
        small, _ = await list_endpoints(
            ListEndpoints(sort="-lastSeen", application_name="figs"), parts=trees.parts
        )
        assert not large.done()
        go_on.set()

    assert [endpoint.id for endpoint in small] == ["c", "d"]


async def test_sorting_that_takes_too_long_is_given_up(trees: World) -> None:
    with pytest.raises(DeadlineError, match="took too long"):
        await ids_by_row(trees, within_s=-1.0)
