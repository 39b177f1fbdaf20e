"""What is acknowledged, when, and in which order (protocol/delivery.md rules 13 and 16)."""

import asyncio
import json
import time

import pytest

from libs.contracts.errors import (
    ConflictError,
    DeadlineError,
    ForbiddenError,
    GroveError,
    InternalError,
    TooManyRequestsError,
    UnavailableError,
)
from libs.contracts.kp1 import MAX_PAYLOAD_BYTES
from libs.contracts.tokens import TokenStatus
from tests.component.mqtt_transport.conftest import StartTransport, Transport
from tests.support.mqtt_device import Device
from tests.support.owners import VERSION

SHORT = {"patience_s": 0.5, "repeat_after_s": 0.5}


@pytest.mark.parametrize(
    ("topic", "payload", "status"),
    [
        pytest.param("kp1/<version>/epmx/<token>//update", b"{}", 400, id="empty level"),
        pytest.param("kp1/<version>/epmx", b"{}", 400, id="too short"),
        pytest.param("other/<version>/epmx/<token>/get", b"{}", 400, id="not kp1"),
        pytest.param("kp1/<version>/epmx/<token>/get/status", b"{}", 400, id="an answer"),
        pytest.param("kp1/<version>/epmx/<token>/get/2147483648", b"{}", 400, id="request id too large"),
        pytest.param("kp1/grove-v9/epmx/<token>/get", b"{}", 404, id="unknown version"),
        pytest.param("kp1/<version>/bcx/<token>/get", b"{}", 404, id="unknown extension"),
        pytest.param("kp1/<version>/epmx/nobody/get", b"{}", 401, id="unknown token"),
        pytest.param("kp1/<version>/epmx/<suspended>/get", b"{}", 403, id="suspended token"),
        pytest.param("kp1/<version>/epmx/<token>/get", b"x" * (MAX_PAYLOAD_BYTES + 1), 413, id="too large"),
        pytest.param("kp1/<version>/tsx/<token>", b'["UTC"]', 400, id="bad payload"),
    ],
)
async def test_what_asking_again_cannot_change_is_acknowledged_and_told(
    transport: Transport, topic: str, payload: bytes, status: int
) -> None:
    owners = transport.owners
    suspended = owners.new_token(endpoint_id="other", status=TokenStatus.SUSPENDED)
    for name, value in (("version", VERSION), ("token", owners.new_token()), ("suspended", suspended)):
        topic = topic.replace(f"<{name}>", value)

    def use(device: Device) -> tuple[str, bytes]:
        device.wait_acknowledged(device.request(topic, payload))
        return device.told()

    told_topic, told = await transport.with_device(use)

    assert told_topic == f"{topic}/error"
    error = json.loads(told)
    assert error["statusCode"] == status
    assert set(error) == {"statusCode", "reasonPhrase"}


@pytest.mark.parametrize(
    "error",
    [ConflictError(), TooManyRequestsError(), InternalError(), UnavailableError(), DeadlineError()],
    ids=["409", "429", "500", "503", "504"],
)
async def test_what_may_yet_succeed_is_never_acknowledged_but_told(
    start: StartTransport, error: GroveError
) -> None:
    transport = await start(patience_s=1.0)
    topic = transport.topic(transport.owners.new_token(), "update/keys")
    transport.owners.outcome = error

    def use(device: Device) -> tuple[str, bool]:
        packet_id = device.request(topic)
        told, _ = device.told()
        return told, packet_id in device.acknowledged

    assert await transport.with_device(use) == (f"{topic}/error", False)
    assert len(transport.owners.received) > 1


async def test_an_owner_that_comes_back_in_time_is_not_noticed(transport: Transport) -> None:
    topic = transport.topic(transport.owners.new_token(), "update/keys")
    transport.owners.outcome = ConflictError()
    loop = asyncio.get_running_loop()

    def use(device: Device) -> bool:
        packet_id = device.request(topic)
        loop.call_soon_threadsafe(loop.call_later, 0.3, heal)
        device.wait_acknowledged(packet_id)
        return device.silent()

    def heal() -> None:
        transport.owners.outcome = None

    assert await transport.with_device(use)


async def test_one_request_that_fails_leaves_its_place_and_the_others_are_acknowledged(
    start: StartTransport,
) -> None:
    transport = await start(patience_s=1.0, repeat_after_s=60.0)
    owners = transport.owners
    tokens = [owners.new_token(endpoint_id=f"ep{number}") for number in range(100)]
    owners.fails_for = {"ep0"}

    def use(device: Device) -> tuple[int, float]:
        began = time.monotonic()
        ids = [device.request(transport.topic(token, "update/keys")) for token in tokens]
        device.wait_for("99 are acknowledged", lambda: len(device.acknowledged) == 99, within_s=11)
        assert ids[0] not in device.acknowledged
        assert not device.disconnects
        return len(device.acknowledged), time.monotonic() - began

    acknowledged, took_s = await transport.with_device(use)

    assert acknowledged == 99
    assert took_s < 11


async def test_what_was_left_out_is_sent_again_over_a_new_connection(start: StartTransport) -> None:
    transport = await start(**SHORT)
    token = transport.owners.new_token()
    transport.owners.outcome = UnavailableError()
    loop = asyncio.get_running_loop()

    def use(device: Device) -> None:
        packet_id = device.request(transport.topic(token, "update/keys"), b'{"a":1}')
        device.wait_for("the connection ended", lambda: bool(device.disconnects), within_s=10)
        loop.call_soon_threadsafe(heal)
        device.wait_acknowledged(packet_id, within_s=10)

    def heal() -> None:
        transport.owners.outcome = None

    await transport.with_device(use, client_id="tree", clean=False)


async def test_v5_clients_are_told_why_the_connection_ends(start: StartTransport) -> None:
    transport = await start(**SHORT)
    transport.owners.outcome = UnavailableError()

    def use(device: Device) -> object:
        device.request(transport.topic(transport.owners.new_token(), "update/keys"))
        device.wait_for("the connection ended", lambda: bool(device.disconnects), within_s=10)
        return device.disconnects[0]

    assert str(await transport.with_device(use, version=5)) == "Server busy"


async def test_requests_of_one_endpoint_reach_their_owner_in_order_even_when_one_is_tried_again(
    transport: Transport,
) -> None:
    token = transport.owners.new_token()
    transport.owners.outcome = ConflictError()
    loop = asyncio.get_running_loop()

    def use(device: Device) -> None:
        ids = [device.request(transport.topic(token, "update/keys"), b"%d" % number) for number in range(20)]
        loop.call_soon_threadsafe(loop.call_later, 0.3, heal)
        for packet_id in ids:
            device.wait_acknowledged(packet_id)

    def heal() -> None:
        transport.owners.outcome = None

    await transport.with_device(use)

    succeeded = [request.payload for request in transport.owners.received][-20:]
    assert succeeded == [b"%d" % number for number in range(20)]


async def test_endpoints_do_not_wait_for_each_other(transport: Transport) -> None:
    owners = transport.owners
    slow, quick = owners.new_token(endpoint_id="slow"), owners.new_token(endpoint_id="quick")
    owners.waits_for = {"slow"}
    owners.release.clear()
    loop = asyncio.get_running_loop()

    def use(device: Device) -> tuple[str, str]:
        device.request(transport.topic(slow, "get/1"))
        first, _ = device.ask(transport.topic(quick, "get/2"))
        loop.call_soon_threadsafe(owners.release.set)
        second, _ = device.told()
        return first, second

    first, second = await transport.with_device(use)

    assert (quick in first, slow in second) == (True, True)


async def test_a_refused_token_among_good_ones_costs_nobody_else_an_answer(transport: Transport) -> None:
    good, bad = transport.owners.new_token(), "nobody"
    transport.owners.outcome = None

    def use(device: Device) -> list[str]:
        for number in range(10):
            device.request(transport.topic(good if number % 2 else bad, f"get/{number}"))
        return sorted(device.told()[0].rpartition("/")[2] for _ in range(10))

    assert await transport.with_device(use) == ["error"] * 5 + ["status"] * 5


async def test_whitelist_refusals_are_acknowledged(transport: Transport) -> None:
    transport.owners.outcome = ForbiddenError("key 'a' is not writable")

    def use(device: Device) -> bytes:
        device.wait_acknowledged(
            device.request(transport.topic(transport.owners.new_token(), "update/keys"), b'{"a":1}')
        )
        return device.told()[1]

    assert json.loads(await transport.with_device(use)) == {
        "statusCode": 403,
        "reasonPhrase": "key 'a' is not writable",
    }
