import pytest

from libs.contracts.errors import NotFoundError
from services.api_gateway.problems import InvalidRequestError
from services.api_gateway.routes import ROUTES, Route
from services.api_gateway.routing import MethodNotAllowedError, Router
from tests.support.api_gateway import route_id, target_of

ROUTER = Router(ROUTES)


@pytest.mark.parametrize("route", ROUTES, ids=route_id)
def test_every_route_is_found_by_its_example(route: Route) -> None:
    path = target_of(route).partition("?")[0]

    assert ROUTER.match(route.method, path).route is route


def test_names_are_decoded_one_level_at_a_time() -> None:
    match = ROUTER.match("GET", "/epr/api/v1/endpoints/a%2Fb/metadata/%C3%B6l%25")

    assert match.values == {"endpointId": "a/b", "key": "öl%"}


def test_a_plus_in_a_path_is_a_plus() -> None:
    assert ROUTER.match("GET", "/epr/api/v1/endpoints/a+b").values == {"endpointId": "a+b"}


def test_a_fixed_level_wins_over_a_placeholder() -> None:
    match = ROUTER.match("GET", "/epr/api/v1/endpoints/tree-17/metadata-keys")

    assert match.route.operation_id == "listMetadataKeys"


@pytest.mark.parametrize("name", ["batch", "search", "delete"])
def test_an_endpoint_may_be_called_as_a_fixed_level_is(name: str) -> None:
    path = f"/epr/api/v1/endpoints/{name}"

    assert ROUTER.match("GET", path).route.operation_id == "getEndpoint"
    assert ROUTER.match("DELETE", path).values == {"endpointId": name}
    assert ROUTER.match("PUT", f"{path}/metadata").values == {"endpointId": name}
    with pytest.raises(MethodNotAllowedError) as caught:
        ROUTER.match("PUT", path)
    assert caught.value.allowed == "DELETE, GET, HEAD, POST"


def test_an_endpoint_may_be_called_like_a_fixed_level() -> None:
    for method, path in (
        ("GET", "/epr/api/v1/endpoints/import"),
        ("DELETE", "/epr/api/v1/endpoints/export"),
        ("GET", "/epr/api/v1/endpoints/export/metadata"),
    ):
        assert ROUTER.match(method, path).values["endpointId"] in {"import", "export"}
    assert ROUTER.match("GET", "/epr/api/v1/endpoints/export").values == {}
    with pytest.raises(MethodNotAllowedError) as caught:
        ROUTER.match("PUT", "/epr/api/v1/endpoints/import")
    assert caught.value.allowed == "DELETE, GET, HEAD, POST"


def test_head_is_answered_where_get_is() -> None:
    assert ROUTER.match("HEAD", "/auth/api/v1/me").route.method == "GET"


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/",
        "//",
        "/epr",
        "/epr/api/v1/endpoints/",
        "/epr/api/v1//endpoints",
        "/EPR/api/v1/endpoints",
        "epr/api/v2",
    ],
)
def test_any_other_path_is_not_found(path: str) -> None:
    with pytest.raises(NotFoundError):
        ROUTER.match("GET", path)


def test_another_method_is_told_what_is_possible() -> None:
    with pytest.raises(MethodNotAllowedError) as caught:
        ROUTER.match("POST", "/epr/api/v1/endpoints/tree-17/metadata")

    assert caught.value.allowed == "GET, HEAD, PATCH, PUT"


@pytest.mark.parametrize("name", ["%ff", "%C3", "%ED%A0%80"])
def test_a_name_that_is_not_utf8_is_told(name: str) -> None:
    with pytest.raises(InvalidRequestError, match=r"path\.endpointId: is not UTF-8"):
        ROUTER.match("GET", f"/epr/api/v1/endpoints/{name}")


def test_two_routes_for_one_path_are_a_mistake() -> None:
    with pytest.raises(ValueError, match="two routes are GET"):
        Router([ROUTES[0], ROUTES[0]])
