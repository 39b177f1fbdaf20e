"""The programs of Mosquitto against us: publisher, subscriber, request-response, and its bridge."""

import asyncio
import shutil
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.component.mqtt_transport.conftest import Transport
from tests.support.waiting import eventually

VERSIONS = pytest.mark.parametrize("version", ["mqttv31", "mqttv311", "mqttv5"])


def program(name: str) -> str:
    """Find one of Mosquitto's programs; the daemon is not on everybody's path."""
    found = shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin")
    if found is None:
        pytest.skip(f"{name} is not installed here: packages mosquitto and mosquitto-clients")
    return found


@VERSIONS
@pytest.mark.parametrize("qos", [0, 1, 2])
async def test_mosquitto_pub_ends_well_and_its_message_arrives(
    transport: Transport, version: str, qos: int
) -> None:
    topic = transport.topic(transport.owners.new_token(), "update/keys")

    status, said = await _run(
        transport, "mosquitto_pub", "-V", version, "-q", str(qos), "-t", topic, "-m", '{"a":1}'
    )

    async def arrived() -> bool:
        return bool(transport.owners.received)

    assert (status, said) == (0, b"")
    await eventually(arrived, what="the message reached its owner")
    assert [each.payload for each in transport.owners.received] == [b'{"a":1}']


@VERSIONS
async def test_mosquitto_rr_gets_its_answer(transport: Transport, version: str) -> None:
    topic = transport.topic(transport.owners.new_token(), "get/1")
    answer_topic = "my/answer" if version == "mqttv5" else f"{topic}/status"

    status, said = await _run(
        transport,
        "mosquitto_rr",
        *("-V", version, "-q", "1", "-t", topic, "-e", answer_topic, "-m", '{"a":1}', "-W", "5"),
    )

    assert (status, said) == (0, b'{"a":1}\n')


@VERSIONS
async def test_mosquitto_sub_is_granted_qos_1_and_hears_nothing_of_others(
    transport: Transport, version: str
) -> None:
    topic = transport.topic(transport.owners.new_token(), "get/1")
    listening = asyncio.get_running_loop().create_task(
        _run(transport, "mosquitto_sub", "-V", version, "-q", "2", "-t", "kp1/#", "-d", "-W", "1"),
        name="mosquitto_sub",
    )
    told = await transport.with_device(lambda device: device.ask(topic, b"1"))
    _, said = await listening

    assert told == (f"{topic}/status", b"1")
    assert b"Subscribed (mid: 1): 1" in said  # we never send QoS 2
    assert b"received PUBLISH" not in said


async def test_a_mosquitto_bridge_comes_in_without_its_private_bit_and_forwards(
    transport: Transport, tmp_path: Path
) -> None:
    topic = transport.topic(transport.owners.new_token(), "update/keys")

    async with _bridge(transport, tmp_path) as (port, log):

        async def forwarded() -> bool:
            status, _ = await _run_on(port, "mosquitto_pub", "-q", "1", "-t", topic, "-m", '{"a":1}')
            return status == 0 and bool(transport.owners.received)

        await eventually(forwarded, what="the bridge forwards")

    said = log.read_text()
    assert transport.owners.received[0].payload == b'{"a":1}'
    assert "Connection Refused: unacceptable protocol version" in said


@asynccontextmanager
async def _bridge(transport: Transport, directory: Path) -> AsyncIterator[tuple[int, Path]]:
    """Run a broker whose bridge leads to us; its port and its log."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    log = directory / "mosquitto.log"
    config = directory / "mosquitto.conf"
    lines = (
        f"listener {port} 127.0.0.1",
        "allow_anonymous true",
        "connection grove",
        f"address 127.0.0.1:{transport.port}",
        "topic kp1/# both 1",
        "restart_timeout 1",
        "log_type all",
        "log_dest stderr",
    )
    config.write_text("\n".join(lines) + "\n")
    with log.open("wb") as output:
        broker = await asyncio.create_subprocess_exec(
            program("mosquitto"), "-c", str(config), stdout=output, stderr=output
        )
    try:
        yield port, log
    finally:
        broker.terminate()
        await broker.wait()


async def _run(transport: Transport, name: str, *arguments: str) -> tuple[int | None, bytes]:
    return await _run_on(transport.port, name, *arguments)


async def _run_on(port: int, name: str, *arguments: str) -> tuple[int | None, bytes]:
    """Run a client program to its end; its status and all it said."""
    process = await asyncio.create_subprocess_exec(
        program(name),
        *("-h", "127.0.0.1", "-p", str(port), *arguments),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await asyncio.wait_for(process.communicate(), 15)
    return process.returncode, said
