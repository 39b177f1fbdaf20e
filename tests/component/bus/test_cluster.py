"""Three NATS servers: the leader of a stream is killed and nothing surfaces (rule 5)."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import msgspec
import pytest

from libs.bus import Bus
from tests.component.bus.messages import Question, announce, stored, stream_of
from tests.component.bus.test_connection import AlteredNats
from tests.component.bus.test_requests import ask, double, subject_of
from tests.support.waiting import eventually

pytestmark = [pytest.mark.chaos, pytest.mark.soak, pytest.mark.timeout(180)]


@pytest.fixture
async def cluster(tmp_path: Path) -> AsyncIterator[list[AlteredNats]]:
    ports = _free_ports(3)
    users = [{"user": "test", "password": "cluster"}]
    async with AsyncExitStack() as stack:
        servers = []
        for number, port in enumerate(ports):
            changes: dict[str, Any] = {
                "server_name": f"n{number}",
                "authorization": {"users": users},
                "cluster": {
                    "name": "grove",
                    "listen": f"127.0.0.1:{port}",
                    "routes": [f"nats-route://127.0.0.1:{other}" for other in ports],
                },
            }
            server = AlteredNats(tmp_path / f"n{number}" / "nats", changes)
            stack.callback(server.discard)
            server.launch()
            servers.append(server)
        await asyncio.gather(*(asyncio.to_thread(server.wait_ready) for server in servers))
        yield servers


async def connected(cluster: list[AlteredNats], service: str) -> Bus:
    url = ",".join(f"nats://test:cluster@127.0.0.1:{server.port}" for server in cluster)
    return await Bus.connect(url=url, service=service, replica=f"{service}-1")


async def leader_of(bus: Bus, stream: str) -> str:
    answer = await bus._requester.exchange(f"$JS.API.STREAM.INFO.{stream}", b"", timeout_s=2)  # noqa: SLF001 - looks behind the facade
    info = msgspec.json.decode(answer.data)
    assert info["config"]["num_replicas"] == 3
    return str(info["cluster"]["leader"])


async def test_killing_the_leader_of_a_stream_loses_and_doubles_nothing(cluster: list[AlteredNats]) -> None:
    bus = await connected(cluster, "tester")
    spec = stream_of(bus)
    await bus.ensure_stream(spec)

    number = 0
    for _ in range(3):
        leader = cluster[int((await eventually(lambda: leader_of(bus, spec.name), what="a leader"))[1:])]
        async with asyncio.TaskGroup() as tasks:
            for _ in range(200):
                number += 1
                tasks.create_task(announce(bus, number))
                await asyncio.sleep(0.002)
                if number % 200 == 100:
                    await leader.kill()
        await leader.start()

    assert await eventually(lambda: stored(bus), what="counted") == 600
    await bus.close()


async def test_losing_any_server_heals_at_once(cluster: list[AlteredNats]) -> None:
    client, worker = await connected(cluster, "client"), await connected(cluster, "worker")
    await worker.serve(subject_of(worker), Question, double, queue="worker")

    for server in cluster:
        await server.kill()
        await eventually(lambda: answered(client), what="answered by way of another server", deadline_s=5)
        assert [(await ask(client)).number for _ in range(20)] == [42] * 20
        await server.start()

    await client.close()
    await worker.close()


async def answered(bus: Bus) -> bool:
    return (await ask(bus, timeout_s=1)).number == 42


def _free_ports(number: int) -> list[int]:
    sockets = [socket.socket() for _ in range(number)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports
