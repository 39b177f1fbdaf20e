"""What nobody sends by mistake: every answer is a clear 4xx, and the gateway stays as it was."""

import pytest

from tests.component.api_gateway.conftest import Gateway
from tests.component.api_gateway.owners import ADMIN

pytestmark = pytest.mark.asyncio(loop_scope="module")

ENDPOINTS = "/epr/api/v1/endpoints"
METADATA = "/epr/api/v1/endpoints/tree-17/metadata"
TEN_THOUSAND = {f"key{number}": number for number in range(10_000)}


@pytest.mark.parametrize(
    ("body", "place", "problem"),
    [
        pytest.param(b"", "$", "the body is empty", id="empty"),
        pytest.param(b" \n", "$", "the body is empty", id="white space"),
        pytest.param(b"{", "$", "is not JSON", id="cut off"),
        pytest.param(b'{"a":"\xff"}', "$", "not UTF-8", id="invalid UTF-8"),
        pytest.param(b'{"a":1,"a":2}', "$", "duplicate key 'a'", id="duplicate key"),
        pytest.param(b'{"a":NaN}', "$", "NaN is not JSON", id="NaN"),
        pytest.param(b'{"a":9223372036854775808}', "$.a", "outside int64", id="huge integer"),
        pytest.param(b'{"a":' + b"9" * 5000 + b"}", "$", "outside int64", id="very huge integer"),
        pytest.param(b'{"a":1e999}', "$.a", "not finite", id="infinite"),
        pytest.param(b'{"a":"\\ud800"}', "$.a", "lone surrogate", id="lone surrogate"),
        pytest.param(b'{"\\u0000":1}', "$", "NUL in key", id="NUL in a key"),
        pytest.param(b'{"a":' + b"[" * 100 + b"]" * 100 + b"}", None, "nested deeper", id="deep"),
        pytest.param(b"[" * 100_000, "$", "", id="very deep"),
        pytest.param(b'"text"', "$", "must be an object, not text", id="no object"),
        pytest.param(b"null", "$", "must be an object, not null", id="null"),
    ],
)
@pytest.mark.parametrize("call", [("PUT", METADATA), ("POST", ENDPOINTS)], ids=["metadata", "endpoint"])
async def test_a_body_that_may_not_be_stored_is_400(
    shared_gateway: Gateway, call: tuple[str, str], body: bytes, place: str | None, problem: str
) -> None:
    answer = await shared_gateway.call(*call, data=body)

    ((told, what),) = answer.problems.items()
    assert answer.status == 400
    assert place in {told, None}
    assert problem in what
    assert not shared_gateway.owners.asked


async def test_ten_thousand_unknown_fields_are_answered_shortly(shared_gateway: Gateway) -> None:
    answer = await shared_gateway.call("POST", ENDPOINTS, json=TEN_THOUSAND)

    assert answer.status == 400
    assert answer.message.startswith("more than 100 problems")
    assert len(answer.body["details"]) == 100


async def test_ten_thousand_metadata_keys_are_for_the_owner_to_judge(shared_gateway: Gateway) -> None:
    answer = await shared_gateway.call("PUT", METADATA, json=TEN_THOUSAND)

    assert answer.status == 204


@pytest.mark.parametrize(
    ("target", "place"),
    [
        pytest.param(f"{ENDPOINTS}/%ff", "path.endpointId", id="path is not UTF-8"),
        pytest.param(f"{ENDPOINTS}/%ed%a0%80", "path.endpointId", id="path has a surrogate"),
        pytest.param(f"{ENDPOINTS}?sort=%ff", "query", id="query is not UTF-8"),
        pytest.param(f"{ENDPOINTS}?%ff=1", "query", id="name is not UTF-8"),
        pytest.param(f"{ENDPOINTS}?a=1{'&a=1' * 1500}", "query", id="too many parameters"),
        pytest.param(f"{ENDPOINTS}?limit=99999999999999999999", "query.limit", id="huge number"),
        pytest.param(f"{ENDPOINTS}?limit=1_0", "query.limit", id="Python's number"),
        pytest.param(f"{ENDPOINTS}?limit=%D9%A1", "query.limit", id="other digits"),
        pytest.param(f"{ENDPOINTS}?offset=2147483648", "query.offset", id="offset out of bounds"),
        pytest.param(f"{ENDPOINTS}?%00=1", r"query['\x00']", id="NUL as a name"),
        pytest.param("/tekton/api/v1/applications/olives?force=yes", "query.force", id="no boolean"),
        pytest.param("/cm/api/v1/endpoints/t/tokens?order=desc", "query.order", id="no order"),
    ],
)
async def test_a_target_that_makes_no_sense_is_400(shared_gateway: Gateway, target: str, place: str) -> None:
    method = "DELETE" if "force" in target else "GET"

    answer = await shared_gateway.call(method, target)

    assert answer.status == 400
    assert list(answer.problems) == [place]
    assert not shared_gateway.owners.asked


@pytest.mark.parametrize(
    "name",
    [
        "..%2F..%2Fetc%2Fpasswd",
        "%2E%2E",
        "a%00b",
        "%F0%9F%AB%92",
        "kp1.%3E",
        "$where",
        "%7B%22$gt%22:1%7D",
        "x" * 2000,
        "%3Cscript%3E",
        "a%0d%0aSet-Cookie:b",
    ],
)
async def test_odd_names_reach_the_owner_and_nothing_else_happens(shared_gateway: Gateway, name: str) -> None:
    answer = await shared_gateway.call("GET", f"{ENDPOINTS}/{name}")

    (asked,) = shared_gateway.owners.asked
    assert answer.status == 200
    assert asked.endpoint_id
    assert "Set-Cookie" not in answer.headers


@pytest.mark.parametrize(
    "header",
    [
        pytest.param(b"If-Match: \xff\xfe", id="invalid UTF-8"),
        pytest.param(b"If-Match:", id="empty"),
    ],
)
async def test_a_condition_that_cannot_be_read_is_400(shared_gateway: Gateway, header: bytes) -> None:
    answer = await shared_gateway.raw(
        f"PUT {METADATA} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer {ADMIN}\r\n"
        "Content-Length: 2\r\n".encode()
        + header
        + b"\r\n\r\n{}"
    )

    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"header.If-Match" in answer
    assert not shared_gateway.owners.asked


@pytest.mark.parametrize(
    "request_bytes",
    [
        pytest.param(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", id="TLS"),
        pytest.param(b"GET / HTTP/1.1\r\nbad header\r\n\r\n", id="bad header"),
        pytest.param(b"GET /" + b"x" * 20_000 + b" HTTP/1.1\r\n\r\n", id="endless line"),
        pytest.param(b"OPTIONS * HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", id="no path"),
        pytest.param(b"GET http://[ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", id="no URL"),
    ],
)
async def test_what_is_no_http_is_refused_and_the_next_caller_is_served(
    shared_gateway: Gateway, request_bytes: bytes
) -> None:
    answer = await shared_gateway.raw(request_bytes)

    assert answer.startswith(b"HTTP/1.")
    assert answer.split()[1][:1] == b"4"
    assert (await shared_gateway.call("GET", "/health")).status == 200


async def test_malformed_http_is_spelled_as_every_error_and_not_logged(
    shared_gateway: Gateway, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    answer = await shared_gateway.raw(
        b"GET / HTTP/1.1\r\nHost: x\r\nx-iamcore-api-key: grove_SECRET\x01\r\n\r\n"
    )

    head, _, body = answer.partition(b"\r\n\r\n")
    assert head[9:12] == b"400"
    assert b"\r\nCorrelation-ID: " in head
    assert b"\r\nX-Content-Type-Options: nosniff" in head
    assert b"aiohttp" not in head
    assert body == b'{"message":"malformed HTTP"}'
    told = capfd.readouterr()
    assert "grove_SECRET" not in caplog.text + told.out + told.err
