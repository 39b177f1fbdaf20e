"""Every status of protocol/rest.md, as a caller meets it."""

import asyncio

import pytest

from libs.contracts import applications, endpoints
from libs.contracts.errors import (
    BadRequestError,
    ConflictError,
    DeadlineError,
    ForbiddenError,
    GroveError,
    InternalError,
    NotFoundError,
    PayloadTooLargeError,
    PreconditionFailedError,
    TooManyRequestsError,
    UnavailableError,
    UnprocessableError,
    UnsupportedMediaTypeError,
)
from tests.component.api_gateway.conftest import Gateway
from tests.component.api_gateway.owners import ADMIN

APPLICATIONS = "/tekton/api/v1/applications"

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.mark.parametrize(
    "error",
    [
        BadRequestError("name must be 1 to 256 characters of [a-z0-9_-]"),
        ForbiddenError("the API key is limited to other applications than olives"),
        NotFoundError("there is no application olives"),
        ConflictError("an application olives exists already"),
        PreconditionFailedError("changed meanwhile"),
        PayloadTooLargeError("too much"),
        UnsupportedMediaTypeError("not that"),
        UnprocessableError("operation 0 does not apply"),
        TooManyRequestsError("slow down"),
        UnavailableError("the store cannot be reached"),
        DeadlineError("the service did not answer in time"),
    ],
    ids=lambda error: str(error.status_code),
)
async def test_an_owners_error_is_the_answer(shared_gateway: Gateway, error: GroveError) -> None:
    shared_gateway.owners.fail(applications.LIST_APPLICATIONS, error)

    answer = await shared_gateway.call("GET", APPLICATIONS)

    assert answer.status == error.status_code
    assert answer.body == {"message": error.reason_phrase}
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["Correlation-ID"]
    assert ("Retry-After" in answer.headers) == (error.status_code in {429, 503})


@pytest.mark.parametrize(
    "error",
    [
        pytest.param(InternalError("table token_hashes is corrupt"), id="said by the owner"),
        pytest.param(ZeroDivisionError("a secret of the owner"), id="a bug of the owner"),
    ],
)
async def test_a_500_never_says_more(shared_gateway: Gateway, error: Exception) -> None:
    shared_gateway.owners.fail(applications.LIST_APPLICATIONS, error)

    answer = await shared_gateway.call("GET", APPLICATIONS)

    assert (answer.status, answer.body) == (500, {"message": "Internal Server Error"})


@pytest.mark.parametrize(
    "target",
    ["/nothing", "/epr/api/v1/endpoint", "/epr/api/v1/endpoints/", "/epr/api/v1/endpoints//metadata", "//"],
)
async def test_an_unknown_path_is_404(shared_gateway: Gateway, target: str) -> None:
    answer = await shared_gateway.call("GET", target, key=None)

    assert (answer.status, answer.message) == (404, "there is nothing here; /docs lists what there is")


@pytest.mark.parametrize(
    ("method", "target", "allowed"),
    [
        ("DELETE", APPLICATIONS, "GET, HEAD, POST"),
        ("OPTIONS", f"{APPLICATIONS}/olives", "DELETE, GET, HEAD, PATCH"),
        ("GET", "/cm/api/v1/endpoints/tree-17/tokens/t/status", "PUT"),
        ("POST", "/epts/api/v1/applications/olives/time-series/last", "GET, HEAD"),
        ("POST", "/docs", "GET, HEAD"),
        ("PURGE", "/health", "GET, HEAD"),
    ],
)
async def test_a_method_that_is_not_possible_is_405(
    shared_gateway: Gateway, method: str, target: str, allowed: str
) -> None:
    answer = await shared_gateway.call(method, target)

    assert (answer.status, answer.headers["Allow"]) == (405, allowed)
    assert allowed in answer.message


async def test_every_problem_of_a_query_is_told(shared_gateway: Gateway) -> None:
    target = (
        "/epr/api/v1/endpoints?limt=5&limit=1001&offset=-1&include=metdata&sort=a&sort=b&applicationName="
    )

    answer = await shared_gateway.call("GET", target)

    assert answer.status == 400
    assert answer.message.startswith("6 problems, the first is query.limt: unknown parameter")
    assert answer.problems == {
        "query.limt": "unknown parameter; did you mean limit?",
        "query.limit": "must be at most 1000",
        "query.offset": "must be at least 0",
        "query.include": "must be one of connectivity, filters, metadata",
        "query.sort": "is given more than once",
        "query.applicationName": "has no value",
    }


async def test_every_problem_of_a_body_is_told(shared_gateway: Gateway) -> None:
    body = {"appVersion": {"nam": "olives-v1"}, "endpointToken": 5, "metdata": {}, "relations": ["x"]}

    answer = await shared_gateway.call("POST", "/epr/api/v1/endpoints", json=body)

    assert answer.status == 400
    assert answer.problems == {
        "$.appVersion.nam": "unknown field; did you mean name?",
        "$.appVersion.name": "is missing",
        "$.endpointToken": "must be text, not a whole number",
        "$.metdata": "unknown field; did you mean metadata?",
        "$.relations[0]": "must be an object, not text",
    }


async def test_a_missing_parameter_and_a_bad_body_are_told_together(shared_gateway: Gateway) -> None:
    answer = await shared_gateway.call("PUT", "/tekton/api/v1/app-configs/applications/olives", json=[1])

    assert answer.status == 400
    assert answer.problems == {
        "query.serviceInstanceName": "is missing",
        "$": "must be an object, not an array",
    }


async def test_an_unknown_state_is_told_with_the_ones_there_are(shared_gateway: Gateway) -> None:
    target = "/cm/api/v1/endpoints/tree-17/tokens/t/status"

    answer = await shared_gateway.call("PUT", target, json={"status": "suspended"})

    assert answer.problems == {"$.status": "must be one of Inactive, Active, Suspended, Revoked"}


@pytest.mark.parametrize(
    ("content_type", "encoding"),
    [("application/xml", None), ("multipart/form-data; boundary=x", None), ("application/json", "gzip")],
    ids=["xml", "multipart", "compressed"],
)
async def test_a_body_that_is_no_json_is_415(
    shared_gateway: Gateway, content_type: str, encoding: str | None
) -> None:
    headers = {"Content-Type": content_type} | ({"Content-Encoding": encoding} if encoding else {})

    answer = await shared_gateway.call("POST", APPLICATIONS, data=b"{}", headers=headers)

    assert answer.status == 415


async def test_only_a_caller_who_may_send_a_body_is_asked_to_go_on(shared_gateway: Gateway) -> None:
    head = f"POST {APPLICATIONS} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nExpect: 100-continue\r\n"
    length = "Content-Length: 2\r\n\r\n"

    refused = await shared_gateway.raw(f"{head}{length}".encode())
    taken = await shared_gateway.raw(f"{head}Authorization: Bearer {ADMIN}\r\n{length}{{}}".encode())

    assert refused.startswith(b"HTTP/1.1 401 ")
    assert taken.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 201 ")


async def test_a_body_that_breaks_off_does_no_harm(shared_gateway: Gateway) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", shared_gateway.port)
    head = (
        f"POST {APPLICATIONS} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {ADMIN}\r\nContent-Length: 9\r\n"
    )
    writer.write(f"{head}\r\n{{".encode())
    await writer.drain()
    writer.close()
    await writer.wait_closed()

    assert (await shared_gateway.call("GET", APPLICATIONS)).status == 200
    assert not any(isinstance(each, applications.CreateApplication) for each in shared_gateway.owners.asked)


@pytest.mark.parametrize(
    ("target", "limit"),
    [
        pytest.param("/epr/api/v1/endpoints/tree-17/metadata", 256 * 1024, id="metadata"),
        pytest.param("/epr/api/v1/endpoints/tree-17/metadata/model", 256 * 1024, id="metadata value"),
    ],
)
async def test_a_document_of_exactly_the_limit_passes_and_a_byte_more_is_413(
    shared_gateway: Gateway, target: str, limit: int
) -> None:
    fits = b'{"a":"' + b"x" * (limit - 8) + b'"}'

    taken = await shared_gateway.call("PUT", target, data=fits)
    refused = await shared_gateway.call("PUT", target, data=fits + b" ")

    assert (taken.status, refused.status) == (204, 413)
    assert refused.message == f"the body is above the limit of {limit} bytes"
    assert len(shared_gateway.owners.asked) == 1


async def test_a_body_without_a_length_is_bounded_too(shared_gateway: Gateway) -> None:
    async def endless() -> object:
        for _ in range(1000):
            yield b"x" * 4096

    answer = await shared_gateway.call("PUT", "/epr/api/v1/endpoints/tree-17/metadata", data=endless())

    assert answer.status == 413


async def test_what_fits_into_a_body_and_not_onto_the_bus_is_413(shared_gateway: Gateway) -> None:
    numbers = b'{"appVersion":{"name":"a-1"},"metadata":{"n":[' + b"0.5," * 180_000 + b"1]}}"

    answer = await shared_gateway.call("POST", "/epr/api/v1/endpoints", data=numbers)

    assert answer.status == 413
    assert not [each for each in shared_gateway.owners.asked if isinstance(each, endpoints.CreateEndpoint)]
