"""Pages of endpoints."""

from dataclasses import replace
from typing import Any

import pytest

from libs.contracts.endpoints import DeleteEndpoint, ListEndpoints
from libs.contracts.errors import BadRequestError, ForbiddenError, GroveError, UnavailableError
from libs.contracts.ids import ApplicationName, AppVersionName, EndpointId
from services.endpoint_register.domain.endpoint import Endpoint, EndpointState
from services.endpoint_register.domain.listing import Range, listed
from services.endpoint_register.usecases import listing
from services.endpoint_register.usecases.removing import delete_endpoint
from tests.unit.endpoint_register.conftest import NewTwin
from tests.unit.endpoint_register.fakes import World
from tests.unit.endpoint_register.time_and_chance import START

FIGS_ONLY = ("figs",)


@pytest.mark.parametrize(
    ("query", "names", "total"),
    [
        pytest.param({}, "dbcae", 5, id="all, oldest first"),
        pytest.param({"sort": "endpointId"}, "abcde", 5, id="by id"),
        pytest.param({"sort": "-endpointId"}, "edcba", 5, id="by id, descending"),
        pytest.param({"sort": "-createdDate"}, "eacbd", 5, id="newest first"),
        pytest.param({"sort": "appVersion"}, "beadc", 5, id="by version"),
        pytest.param({"offset": 1, "limit": 2, "sort": "endpointId"}, "bc", 5, id="a page"),
        pytest.param({"offset": 9}, "", 5, id="beyond the end"),
        pytest.param({"application_name": "olives"}, "dca", 3, id="of an application"),
        pytest.param({"application_name": "olives", "sort": "appVersion"}, "adc", 3, id="of it, by version"),
        pytest.param(
            {"application_version_name": "olives-v1", "sort": "-endpointId"}, "da", 2, id="at a version"
        ),
        pytest.param({"application_version_name": "figs-v1"}, "be", 2, id="at a version, oldest first"),
        pytest.param({"application_name": "gone"}, "", 0, id="of an application that is not there"),
        pytest.param({"endpoint_id": ("a", "x", "b", "a")}, "ba", 2, id="by name"),
        pytest.param(
            {"endpoint_id": ("a", "b"), "application_name": "figs"}, "b", 1, id="by name in application"
        ),
        pytest.param(
            {"endpoint_id": ("a", "b", "d"), "sort": "-endpointId", "limit": 1, "offset": 1},
            "b",
            3,
            id="a named page",
        ),
        pytest.param({"applications": FIGS_ONLY}, "be", 2, id="a limited key"),
        pytest.param(
            {"applications": ("figs", "olives"), "sort": "-endpointId"}, "edcba", 5, id="two limits"
        ),
        pytest.param(
            {"applications": ("figs", "olives"), "offset": 1, "limit": 3}, "bca", 5, id="two limits, page"
        ),
        pytest.param({"applications": ("figs", "gone")}, "be", 2, id="a limit that is gone"),
        pytest.param(
            {"applications": FIGS_ONLY, "endpoint_id": ("a", "b")}, "b", 1, id="a limited key by name"
        ),
        pytest.param({"endpoint_id_prefix": "d"}, "d", 1, id="ids that begin so"),
        pytest.param({"endpoint_id_prefix": "de"}, "", 0, id="ids that begin so, and there is none"),
        pytest.param(
            {"endpoint_id_prefix": "a", "application_name": "olives", "sort": "-endpointId"},
            "a",
            1,
            id="ids that begin so, of an application",
        ),
        pytest.param(
            {"endpoint_id_prefix": "a", "application_version_name": "figs-v1"},
            "",
            0,
            id="ids that begin so, at another version",
        ),
        pytest.param(
            {"endpoint_id_prefix": "b", "applications": ("figs", "olives")},
            "b",
            1,
            id="ids that begin so, two limits",
        ),
        pytest.param(
            {"endpoint_id_prefix": "b", "sort": "-lastSeen"}, "b", 1, id="ids that begin so, in any order"
        ),
        pytest.param(
            {"endpoint_id_prefix": "b", "endpoint_id": ("a", "b"), "sort": "endpointId"},
            "b",
            1,
            id="named ids that begin so",
        ),
    ],
)
async def test_a_list_holds_what_is_asked_for_in_order(
    grove: World, query: dict[str, Any], names: str, total: int
) -> None:
    found, counted = await listing.list_endpoints(ListEndpoints(**query), parts=grove.parts)

    assert "".join(endpoint.id for endpoint in found) == names
    assert counted == total


@pytest.mark.parametrize(
    ("query", "error"),
    [
        pytest.param({"limit": 1001}, BadRequestError, id="limit"),
        pytest.param({"offset": -1}, BadRequestError, id="offset"),
        pytest.param({"sort": "name"}, BadRequestError, id="sort"),
        pytest.param(
            {"endpoint_id_prefix": "a", "sort": "createdDate"}, BadRequestError, id="prefix in another order"
        ),
        pytest.param({"endpoint_id_prefix": "a/b"}, BadRequestError, id="prefix"),
        pytest.param(
            {"endpoint_id_prefix": "a/", "endpoint_id": ("a",)}, BadRequestError, id="prefix, named"
        ),
        pytest.param({"endpoint_id": ("x",) * 1001}, BadRequestError, id="many names"),
        pytest.param(
            {"application_name": "figs", "application_version_name": "olives-v1"},
            BadRequestError,
            id="contradiction",
        ),
        pytest.param({"applications": FIGS_ONLY, "application_name": "olives"}, ForbiddenError, id="limits"),
        pytest.param(
            {"applications": FIGS_ONLY, "application_version_name": "olives-v1"},
            ForbiddenError,
            id="limits, version",
        ),
    ],
)
async def test_a_list_that_cannot_be_is_refused(
    grove: World, query: dict[str, Any], error: type[GroveError]
) -> None:
    with pytest.raises(error):
        await listing.list_endpoints(ListEndpoints(**query), parts=grove.parts)


async def test_a_ghost_in_the_listing_is_shown_once_at_most(grove: World) -> None:
    del grove.endpoints.kept[next(iter(grove.listing.lines))]

    first, _ = await listing.list_endpoints(ListEndpoints(), parts=grove.parts)
    again, counted = await listing.list_endpoints(ListEndpoints(), parts=grove.parts)

    assert len(first) == len(again) == counted == 4


@pytest.mark.parametrize(
    ("query", "names", "total"),
    [
        pytest.param({}, "dbcae", 5, id="all is on the page"),
        pytest.param({"applications": ("figs", "olives")}, "dbcae", 5, id="all of two limits"),
        pytest.param({"limit": 5}, "dbcae", 3, id="there may be more"),
        pytest.param({"offset": 4}, "e", 3, id="what is before it is not read"),
    ],
)
async def test_a_count_that_is_behind_is_not_asked_where_the_page_says_it_all(
    grove: World, monkeypatch: pytest.MonkeyPatch, query: dict[str, Any], names: str, total: int
) -> None:
    async def behind(_part: Range) -> int:
        return 3

    monkeypatch.setattr(grove.listing, "count", behind)

    found, counted = await listing.list_endpoints(ListEndpoints(**query), parts=grove.parts)

    assert "".join(endpoint.id for endpoint in found) == names
    assert counted == total


@pytest.mark.parametrize(
    "query", [pytest.param({}, id="in the listing"), pytest.param({"endpoint_id": ("a", "d")}, id="by name")]
)
async def test_what_is_half_removed_is_in_no_list(grove: World, query: dict[str, Any]) -> None:
    grove.credentials.refusal = UnavailableError("away")
    with pytest.raises(UnavailableError):
        await delete_endpoint(DeleteEndpoint(endpoint_id="a"), parts=grove.parts)

    found, _ = await listing.list_endpoints(ListEndpoints(**query), parts=grove.parts)

    assert "a" in grove.listing.lines
    assert "d" in [endpoint.id for endpoint in found]
    assert "a" not in [endpoint.id for endpoint in found]


@pytest.mark.parametrize(
    "query", [pytest.param({}, id="in the listing"), pytest.param({"endpoint_id": ("e1",)}, id="by name")]
)
async def test_what_is_half_made_is_in_no_list(
    world: World, new_twin: NewTwin, query: dict[str, Any]
) -> None:
    twin = await new_twin(endpoint_id="e1")
    world.endpoints.kept[twin.id] = replace(twin, state=EndpointState.CREATING)

    found, _ = await listing.list_endpoints(ListEndpoints(**query), parts=world.parts)

    assert list(world.listing.lines) == ["e1"]
    assert found == []


@pytest.fixture
async def forest(world: World) -> World:
    """Two applications of 400 endpoints each, by turns."""
    for number in range(800):
        application = ("figs", "olives")[number % 2]
        endpoint = Endpoint(
            id=EndpointId(f"e{number:03}"),
            application=ApplicationName(application),
            version=AppVersionName(f"{application}-v1"),
            version_since=START,
            created_at=START,
            incarnation=f"{number}",
            state=EndpointState.READY,
        )
        world.endpoints.kept[endpoint.id] = endpoint
        await world.listing.put(listed(endpoint))
    return world


@pytest.mark.parametrize("descending", [False, True], ids=["ascending", "descending"])
async def test_pages_of_several_applications_follow_each_other(forest: World, *, descending: bool) -> None:
    names: list[str] = []
    total = 0
    for offset in range(0, 900, 300):
        query = ListEndpoints(
            applications=("figs", "olives", "gone"),
            sort="-endpointId" if descending else "endpointId",
            offset=offset,
            limit=300,
        )
        found, total = await listing.list_endpoints(query, parts=forest.parts)
        names += [endpoint.id for endpoint in found]

    assert names == sorted(forest.endpoints.kept, reverse=descending)
    assert total == 800


async def test_a_page_of_several_applications_reads_what_it_needs_and_not_much_more(forest: World) -> None:
    query = ListEndpoints(applications=("figs", "olives"), offset=100, limit=100)

    await listing.list_endpoints(query, parts=forest.parts)

    assert forest.listing.read <= 2 * 128


async def test_a_page_of_several_applications_ends_where_reading_to_it_would_take_too_long(
    grove: World,
) -> None:
    async def page(limits: tuple[str, ...] | None, offset: int) -> list[Endpoint]:
        query = ListEndpoints(applications=limits, offset=offset, limit=20)
        return (await listing.list_endpoints(query, parts=grove.parts))[0]

    with pytest.raises(BadRequestError, match="list one of them"):
        await page(("figs", "olives"), listing.MAX_MERGED - 19)

    assert await page(("figs", "olives"), listing.MAX_MERGED - 20) == []
    assert await page(FIGS_ONLY, listing.MAX_MERGED) == []
    assert await page(None, listing.MAX_MERGED) == []
