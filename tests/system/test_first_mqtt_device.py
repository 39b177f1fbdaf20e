"""The first-device tutorial over MQTT, as Kaa's own client does it: it publishes and never subscribes."""

import asyncio
import json
from collections.abc import Callable
from typing import TypeVar, Unpack
from urllib.parse import urlsplit

import pytest

from tests.support.mqtt_device import Device, Options, device
from tests.support.rest import Json, Operator, Twin
from tests.support.stack import Stack
from tests.support.waiting import eventually

T = TypeVar("T")


async def with_device(suite: Stack, use: Callable[[Device], T], **options: Unpack[Options]) -> T:
    """Connect a device to the suite, use it in a thread of its own, and end it."""
    address = suite.mqtt_ws if options.get("transport") == "websockets" else suite.mqtt
    port = urlsplit(address).port
    assert port is not None

    def run() -> T:
        with device(port, **options) as made:
            return use(made)

    return await asyncio.to_thread(run)


def topic(twin: Twin, resource: str, *, version: str | None = None, extension: str = "epmx") -> str:
    return f"kp1/{version or twin.app_version}/{extension}/{twin.token}/{resource}"


async def connectivity(rest: Operator, twin: Twin) -> Json:
    path = f"/epr/api/v1/endpoints/{twin.endpoint_id}?include=connectivity"
    return (await rest.done("GET", path))["connectivity"]


@pytest.mark.parametrize("version", [3, 4, 5], ids=["3.1", "3.1.1", "5.0"])
@pytest.mark.parametrize("transport", ["tcp", "websockets"])
async def test_the_tutorial(suite: Stack, rest: Operator, version: int, transport: str) -> None:
    twin = await rest.new_twin(metadata={"description": "My first tree"})

    def use(tree: Device) -> tuple[Json, Json]:
        answered, before = tree.ask(topic(twin, "get/0"), b"{}")
        assert answered == topic(twin, "get/0/status")
        keys = b'{"model":"BFG 9000","mac":"00-14-22-01-23-45"}'
        tree.wait_acknowledged(tree.request(topic(twin, "update/keys"), keys))
        assert tree.silent()
        return json.loads(before), json.loads(tree.ask(topic(twin, "get/1"), b"{}")[1])

    before, after = await with_device(
        suite,
        use,
        version=version,
        transport="websockets" if transport == "websockets" else "tcp",
        client_id="tree",
    )

    expected = {"description": "My first tree", "model": "BFG 9000", "mac": "00-14-22-01-23-45"}
    assert before == {"description": "My first tree"}
    assert after == expected
    assert await rest.metadata(twin) == expected
    assert [token["status"] for token in await rest.tokens(twin)] == ["Active"]


async def test_operators_see_who_is_connected(suite: Stack, rest: Operator) -> None:
    twin = await rest.new_twin()
    loop = asyncio.get_running_loop()
    never = await connectivity(rest, twin)

    async def becomes(*, connected: bool) -> Json:
        async def has_become() -> Json | None:
            seen = await connectivity(rest, twin)
            return seen if seen["connected"] is connected else None

        return await eventually(has_become, what=f"connected is {connected}")

    def use(tree: Device) -> Json:
        tree.ask(topic(twin, "get/0"))
        return asyncio.run_coroutine_threadsafe(becomes(connected=True), loop).result(15)

    during = await with_device(suite, use)
    after = await becomes(connected=False)

    assert never == {"connected": False, "active": False}
    assert (during["active"], during["transport"]) == (True, "MQTT")
    assert during["connectedSince"] <= during["lastSeen"]
    assert (after["active"], "connectedSince" in after) == (True, False)


async def test_speaking_for_another_version_moves_the_endpoint(suite: Stack, rest: Operator) -> None:
    twin = await rest.new_twin()
    versions = f"/tekton/api/v1/applications/{twin.application}/app-versions"
    newer = (await rest.done("POST", versions, {"nameSuffix": "v2"}))["name"]

    await with_device(suite, lambda tree: tree.ask(topic(twin, "get/0", version=newer)))

    async def moved() -> bool:
        found = await rest.done("GET", f"/epr/api/v1/endpoints/{twin.endpoint_id}")
        return bool(found["appVersion"]["name"] == newer)

    await eventually(moved, what="the endpoint is at the version it spoke for")


async def test_suspending_a_token_is_felt_by_a_live_connection_within_a_second(
    suite: Stack, rest: Operator
) -> None:
    twin = await rest.new_twin()
    loop = asyncio.get_running_loop()

    async def set_status(status: str) -> None:
        assert (await rest.set_status(twin, await rest.only_token(twin), status)).status == 204

    async def felt(tree: Device, ending: str) -> None:
        async def answered() -> bool:
            told, _ = await asyncio.to_thread(tree.ask, topic(twin, "get/1"))
            return told.endswith(ending)

        await eventually(answered, what=f"it is answered {ending}", deadline_s=1.0)

    def use(tree: Device) -> None:
        tree.ask(topic(twin, "get/0"))
        for status, ending in (("Suspended", "/error"), ("Active", "/status"), ("Revoked", "/error")):
            asyncio.run_coroutine_threadsafe(set_status(status), loop).result(10)
            asyncio.run_coroutine_threadsafe(felt(tree, ending), loop).result(10)

    await with_device(suite, use)


async def test_the_time(suite: Stack, rest: Operator) -> None:
    twin = await rest.new_twin()
    request = f"kp1/{twin.app_version}/tsx/{twin.token}/7"

    told = await with_device(suite, lambda tree: tree.ask(request, b'{"timezone":"Asia/Kolkata"}', qos=0))

    assert told[0] == f"kp1/{twin.app_version}/tsx/{twin.token}/7/status"
    assert json.loads(told[1])["offset"] == 19_800
