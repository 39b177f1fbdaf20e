"""Nothing secret gets into the audit trail: tried with every route, and every part of a request."""

import json
from collections.abc import Iterator
from typing import Any, TypeAlias
from urllib.parse import parse_qsl, urlsplit

import msgspec
import pytest

from libs.contracts.api_keys import ApiKey, Scope
from libs.contracts.audit import AuditEntry
from libs.contracts.messages import Request
from services.api_gateway.audit_entries import LEFT_OUT, Call, entry_of, named_by
from services.api_gateway.binding import Incoming, bind
from services.api_gateway.problems import InvalidRequestError
from services.api_gateway.routes import ROUTES, Place, Route
from services.api_gateway.routing import Router
from services.api_gateway.usecases import Caller
from tests.support.api_gateway import body_of, route_id, target_of

Anything: TypeAlias = Any

LEAK = "leak4711"
SECRET = "grove_the-key-of-the-caller"
KEY = ApiKey(
    api_key_id="2af4e4a9-c92b-4aa3-822d-ba71860161fc",
    name="planner",
    scope=Scope.WRITE,
    applications=None,
    created_date="2026-11-21T04:00:00.000Z",
    expiry_date=None,
    revoked=False,
)
NAMES = {"endpointId", "applicationName", "appVersion.name"}
"""What a body says that belongs into the trail."""
NAMED_OTHERWISE = {"createApplication": "name", "putEndpointVersion": "name", "createVersion": "name"}

changing_routes = pytest.mark.parametrize("route", [each for each in ROUTES if each.changes], ids=route_id)


def variants(value: Anything, path: str = "") -> Iterator[tuple[str, Anything]]:
    """Each way to put the leak into one place of a document, and what that place is called."""
    if isinstance(value, dict):
        for name, inner in value.items():
            for where, variant in variants(inner, f"{path}.{name}".removeprefix(".")):
                yield where, {**value, name: variant}
        yield f"{path}.{LEAK}", {**value, LEAK: 1}
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            for where, variant in variants(inner, path):
                yield where, [*value[:number], variant, *value[number + 1 :]]
    else:
        yield path, LEAK


def bodies(route: Route) -> Iterator[tuple[str, Anything]]:
    """The example with the leak in each place, those included that the example leaves out."""
    if not route.has_body:
        return
    yield from variants(route.request_example)
    if isinstance(route.body_type, type) and issubclass(route.body_type, msgspec.Struct):
        for each in msgspec.structs.fields(route.body_type):
            if each.encode_name not in route.request_example:
                yield each.encode_name, {**route.request_example, each.encode_name: LEAK}


def incoming(route: Route, body: bytes, *, headers: dict[str, str] | None = None) -> Incoming:
    target = urlsplit(target_of(route))
    return Incoming(
        values=Router(ROUTES).match(route.method, target.path).values,
        query=target.query,
        headers=headers or {},
        body=body,
    )


def entry(route: Route, given: Incoming, message: Request) -> AuditEntry:
    call = Call(route=route, values=given.values, correlation_id="c1", remote_address="192.0.2.7")
    return named_by(entry_of(call, KEY, record_id="0" * 28), message)


def text_of(found: AuditEntry) -> str:
    return msgspec.json.encode(found).decode()


@changing_routes
def test_nothing_of_a_body_is_told_but_the_names_of_endpoint_and_application(route: Route) -> None:
    told = set()
    tried = 0
    for where, variant in bodies(route):
        given = incoming(route, json.dumps(variant).encode())
        try:
            message = bind(route, given, caller=Caller(KEY, SECRET))
        except InvalidRequestError:
            continue  # of these nothing is told at all
        tried += 1
        if LEAK in text_of(entry(route, given, message)):
            told.add(where)

    assert told <= NAMES | {NAMED_OTHERWISE.get(route.operation_id, "nothing else")}
    assert tried or not route.has_body or route.operation_id in {"setTokenStatus", "setSenmlCredentialStatus"}


@changing_routes
def test_nothing_of_an_answer_is_told_but_the_names_of_endpoint_and_application(route: Route) -> None:
    if route.reply_type is None:
        return
    given = incoming(route, body_of(route)[0] or b"")
    request = bind(route, given, caller=Caller(KEY, SECRET))
    told = set()
    for where, variant in variants(route.response_example):
        try:
            reply = route.operation.reply(body=msgspec.convert(variant, route.reply_type))
        except msgspec.ValidationError:
            continue
        if LEAK in text_of(named_by(entry(route, given, request), reply)):
            told.add(where)

    assert told <= NAMES | {NAMED_OTHERWISE.get(route.operation_id, "nothing else")}


@changing_routes
def test_no_header_no_query_and_no_key_is_told(route: Route) -> None:
    headers = {each.name: LEAK for each in route.parameters_in(Place.HEADER)}
    given = incoming(route, body_of(route)[0] or b"", headers=headers)
    message = bind(route, given, caller=Caller(KEY, SECRET))

    text = text_of(entry(route, given, message))

    assert LEAK not in text
    assert SECRET not in text
    named = {"serviceInstanceName", "applicationName"}
    assert not [v for k, v in parse_qsl(given.query) if k not in named and f'"{v}"' in text]


@changing_routes
def test_a_token_in_the_place_of_an_id_stays_out(route: Route) -> None:
    token = "hQ8b2xXk0vT3mZ1yR7sWc4Pd"
    values = {name: token for name in incoming(route, b"").values if name in {"tokenId", "credentialId"}}
    strange = dict.fromkeys(incoming(route, b"").values, "a token+with/strange.characters")
    for given in (values, strange):
        call = Call(route=route, values=given, correlation_id="c1", remote_address="192.0.2.7")
        found = entry_of(call, KEY, record_id="0" * 28)

        assert set(found.parameters.values()) <= {LEFT_OUT}
        assert (found.endpoint_id, found.application_name) == ("", "")


def test_a_record_says_who_did_what_to_which_endpoint() -> None:
    route = next(each for each in ROUTES if each.operation_id == "createEndpoint")
    given = incoming(route, body_of(route)[0] or b"")

    found = entry(route, given, bind(route, given, caller=Caller(KEY, SECRET)))

    assert (found.api_key_id, found.api_key_name) == (KEY.api_key_id, "planner")
    assert (found.operation, found.method, found.path) == ("createEndpoint", "POST", "/epr/api/v1/endpoints")
    assert (found.endpoint_id, found.application_name) == ("tree-17", "olives")
    assert (found.correlation_id, found.remote_address, found.status_code) == ("c1", "192.0.2.7", 0)


def test_an_id_that_was_drawn_is_taken_from_the_answer() -> None:
    route = next(each for each in ROUTES if each.operation_id == "createEndpoint")
    given = incoming(route, b'{"appVersion": {"name": "olives-v1"}}')
    begun = entry(route, given, bind(route, given, caller=Caller(KEY, SECRET)))
    reply = route.operation.reply(body=msgspec.convert(route.response_example, route.reply_type))

    assert (begun.endpoint_id, named_by(begun, reply).endpoint_id) == ("", "tree-17")
