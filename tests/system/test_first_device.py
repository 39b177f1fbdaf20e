"""The first-device tutorial, end to end: an operator, curl's bytes, and the digital twin between them."""

import pytest

from tests.support.rest import Operator
from tests.support.waiting import eventually

_DEVICE = {"model": "BFG 9000", "mac": "00-14-22-01-23-45"}


async def test_metadata_sent_by_a_new_device_is_in_its_twin(rest: Operator) -> None:
    twin = await rest.new_twin(metadata={"description": "an olive tree"})

    read = await twin.get()
    updated = await twin.update(**_DEVICE)

    assert (read.status, read.body) == (200, {"description": "an olive tree"})
    assert (updated.status, updated.body) == (200, None)
    assert await rest.metadata(twin) == {"description": "an olive tree", **_DEVICE}


async def test_token_is_inactive_until_it_is_used(rest: Operator) -> None:
    twin = await rest.new_twin()
    (before,) = await rest.tokens(twin)

    await twin.get()

    assert before["status"] == "Inactive"
    (after,) = await rest.tokens(twin)
    assert after["status"] == "Active"


async def test_endpoint_and_token_may_be_named_by_the_operator(rest: Operator) -> None:
    version = await rest.new_version()
    endpoint_id = f"tree.7~{version}"
    twin = await rest.new_twin(version, endpointId=endpoint_id, endpointToken="SN 0815")

    assert twin.endpoint_id == endpoint_id
    assert (await twin.update(ripe=True)).status == 200
    assert await rest.metadata(twin) == {"ripe": True}


async def test_same_token_may_exist_in_two_applications(rest: Operator) -> None:
    one, other = [await rest.new_twin(endpointToken="serial-1") for _ in range(2)]

    await one.update(name="one")
    await other.update(name="other")

    assert await rest.metadata(one) == {"name": "one"}
    assert await rest.metadata(other) == {"name": "other"}


async def test_taken_token_or_id_is_a_conflict_that_leaves_nothing_behind(rest: Operator) -> None:
    twin = await rest.new_twin(endpointToken="taken")
    version = {"name": twin.app_version}

    token = await rest.call(
        "POST",
        "/epr/api/v1/endpoints",
        {"appVersion": version, "endpointToken": "taken", "endpointId": "late"},
    )
    known = await rest.call(
        "POST", "/epr/api/v1/endpoints", {"appVersion": version, "endpointId": twin.endpoint_id}
    )

    assert (token.status, known.status) == (409, 409)
    listed = await rest.done("GET", f"/epr/api/v1/endpoints?applicationName={twin.application}")
    assert [endpoint["endpointId"] for endpoint in listed["content"]] == [twin.endpoint_id]
    assert len(await rest.tokens(twin)) == 1


async def test_deleted_endpoint_is_refused_and_its_token_may_be_given_again(rest: Operator) -> None:
    twin = await rest.new_twin(endpointToken="again")
    assert (await twin.get()).status == 200

    await rest.done("DELETE", f"/epr/api/v1/endpoints/{twin.endpoint_id}")

    async def refused() -> bool:
        return (await twin.get()).status == 401

    await eventually(refused, what="the token is unknown", deadline_s=1)
    gone = await rest.call("GET", f"/epr/api/v1/endpoints/{twin.endpoint_id}")
    assert gone.status == 404
    successor = await rest.new_twin(twin.app_version, endpointToken="again")
    assert (await successor.get()).body == {}


async def test_time_is_told_by_the_transport(rest: Operator) -> None:
    twin = await rest.new_twin()

    plain = await twin.post("tsx/<token>")
    offset = await twin.post("tsx/<token>/1", {"timezone": "Asia/Tokyo"})

    assert plain.body.keys() == {"timestamp"}
    assert offset.body["offset"] == 9 * 3600


@pytest.mark.parametrize(
    ("resource", "body", "expected"),
    [
        pytest.param("get", None, {"a": 1, "b": [True]}, id="get"),
        pytest.param("get", {"keys": ["b", "absent"]}, {"b": [True]}, id="get named keys"),
        pytest.param("get/keys", None, ["a", "b"], id="get/keys"),
        pytest.param("get/7", {}, {"a": 1, "b": [True]}, id="get with a request id"),
    ],
)
async def test_device_reads_its_metadata(
    rest: Operator, resource: str, body: object, expected: object
) -> None:
    twin = await rest.new_twin(metadata={"a": 1, "b": [True]})

    answer = await twin.post(f"epmx/<token>/{resource}", body)

    assert (answer.status, answer.body) == (200, expected)


@pytest.mark.parametrize(
    ("resource", "body", "expected"),
    [
        pytest.param("update", {"c": None}, {"c": None}, id="update replaces everything"),
        pytest.param("update/keys", {"a": 2, "c": {}}, {"a": 2, "b": 1, "c": {}}, id="update/keys merges"),
        pytest.param("update/keys", [{"c": 1}], {"a": 1, "b": 1, "c": 1}, id="a one-element array"),
        pytest.param("delete/keys", ["a", "absent"], {"b": 1}, id="delete/keys"),
    ],
)
async def test_device_writes_its_metadata(
    rest: Operator, resource: str, body: object, expected: object
) -> None:
    twin = await rest.new_twin(metadata={"a": 1, "b": 1})

    answer = await twin.post(f"epmx/<token>/{resource}", body)

    assert (answer.status, answer.body) == (200, None)
    assert await rest.metadata(twin) == expected


async def test_whitelist_limits_what_a_device_sees_and_writes(rest: Operator) -> None:
    twin = await rest.new_twin(metadata={"seen": 1, "hidden": 1, "mine": 1})
    app, version = twin.application, twin.app_version
    keys = {"seen": {"write-enabled": False}, "mine": {"write-enabled": True}}
    envelope = {"epmx": {"kaa": {"applications": {app: {"versions": {version: {"metadata-keys": keys}}}}}}}
    path = f"/tekton/api/v1/app-configs/applications/{app}/app-versions/{version}?serviceInstanceName=epmx"
    await rest.done("PUT", path, envelope)

    async def limited() -> bool:
        return bool((await twin.get()).body == {"seen": 1, "mine": 1})

    await eventually(limited, what="the whitelist is felt", deadline_s=2)
    assert (await twin.update(seen=2)).status == 403
    assert (await twin.post("epmx/<token>/update", {"mine": 2})).status == 200
    assert await rest.metadata(twin) == {"seen": 1, "hidden": 1, "mine": 2}
