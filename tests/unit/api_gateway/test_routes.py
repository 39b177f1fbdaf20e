"""What must hold for every line of the route table."""

import json
import re
from http import HTTPStatus

import msgspec
import pytest

from libs.contracts.access import users
from libs.contracts.api_keys import Scope
from libs.contracts.audit import LIST_AUDIT_RECORDS
from libs.contracts.messages import ManagementRequest
from libs.contracts.subjects import Subjects
from services.api_gateway.bus_api import SUBJECTS
from services.api_gateway.routes import ROUTES, Place, Route
from services.api_gateway.routes.parameters import FOLLOWED, parameters_of
from tests.support.api_gateway import route_id

# A search only reads, however it is asked for; what this GET tells are secrets.
ODD_SCOPES = {
    "POST /epr/api/v1/endpoints/search": Scope.READ,
    "GET /epr/api/v1/endpoints/batch/status": Scope.WRITE,
}

every_route = pytest.mark.parametrize("route", ROUTES, ids=route_id)


def placeholders_of(route: Route) -> list[str]:
    return re.findall(r"\{(\w+)\}", route.path)


def test_no_two_routes_are_the_same() -> None:
    assert len({route_id(route) for route in ROUTES}) == len(ROUTES)
    assert len({route.operation_id for route in ROUTES}) == len(ROUTES)


@every_route
def test_a_route_says_what_it_does(route: Route) -> None:
    assert 5 <= len(route.summary) <= 60
    assert not route.summary.endswith(".")
    assert route.description.endswith(".")
    assert route.tag.description.endswith(".")
    assert all(parameter.description.endswith(".") for parameter in route.parameters)


@every_route
def test_placeholders_are_fields_of_the_request(route: Route) -> None:
    in_path = [parameter.name for parameter in route.parameters_in(Place.PATH)]

    assert in_path == placeholders_of(route)
    assert all(parameter.required for parameter in route.parameters_in(Place.PATH))


@every_route
def test_every_field_of_the_request_comes_from_somewhere(route: Route) -> None:
    fields = set(route.operation.request.__struct_fields__) - set(ManagementRequest.__struct_fields__)
    bound = {parameter.attribute for parameter in route.parameters} | {*route.fixed, *route.from_caller}
    bound |= {"payload"} if route.document else set()
    bound |= {"body"} if route.body_type else set()

    assert bound == fields - FOLLOWED


@every_route
def test_the_status_fits_what_is_answered(route: Route) -> None:
    answers = route.reply_type is not None or route.answer is not None

    assert (route.success == HTTPStatus.NO_CONTENT) == (not answers)
    assert (route.success == HTTPStatus.CREATED) == (route.location is not None)
    assert (route.method in {"POST", "PUT", "PATCH"}) == route.has_body


@every_route
def test_reading_needs_read_and_changing_needs_more(route: Route) -> None:
    if route.whole or route.operation is LIST_AUDIT_RECORDS:
        assert route.scope is Scope.ADMIN
    else:
        usual = Scope.READ if route.method == "GET" else Scope.WRITE
        assert route.scope is ODD_SCOPES.get(route_id(route), usual)


@every_route
def test_what_needs_more_than_read_is_in_the_audit_trail_unless_it_is_a_get(route: Route) -> None:
    assert route.changes == (route.method != "GET" and route.scope is not Scope.READ)


@every_route
def test_a_success_that_is_created_says_where(route: Route) -> None:
    if route.location is None:
        return
    fields = {each.encode_name for each in msgspec.structs.fields(route.reply_type)}
    needed = set(re.findall(r"\{(\w+)\}", route.location.path))

    assert set(route.location.takes.values()) <= fields
    assert needed == {*route.location.takes, *placeholders_of(route)}
    assert any(each.path == route.location.path for each in ROUTES)


@every_route
def test_examples_are_what_the_types_say(route: Route) -> None:
    if route.reply_type is not None:
        reply = msgspec.convert(route.response_example, route.reply_type)
        assert json.loads(msgspec.json.encode(reply)) == route.response_example
    if route.body_type is not None:
        body = msgspec.convert(route.request_example, route.body_type)
        assert route.request_example.keys() <= msgspec.to_builtins(body).keys()
    if route.document is not None:
        assert isinstance(route.request_example, route.document.kind)
    if route.answer is not None:
        assert route.response_example is not None


@every_route
def test_the_errors_that_can_happen_are_declared(route: Route) -> None:
    statuses = route.all_errors

    assert list(statuses) == sorted(statuses)
    assert {400, 401, 403, 429, 500, 503, 504} <= statuses.keys()
    assert ({408, 413, 415} <= statuses.keys()) == route.has_body
    assert (409 in statuses) == (route.method != "GET")
    if placeholders_of(route):
        assert 404 in statuses
    assert all(reason.endswith(".") for reason in statuses.values())


@every_route
def test_lists_are_pages_except_those_of_applications(route: Route) -> None:
    names = {parameter.name for parameter in route.parameters}
    if isinstance(route.body_type, type) and issubclass(route.body_type, msgspec.Struct):
        names |= {each.encode_name for each in msgspec.structs.fields(route.body_type)}
    paged = isinstance(route.response_example, dict) and "totalElements" in route.response_example

    assert ({"offset", "limit"} <= names) == paged


@pytest.mark.parametrize("route", [each for each in ROUTES if not each.live], ids=route_id)
def test_the_gateway_may_ask_the_owner(route: Route) -> None:
    (user,) = [each for each in users() if each.name == "api-gateway"]
    subject = route.operation.subject(Subjects())

    assert any(subject.startswith(pattern.removesuffix(">")) for pattern in user.publish)


def test_the_gateway_may_hear_what_it_listens_to() -> None:
    (user,) = [each for each in users() if each.name == "api-gateway"]
    heard = [pattern.removesuffix(">").replace("*", "credential-manager") for pattern in user.subscribe]

    assert all(any(each.subject(Subjects()).startswith(start) for start in heard) for each in SUBJECTS)


def test_a_placeholder_that_is_no_field_is_a_mistake() -> None:
    request = ROUTES[2].operation.request

    with pytest.raises(ValueError, match="GetApplication has no field for nonsense"):
        parameters_of(request, placeholders=("nonsense",), without=())
