"""KP1 over HTTP: every outcome of protocol/kp1.md that a request can have."""

import asyncio
import json

import pytest

from libs.contracts.errors import STATUS_CODES, error_for
from libs.contracts.esp import ExtensionData
from libs.contracts.kp1 import MAX_PAYLOAD_BYTES
from libs.contracts.tokens import TokenStatus
from tests.component.http_transport.conftest import Answered, StartTransport, Transport
from tests.support.owners import VERSION


def error(answered: Answered) -> tuple[int, str]:
    told = json.loads(answered.body)
    assert set(told) == {"statusCode", "reasonPhrase"}
    assert told["statusCode"] == answered.status
    assert answered.headers["Content-Type"] == "application/json"
    return answered.status, told["reasonPhrase"]


async def test_a_request_reaches_its_owner_and_the_answer_comes_back(transport: Transport) -> None:
    token = transport.owners.new_token(endpoint_id="olive tree")

    answered = await transport.call(f"/kp1/{VERSION}/epmx/{token}/update/keys/7", b'{"model":"BFG 9000"}')

    assert (answered.status, answered.body) == (200, b'{"model":"BFG 9000"}')
    assert answered.headers["X-Content-Type-Options"] == "nosniff"
    (request,) = transport.owners.received
    assert (request.app_version_name, request.endpoint_id) == (VERSION, "olive tree")
    assert (request.resource_path, request.request_id) == ("/update/keys", 7)
    assert request.payload == b'{"model":"BFG 9000"}'


@pytest.mark.parametrize(
    "content_type",
    [
        pytest.param("application/x-www-form-urlencoded", id="curl"),
        pytest.param("multipart/form-data", id="multipart"),
        pytest.param("nonsense", id="nonsense"),
    ],
)
async def test_any_content_type_will_do(transport: Transport, content_type: str) -> None:
    path = f"/kp1/{VERSION}/epmx/{transport.owners.new_token()}/get"

    answered = await transport.call(path, b"{}", headers={"Content-Type": content_type})

    assert (answered.status, answered.body) == (200, b"{}")


async def test_an_empty_answer_is_empty(transport: Transport) -> None:
    transport.owners.outcome = ExtensionData()

    answered = await transport.update(transport.owners.new_token())

    assert (answered.status, answered.body) == (200, b"")
    assert answered.headers["Content-Length"] == "0"


@pytest.mark.parametrize("status", sorted(code for code in STATUS_CODES if code >= 400))
async def test_an_owners_error_is_told_as_it_is(transport: Transport, status: int) -> None:
    transport.owners.outcome = error_for(status, "because")

    answered = await transport.update(transport.owners.new_token())

    assert error(answered) == (status, "because")
    assert ("Retry-After" in answered.headers) == (status in {429, 503})


async def test_unchanged_has_no_body(transport: Transport) -> None:
    transport.owners.outcome = ExtensionData(status_code=304)

    answered = await transport.update(transport.owners.new_token())

    assert (answered.status, answered.body) == (304, b"")


@pytest.mark.parametrize(
    ("path", "status"),
    [
        pytest.param("/kp1", 400, id="too short"),
        pytest.param("/kp1/{v}/epmx/{t}/get/", 400, id="trailing slash"),
        pytest.param("/kp1/{v}//{t}/get", 400, id="empty level"),
        pytest.param("/kp1/{v}/epmx/{t}/get/2147483648", 400, id="request id too large"),
        pytest.param("/kp1/{v}/epmx/{t}/get/status", 400, id="an answer's path"),
        pytest.param("/kp1/nobody-v1/epmx/{t}/get", 404, id="unknown version"),
        pytest.param("/kp1/../epmx/{t}/get", 404, id="version with dots"),
        pytest.param("/kp1/{v}/bcx/{t}/get", 404, id="unknown extension"),
        pytest.param("/kp1/{v}/cex/{t}/command", 404, id="extension without owner yet"),
        pytest.param("/kp1/{v}/epmx/stranger/get", 401, id="unknown token"),
        pytest.param("/kp1/{v}/epmx/a.b/get", 401, id="no token at all"),
        pytest.param("/kp2/{v}/epmx/{t}/get", 404, id="another protocol"),
        pytest.param("/", 404, id="root"),
    ],
)
async def test_a_bad_path_has_its_code(transport: Transport, path: str, status: int) -> None:
    token = transport.owners.new_token()

    answered = await transport.call(path.format(v=VERSION, t=token))

    assert error(answered)[0] == status
    assert not transport.owners.received


@pytest.mark.parametrize("status", [TokenStatus.SUSPENDED, TokenStatus.REVOKED], ids=lambda s: s.value)
async def test_a_token_that_is_not_accepted_is_forbidden(transport: Transport, status: TokenStatus) -> None:
    answered = await transport.update(transport.owners.new_token(status=status))

    assert error(answered)[0] == 403


async def test_a_version_may_narrow_its_extensions(transport: Transport) -> None:
    token = transport.owners.new_token()
    await transport.owners.configure(VERSION, ("epmx",))

    used = await transport.update(token)
    unused = await transport.call(f"/kp1/{VERSION}/tsx/{token}")

    assert (used.status, unused.status) == (200, 404)


async def test_only_post_is_allowed(transport: Transport) -> None:
    path = f"/kp1/{VERSION}/epmx/{transport.owners.new_token()}/get"

    answered = [await transport.call(path, method=method) for method in ("GET", "PUT", "DELETE", "OPTIONS")]

    assert [error(each)[0] for each in answered] == [405] * 4
    assert {each.headers["Allow"] for each in answered} == {"POST"}


async def test_the_root_says_what_this_is(transport: Transport) -> None:
    answered = await transport.call("/", method="GET")

    assert json.loads(answered.body)["service"] == "http-transport"


async def test_the_largest_payload_fits_and_one_byte_more_does_not(transport: Transport) -> None:
    token = transport.owners.new_token()

    fits = await transport.update(token, b"x" * MAX_PAYLOAD_BYTES)
    too_large = await transport.update(token, b"x" * (MAX_PAYLOAD_BYTES + 1))

    assert (fits.status, len(fits.body)) == (200, MAX_PAYLOAD_BYTES)
    assert error(too_large)[0] == 413
    assert len(transport.owners.received) == 1


async def test_a_stranger_is_refused_before_the_size_is_looked_at(transport: Transport) -> None:
    answered = await transport.update("stranger", b"x" * (MAX_PAYLOAD_BYTES + 1))

    assert answered.status == 401


async def test_compressed_bodies_are_told_apart(transport: Transport) -> None:
    path = f"/kp1/{VERSION}/epmx/{transport.owners.new_token()}/get"

    answered = await transport.call(path, b"\x1f\x8b", headers={"Content-Encoding": "gzip"})

    assert error(answered)[0] == 415


@pytest.mark.parametrize(
    ("payload", "told"),
    [
        pytest.param(b"", {"timestamp"}, id="nothing"),
        pytest.param(b"{}", {"timestamp"}, id="empty object"),
        pytest.param(b'{"timezone":"Asia/Kolkata"}', {"timestamp", "offset"}, id="zone off UTC"),
        pytest.param(b'{"timezone":"UTC"}', {"timestamp"}, id="UTC itself"),
    ],
)
async def test_tsx_tells_the_time(transport: Transport, payload: bytes, told: set[str]) -> None:
    answered = await transport.call(f"/kp1/{VERSION}/tsx/{transport.owners.new_token()}/5", payload)

    assert answered.status == 200
    assert set(json.loads(answered.body)) == told


async def test_a_correlation_id_is_kept_and_travels(transport: Transport) -> None:
    path = f"/kp1/{VERSION}/epmx/{transport.owners.new_token()}/get"

    answered = await transport.call(path, headers={"Correlation-ID": "tree-7"})

    assert answered.headers["Correlation-ID"] == "tree-7"
    assert transport.owners.received[0].correlation_id == "tree-7"


@pytest.mark.parametrize(
    "sent", ["x" * 129, "t\u00e9", "tree 7", ""], ids=["too long", "not ascii", "with a space", "empty"]
)
async def test_an_odd_correlation_id_is_replaced(transport: Transport, sent: str) -> None:
    answered = await transport.call("/", method="GET", headers={"Correlation-ID": sent})

    assert answered.headers["Correlation-ID"] not in {"", sent}


async def test_two_requests_of_an_endpoint_never_overlap(transport: Transport) -> None:
    token = transport.owners.new_token()
    transport.owners.release.clear()

    async with asyncio.TaskGroup() as tasks:
        calls = [tasks.create_task(transport.update(token, b"%d" % number)) for number in range(20)]
        async with asyncio.timeout(5):
            while not transport.owners.received:  # noqa: ASYNC110 - a fake has no event for it
                await asyncio.sleep(0.01)
        # A second one would overtake: give it the time that the first one took to get there.
        await asyncio.sleep(0.2)
        at_once = len(transport.owners.received)
        transport.owners.release.set()

    assert at_once == 1
    assert [call.result().status for call in calls] == [200] * 20


async def test_endpoints_do_not_wait_for_each_other(transport: Transport) -> None:
    slow, quick = (transport.owners.new_token(endpoint_id=name) for name in ("slow", "quick"))
    transport.owners.release.clear()

    async with asyncio.TaskGroup() as tasks:
        for token in (slow, quick):
            tasks.create_task(transport.update(token))
        async with asyncio.timeout(5):
            while len(transport.owners.received) < 2:  # noqa: ASYNC110 - a fake has no event for it
                await asyncio.sleep(0.01)
        transport.owners.release.set()


async def test_metrics_know_extensions_and_statuses_but_no_strangers(transport: Transport) -> None:
    token = transport.owners.new_token()
    await transport.update(token)
    await transport.call(f"/kp1/{VERSION}/made-up/{token}/get")

    text = await transport.metrics()

    assert 'grove_http_requests_total{extension="epmx",status="200"}' in text
    assert "grove_identity_lookups_total" in text
    assert "made-up" not in text
    assert token not in text


async def test_an_absent_owner_is_a_503_and_a_silent_one_a_504(start: StartTransport) -> None:
    transport = await start(owner_s=0.3)
    token = transport.owners.new_token()

    transport.owners.release.clear()
    silent = await transport.update(token)
    await transport.owners.leave()
    absent = await transport.update(token)

    assert (error(silent)[0], error(absent)[0]) == (504, 503)
    assert absent.headers["Retry-After"] == "1"
