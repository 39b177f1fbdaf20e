"""What connections weigh, idle and flooding: the transport in a process of its own, asked of the system."""

import asyncio
import contextlib
import json
import os
import sys
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest

from deploy.local.leash import leashed
from libs.bus import Bus
from libs.process.descriptors import room_for
from tests.support.mqtt_packets import PINGREQ, Connect, publish, read_packets, read_publish
from tests.support.owners import VERSION, Owners
from tests.support.servers import NatsServer
from tests.support.waiting import eventually

GOAL_BYTES = 12 * 1024
BUDGET_BYTES = 64 * 1024 * 1024
_AT_ONCE = 200
_FLOOD_BYTES = 200_000_000  # of all clients together: three budgets
_REPOSITORY = Path(__file__).resolve().parents[3]

pytestmark = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read from /proc")


class Child:
    """A transport in a process of its own, and the owners behind it."""

    def __init__(self, process: asyncio.subprocess.Process, owners: Owners, port: int) -> None:
        self._process = process
        self.owners = owners
        self.port = port

    def resident_bytes(self) -> int:
        status = Path(f"/proc/{self._process.pid}/status").read_text()
        (line,) = [line for line in status.splitlines() if line.startswith("VmRSS:")]
        return int(line.split()[1]) * 1024


class Idle(asyncio.Protocol):
    """As little of a client as there can be: ten thousand of them live in this process."""

    __slots__ = ("received", "transport")

    def __init__(self) -> None:
        self.received = b""
        self.transport: asyncio.Transport | None = None

    def data_received(self, data: bytes) -> None:
        self.received += data


@asynccontextmanager
async def child_transport(nats: NatsServer, directory: Path) -> AsyncIterator[Child]:
    port_file = directory / "ports.json"
    ports = ("GROVE_MQTT_PORT", "GROVE_MQTT_WS_PORT", "GROVE_MQTT_TLS_PORT", "GROVE_HEALTH_PORT")
    ours = os.environ  # noqa: TID251 - for a child
    environ = {
        **{name: ours[name] for name in ("PATH", "HOME") if name in ours},
        **dict.fromkeys(ports, "0"),
        "GROVE_NATS_URL": nats.url_for("mqtt-transport"),
        "GROVE_NATS_DURABILITY": "synced",
        "GROVE_PORT_FILE": str(port_file),
        "GROVE_LOG_LEVEL": "warning",
        "GROVE_MQTT_TRANSPORT_CONNECTS_PER_S": "20000",  # the figure is about us, not about the pace
    }
    async with AsyncExitStack() as stack:
        buses = []
        for service in ("credential-manager", "endpoint-register"):
            bus = await Bus.connect(url=nats.url_for(service), service=service, replica=f"{service}-1")
            stack.push_async_callback(bus.close)
            buses.append(bus)
        owners = Owners(*buses)
        await owners.serve()
        await owners.keep_events()
        command = leashed(sys.executable, "-m", "services.mqtt_transport")
        process = await asyncio.create_subprocess_exec(*command, cwd=_REPOSITORY, env=environ)
        try:

            async def serving() -> bool:
                return "mqtt" in json.loads(port_file.read_bytes())["ports"]

            await eventually(serving, what="the transport serves", deadline_s=20)
            yield Child(process, owners, json.loads(port_file.read_bytes())["ports"]["mqtt"])
        finally:
            with contextlib.suppress(ProcessLookupError):  # it could not start, and has said why
                process.terminate()
            await asyncio.wait_for(process.wait(), 15)


@pytest.mark.parametrize(
    "count",
    [
        pytest.param(1_000, id="1,000"),
        pytest.param(10_000, id="10,000", marks=[pytest.mark.soak, pytest.mark.timeout(300)]),
    ],
)
async def test_idle_connections_are_cheap_and_each_can_be_used(
    own_nats: NatsServer, tmp_path: Path, capsys: pytest.CaptureFixture[str], count: int
) -> None:
    if room_for(count + 100) < count + 100:
        pytest.skip(f"the hard limit of open files is too low for {count} clients")
    async with child_transport(own_nats, tmp_path) as child:
        await _connected(child, 100)  # what the first ones load is not theirs
        before = child.resident_bytes()
        began = time.monotonic()
        clients = await _connected(child, count)
        took_s = time.monotonic() - began
        each = (child.resident_bytes() - before) / count
        with capsys.disabled():
            print(f"\n{count} idle: {each / 1024:.1f} KiB each, {count / took_s:.0f} connected a second")  # noqa: T201 - the figure is asked for

        answer = await _asked(child, clients[count // 2])
        for client in clients:
            _of(client).abort()

    assert answer == b'{"a":1}'
    assert each <= GOAL_BYTES


@pytest.mark.parametrize(
    "count",
    [
        pytest.param(500, id="500 clients"),
        pytest.param(2_000, id="2,000 clients", marks=[pytest.mark.soak, pytest.mark.timeout(300)]),
    ],
)
@pytest.mark.parametrize("size", [10, 1_000, 20_000], ids=["10 B", "1 KB", "20 KB"])
async def test_a_flood_that_nobody_answers_takes_about_the_budget(
    own_nats: NatsServer, tmp_path: Path, size: int, count: int
) -> None:
    if room_for(count + 100) < count + 100:
        pytest.skip(f"the hard limit of open files is too low for {count} clients")
    async with child_transport(own_nats, tmp_path) as child:
        await _connected(child, 100)
        clients = await _connected(child, count)
        before = child.resident_bytes()
        await own_nats.pause()
        for number, client in enumerate(clients):
            topic = f"kp1/{VERSION}/epmx/token{number}/get/1"
            flood = (
                publish(topic, b"x" * size, qos=1, packet_id=each + 1)
                for each in range(_FLOOD_BYTES // count // (size + 50))
            )
            _of(client).write(b"".join(flood))
        most = 0
        for _ in range(20):
            await asyncio.sleep(0.1)
            most = max(most, child.resident_bytes() - before)
        closed = [client for client in clients if _of(client).is_closing()]
        await own_nats.resume()
        for client in clients:
            _of(client).abort()

    assert closed == []
    assert BUDGET_BYTES / 2 < most < BUDGET_BYTES * 1.7


async def _connected(child: Child, count: int) -> list[Idle]:
    """Connect clients, a few hundred at a time, and wait for their CONNACKs."""
    clients: list[Idle] = []
    loop = asyncio.get_running_loop()
    while len(clients) < count:
        batch: list[Idle] = []
        for _ in range(min(_AT_ONCE, count - len(clients))):
            transport, client = await loop.create_connection(Idle, "127.0.0.1", child.port)
            client.transport = transport
            number = len(clients) + len(batch)
            transport.write(Connect(client_id=f"idle-{count}-{number}", keep_alive_s=600).encode() + PINGREQ)
            batch.append(client)

        async def answered(batch: list[Idle] = batch) -> bool:
            return all(len(client.received) == 6 for client in batch)

        await eventually(answered, what="CONNACK and PINGRESP", deadline_s=30)
        clients += batch
    return clients


async def _asked(child: Child, client: Idle) -> bytes:
    topic = f"kp1/{VERSION}/epmx/{child.owners.new_token()}/get/1"
    client.received = b""
    _of(client).write(publish(topic, b'{"a":1}', qos=1))

    async def answered() -> bool:
        return len(read_packets(client.received)) == 2

    await eventually(answered, what="an answer and an acknowledgement")
    (answer,) = [each for each in read_packets(client.received) if each.kind == 3]
    return read_publish(answer).payload


def _of(client: Idle) -> asyncio.Transport:
    assert client.transport is not None
    return client.transport
