"""Bad input is told what is wrong, with the codes of protocol/kp1.md and rest.md, and hurts nobody else."""

import asyncio
from urllib.parse import urlsplit

import pytest

from libs.contracts.payload import encode_json
from tests.support.rest import Operator
from tests.support.stack import Stack

_KIB = 1024


@pytest.mark.parametrize(
    ("resource", "raw", "status", "told"),
    [
        pytest.param("epmx/<token>/update", b"x" * (256 * _KIB + 1), 413, "262144", id="256 KiB + 1"),
        pytest.param("epmx/<token>/update", b"[" * 1000, 400, "deeper than 32", id="deep JSON"),
        pytest.param("epmx/<token>/update", b'{"a":"\xff"}', 400, "UTF-8", id="invalid UTF-8"),
        pytest.param("epmx/<token>/update", b'{"a":1,"a":2}', 400, "duplicate key", id="duplicate key"),
        pytest.param("epmx/<token>/update", b'{"a":9223372036854775808}', 400, "int64", id="2^63"),
        pytest.param("epmx/<token>/update", b'{"a b":1}', 400, "a b", id="key with a blank"),
        pytest.param(
            "epmx/<token>/update", b'{"$set":{"a":1}}', 400, "metadata key", id="an operator as key"
        ),
        pytest.param("epmx/<token>/update", b"7", 400, "object", id="a number"),
        pytest.param("epmx/<token>/update/keys", b"[{},{}]", 400, "object", id="two objects"),
        pytest.param("epmx/<token>/delete/keys", b'{"a":1}', 400, "array", id="an object for names"),
        pytest.param(
            "epmx/<token>/get", b'{"keys":["a"],"more":1}', 400, "takes nothing", id="an unknown field"
        ),
        pytest.param("epmx/<token>/nonsense", b"", 404, "nonsense", id="unknown resource"),
        pytest.param("epmx/unknown/get", b"", 401, "token", id="unknown token"),
        pytest.param("nonsense/<token>/get", b"", 404, "extension", id="unknown extension"),
        pytest.param("epmx//get", b"", 400, "level 4", id="empty token"),
        pytest.param("epmx/<token>/get/status", b"", 400, "answer", id="an answer's path"),
        pytest.param("epmx/<token>/get/2147483648", b"", 400, "request id", id="request id above int32"),
    ],
)
async def test_device_is_told_what_is_wrong(
    rest: Operator, resource: str, raw: bytes, status: int, told: str
) -> None:
    twin = await rest.new_twin(metadata={"kept": 1})

    answer = await twin.post(resource, raw=raw)

    assert answer.status == status
    assert answer.body["statusCode"] == status
    assert told in answer.body["reasonPhrase"]
    assert twin.token not in answer.body["reasonPhrase"]
    assert await rest.metadata(twin) == {"kept": 1}


async def test_ten_thousand_keys_are_refused_and_a_thousand_are_kept(rest: Operator) -> None:
    twin = await rest.new_twin()

    refused = await twin.post("epmx/<token>/update", {f"k{n}": n for n in range(10_000)})
    kept = await twin.post("epmx/<token>/update", {f"k{n}": n for n in range(1_000)})
    one_more = await twin.update(another=1)

    assert (refused.status, kept.status, one_more.status) == (413, 200, 413)
    assert "1,000" in refused.body["reasonPhrase"] or "1000" in refused.body["reasonPhrase"]


async def test_unknown_version_is_a_404(rest: Operator) -> None:
    twin = await rest.new_twin()

    answers = [
        await rest.twin(twin.endpoint_id, twin.token, version).get()
        for version in (f"{twin.application}-v2", "nowhere-v1", "NotAName", "a%00b-v1")
    ]

    assert [answer.status for answer in answers] == [404, 404, 404, 400]


async def test_extension_not_allowed_by_the_version_is_a_404(rest: Operator) -> None:
    twin = await rest.new_twin()
    app, version = twin.application, twin.app_version
    allowed = {"allowed-extension-instances": ["tsx"]}
    envelope = {"kpc": {"kaa": {"applications": {app: {"versions": {version: allowed}}}}}}
    path = f"/tekton/api/v1/app-configs/applications/{app}/app-versions/{version}?serviceInstanceName=kpc"
    await rest.done("PUT", path, envelope)

    refused = await twin.get()

    assert refused.status == 404
    assert (await twin.post("tsx/<token>")).status == 200


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH", "OPTIONS"])
async def test_devices_only_post(rest: Operator, method: str) -> None:
    twin = await rest.new_twin()
    url = f"{twin.base_url}/kp1/{twin.app_version}/epmx/{twin.token}/get"

    async with twin.session.request(method, url) as answer:
        assert answer.status == 405
        assert answer.headers["Allow"] == "POST"


async def test_hostile_bytes_on_the_device_port_disturb_nobody(rest: Operator, suite: Stack) -> None:
    twin = await rest.new_twin()
    parts = urlsplit(suite.http)
    hostile = [b"\x16\x03\x01" + b"\x00" * 300, b"GET\r\n\r\n", b"POST " + b"/" * 100_000, b"\r\n" * 5000]

    for noise in hostile:
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
        writer.write(noise)
        writer.write_eof()
        async with asyncio.timeout(10):
            answer = await reader.read()
        writer.close()
        assert b"Traceback" not in answer
        assert (await twin.get()).status == 200


async def test_rest_names_every_unknown_field_and_parameter(rest: Operator) -> None:
    version = await rest.new_version()

    body = await rest.call("POST", "/epr/api/v1/endpoints", {"appVersion": {"nme": version}, "tokn": "x"})
    query = await rest.call("GET", "/epr/api/v1/endpoints?limt=3&offset=-1")

    assert body.status == query.status == 400
    assert {detail["path"] for detail in body.body["details"]} >= {"$.tokn", "$.appVersion.nme"}
    assert {detail["path"] for detail in query.body["details"]} >= {"query.limt", "query.offset"}


async def test_rest_refuses_what_the_store_could_not_keep(rest: Operator) -> None:
    twin = await rest.new_twin()
    path = f"/epr/api/v1/endpoints/{twin.endpoint_id}/metadata"
    too_large = encode_json({"a": "x" * (256 * _KIB)})

    answers = {
        "large": await rest.call("PUT", path, too_large),
        "deep": await rest.call("PUT", path, b'{"a":' + b"[" * 40 + b"]" * 40 + b"}"),
        "twice": await rest.call("PUT", path, b'{"a":1,"a":2}'),
        "huge": await rest.call("PUT", f"{path}/a", b"9223372036854775808"),
        "name": await rest.call("PUT", f"{path}/a%2Fb", b"1"),
        "text": await rest.call("PUT", path, b"\xff\xfe"),
    }

    statuses = {what: answer.status for what, answer in answers.items()}
    assert statuses == {"large": 413, "deep": 400, "twice": 400, "huge": 400, "name": 400, "text": 400}
    assert all(answer.body["message"] for answer in answers.values())
    assert await rest.metadata(twin) == {}


@pytest.mark.parametrize(
    ("key", "status"),
    [pytest.param("", 401, id="no key"), pytest.param("Bearer grove_wrong", 401, id="a wrong key")],
)
async def test_nobody_gets_in_without_a_key(rest: Operator, key: str, status: int) -> None:
    answer = await rest.call("GET", "/tekton/api/v1/applications", Authorization=key)

    assert answer.status == status
    assert "WWW-Authenticate" in answer.headers


async def test_correlation_id_comes_back_on_every_answer(rest: Operator) -> None:
    twin = await rest.new_twin()

    answers = [
        await rest.call("GET", "/tekton/api/v1/applications", Correlation_ID="trace-1"),
        await rest.call("GET", "/epr/api/v1/endpoints/nobody", Correlation_ID="trace-2"),
        await twin.get(),
    ]

    assert [answer.headers["Correlation-ID"] for answer in answers[:2]] == ["trace-1", "trace-2"]
    assert answers[2].headers["Correlation-ID"]


async def test_many_requests_of_one_device_at_once_are_all_answered(rest: Operator) -> None:
    twin = await rest.new_twin()

    answers = await asyncio.gather(*(twin.get() for _ in range(200)))

    assert [answer.status for answer in answers] == [200] * 200
