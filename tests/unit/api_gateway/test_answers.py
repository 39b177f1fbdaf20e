"""Replies and errors as HTTP responses."""

import json

from libs.contracts.applications import Application, ApplicationReply, EmptyReply
from libs.contracts.endpoints import MetadataReply
from libs.contracts.errors import (
    ForbiddenError,
    GroveError,
    InternalError,
    TooManyRequestsError,
    UnavailableError,
)
from services.api_gateway.answers import failure, success
from services.api_gateway.problems import InvalidRequestError, Problem, unknown
from services.api_gateway.routes import ROUTES, Route

APPLICATION = Application("a/b c", "A", "", "2026-11-21T03:31:38.123Z", "2026-11-21T03:31:38.123Z")


def route_of(operation_id: str) -> Route:
    return next(route for route in ROUTES if route.operation_id == operation_id)


def body_of(error: GroveError) -> object:
    body = failure(error).body
    assert isinstance(body, bytes)
    return json.loads(body)


def test_the_location_is_percent_encoded() -> None:
    response = success(route_of("createApplication"), ApplicationReply(body=APPLICATION), values={})

    assert response.status == 201
    assert response.headers["Location"] == "/tekton/api/v1/applications/a%2Fb%20c"


def test_a_status_change_has_no_body() -> None:
    response = success(route_of("setTokenStatus"), EmptyReply(), values={})

    assert (response.status, response.body) == (204, None)


def test_an_unchanged_document_is_304_whatever_the_route_says() -> None:
    reply = MetadataReply(status_code=304, e_tag='"1"')

    response = success(route_of("getMetadata"), reply, values={})

    assert (response.status, response.body, response.headers["ETag"]) == (304, None, '"1"')


def test_a_malformed_request_lists_its_problems() -> None:
    problems = [Problem("$.a", "is missing"), Problem("query.b", "unknown parameter")]

    assert body_of(InvalidRequestError(problems)) == {
        "message": "2 problems, the first is $.a: is missing",
        "details": [
            {"path": "$.a", "problem": "is missing"},
            {"path": "query.b", "problem": "unknown parameter"},
        ],
    }


def test_an_internal_error_says_nothing_else() -> None:
    assert body_of(InternalError("table x is corrupt")) == {"message": "Internal Server Error"}


def test_headers_say_what_to_do_next() -> None:
    assert failure(UnavailableError()).headers["Retry-After"] == "1"
    assert failure(TooManyRequestsError()).headers["Retry-After"] == "1"
    assert 'error="insufficient_scope"' in failure(ForbiddenError()).headers["WWW-Authenticate"]


def test_a_name_close_to_a_known_one_is_suggested() -> None:
    assert unknown("limt", ["limit", "offset"], what="parameter") == "unknown parameter; did you mean limit?"
    assert unknown("zzz", ["limit", "offset"], what="parameter") == "unknown parameter"
