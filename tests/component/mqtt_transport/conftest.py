"""The real transport in this process, between a real NATS with production permissions and fake owners."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import TypeVar, Unpack

import msgspec
import nats
import pytest
import uvloop
from nats.js.errors import NotFoundError
from prometheus_client import REGISTRY

from libs.bus import Bus
from libs.contracts.connectivity import ConnectedEvent, DisconnectedEvent, generation
from libs.contracts.pushes import Push, PushReply, push_subject
from libs.contracts.streams import events_stream, ingest_stream
from libs.contracts.subjects import DEFAULT_ROOT, Subjects
from libs.process import Process, ProcessSettings, serve
from services.mqtt_transport.app import build, run_id_of
from tests.support.collector import Collector
from tests.support.mqtt_device import Device, Options, device
from tests.support.owners import VERSION, Owners
from tests.support.servers import NatsServer, fresh_subject_root, nats_process
from tests.support.waiting import eventually

T = TypeVar("T")


class Transport:
    """A running mqtt-transport and the owners behind it."""

    def __init__(self, process: Process, owners: Owners, pusher: Bus, nats_url: str) -> None:
        self.process = process
        self.nats_url = nats_url
        self.owners = owners
        self.pusher = pusher
        self.collector: Collector
        self.connected: list[ConnectedEvent] = []
        self.disconnected: list[DisconnectedEvent] = []

    @property
    def port(self) -> int:
        return self.process.ports["mqtt"]

    @property
    def run_id(self) -> str:
        return run_id_of(self.process)

    def topic(self, token: str, resource: str = "get", *, extension: str = "epmx") -> str:
        return f"kp1/{VERSION}/{extension}/{token}/{resource}"

    async def with_device(
        self, use: Callable[[Device], T], *, port: int | None = None, **options: Unpack[Options]
    ) -> T:
        """Connect a device, use it in a thread of its own, and end it."""

        def run() -> T:
            with device(port or self.port, **options) as made:
                return use(made)

        return await asyncio.to_thread(run)

    def gauge(self, name: str, **labels: str) -> float:
        return REGISTRY.get_sample_value(name, labels) or 0.0

    async def events_of(self, name: str) -> list[tuple[str, ConnectedEvent]]:
        """Read the announcements in the stream, each with the generation that its place makes."""
        subjects = self.pusher.subjects
        stream = events_stream(subjects).name
        created_ms = await self.pusher.stream_created_ms(stream)
        subject = subjects.event("mqtt-transport", "endpoint", "connectivity", name)
        client = await nats.connect(self.nats_url)
        try:
            found = []
            js, number = client.jetstream(), 0
            with contextlib.suppress(NotFoundError):
                while True:
                    message = await js.get_msg(stream, seq=number + 1, subject=subject, next=True)
                    number = message.seq or 0
                    event = msgspec.msgpack.decode(message.data or b"", type=ConnectedEvent)
                    place = generation(stream_created_ms=created_ms, sequence=number)
                    found.append((place, event))
            return found
        finally:
            await client.close()

    async def push(self, push: Push) -> bool:
        subject = push_subject(self.pusher.subjects, self.run_id)
        return (await self.pusher.request(subject, push, PushReply, timeout_s=5.0)).taken


StartTransport = Callable[..., Awaitable[Transport]]


def pytest_asyncio_loop_factories() -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Run these tests on the loop of production: its transports differ from asyncio's."""
    return {"uvloop": uvloop.new_event_loop}


@pytest.fixture(scope="session")
def nats_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NatsServer]:
    with nats_process(tmp_path_factory.mktemp("mqtt")) as server:
        yield server


@pytest.fixture
async def start(nats_server: NatsServer) -> AsyncIterator[StartTransport]:
    """Start transports; keywords are their settings."""
    async with AsyncExitStack() as stack:

        async def start_transport(
            *, server: NatsServer | None = None, environ: dict[str, str] | None = None, **settings: float
        ) -> Transport:
            running = running_transport(server or nats_server, settings, environ or {}, shared=server is None)
            return await stack.enter_async_context(running)

        yield start_transport


@pytest.fixture
async def transport(start: StartTransport) -> Transport:
    return await start()


@pytest.fixture
async def own_nats(tmp_path: Path) -> AsyncIterator[NatsServer]:
    """A NATS server that the test may kill."""
    with nats_process(tmp_path) as server:
        yield server


@asynccontextmanager
async def running_transport(
    server: NatsServer, settings: dict[str, float], environ: dict[str, str], *, shared: bool
) -> AsyncIterator[Transport]:
    """Run one: with production's NATS users on a server of its own, on a root of its own on a shared one."""
    root = fresh_subject_root() if shared else DEFAULT_ROOT
    async with AsyncExitStack() as stack:
        owners = Owners(
            await bus_of(stack, server, "credential-manager", root),
            await bus_of(stack, server, "endpoint-register", root),
        )
        await owners.serve()
        await owners.keep_events()
        collector = Collector(await bus_of(stack, server, "data-collection", root))
        await collector.keep()
        stack.push_async_callback(_forget_events, server.url, root)
        pusher = await bus_of(stack, server, "command-execution", root, permitted=False)
        environ |= {f"GROVE_MQTT_TRANSPORT_{name.upper()}": str(value) for name, value in settings.items()}
        environ |= dict.fromkeys(("GROVE_MQTT_PORT", "GROVE_MQTT_WS_PORT", "GROVE_MQTT_TLS_PORT"), "0")
        url = server.url_for("mqtt-transport") if root == DEFAULT_ROOT else server.url
        process = Process(
            "mqtt-transport",
            settings=ProcessSettings(
                nats_url=url,
                nats_durability="synced",
                subject_root=root,
                stop_deadline_s=5.0,
                tls_cert=environ.pop("GROVE_TLS_CERT", None),
                tls_key=environ.pop("GROVE_TLS_KEY", None),
            ),
            environ=environ,
        )
        running = Transport(process, owners, pusher, server.url)
        running.collector = collector
        events = pusher.subjects.events_of("endpoint", "connectivity", kind="connected")
        await pusher.listen(events, ConnectedEvent, running.connected.append)
        events = pusher.subjects.events_of("endpoint", "connectivity", kind="disconnected")
        await pusher.listen(events, DisconnectedEvent, running.disconnected.append)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(serve(process, build), name="mqtt-transport")

            async def serving() -> bool:
                last = "mqtt" if process.settings.tls_cert is None else "mqttTls"
                return last in process.ports

            await eventually(serving, what="the transport serves")
            try:
                yield running
            finally:
                process.stop("the test is over")


async def bus_of(
    stack: AsyncExitStack, server: NatsServer, service: str, root: str, *, permitted: bool = True
) -> Bus:
    """Connect as a service: with its own user, or with one that may do anything."""
    url = server.url_for(service) if permitted and root == DEFAULT_ROOT else server.url
    bus = await Bus.connect(url=url, service=service, replica=f"{service}-1", root=root)
    stack.push_async_callback(bus.close)
    return bus


async def _forget_events(url: str, root: str) -> None:
    """Delete the stream of a test: a server that tests share has room for those of some dozens."""
    client = await nats.connect(url)
    try:
        for spec in (events_stream(Subjects(root)), ingest_stream(Subjects(root))):
            await client.jetstream().delete_stream(spec.name)
    finally:
        await client.close()
