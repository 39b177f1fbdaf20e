"""What a Kaa device does first: it publishes, never subscribes, and is answered on its own connection."""

import json

import pytest

from libs.contracts.errors import NotFoundError
from tests.component.mqtt_transport.conftest import Transport
from tests.support.mqtt_device import Device

VERSIONS = pytest.mark.parametrize("version", [3, 4, 5], ids=["3.1", "3.1.1", "5.0"])


@VERSIONS
@pytest.mark.parametrize("qos", [0, 1, 2])
async def test_a_device_that_never_subscribes_is_answered(
    transport: Transport, version: int, qos: int
) -> None:
    token = transport.owners.new_token()
    topic = transport.topic(token, "get/0")

    told = await transport.with_device(
        lambda device: device.ask(topic, b'{"a":1}', qos=qos), version=version, client_id="tree"
    )

    assert told == (f"{topic}/status", b'{"a":1}')
    (request,) = transport.owners.received
    assert (request.resource_path, request.request_id, request.endpoint_id) == ("/get", 0, "ep")


async def test_without_a_request_id_a_success_is_acknowledged_and_not_answered(transport: Transport) -> None:
    topic = transport.topic(transport.owners.new_token(), "update/keys")

    def use(device: Device) -> bool:
        device.wait_acknowledged(device.request(topic, b'{"a":1}'))
        return device.silent()

    assert await transport.with_device(use)


@pytest.mark.parametrize("number", ["", "/7"])
async def test_an_error_is_acknowledged_and_told_with_or_without_a_request_id(
    transport: Transport, number: str
) -> None:
    topic = transport.topic(transport.owners.new_token(), f"nowhere{number}")
    transport.owners.outcome = NotFoundError("epmx has no resource '/nowhere'")

    def use(device: Device) -> tuple[str, bytes]:
        device.wait_acknowledged(device.request(topic))
        return device.told()

    told_topic, told = await transport.with_device(use)

    assert told_topic == f"{topic}/error"
    assert json.loads(told) == {"statusCode": 404, "reasonPhrase": "epmx has no resource '/nowhere'"}
