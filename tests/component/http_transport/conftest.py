"""The real transport in this process, between a real NATS with production permissions and fake owners."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest
import uvloop
from prometheus_client import REGISTRY

from libs.bus import Bus
from libs.contracts.subjects import DEFAULT_ROOT
from libs.process import Process, ProcessSettings, serve
from services.http_transport.app import build
from tests.support.certificates import Certificate
from tests.support.owners import VERSION, Owners
from tests.support.servers import NatsServer, fresh_subject_root, nats_process
from tests.support.waiting import eventually


@dataclass(frozen=True)
class Answered:
    status: int
    body: bytes
    headers: dict[str, str]


class Transport:
    """A running http-transport and the owners behind it."""

    def __init__(self, process: Process, owners: Owners, client: aiohttp.ClientSession) -> None:
        self.process = process
        self.owners = owners
        self._client = client

    @property
    def port(self) -> int:
        return self.process.ports["http"]

    async def call(
        self, path: str, body: bytes = b"", *, method: str = "POST", headers: dict[str, str] | None = None
    ) -> Answered:
        url = f"http://127.0.0.1:{self.port}{path}"
        request = self._client.request(
            method, url, data=body, headers=headers, skip_auto_headers=("Content-Type",)
        )
        async with request as response:
            return Answered(response.status, await response.read(), dict(response.headers))

    async def update(self, token: str, body: bytes = b"{}") -> Answered:
        return await self.call(f"/kp1/{VERSION}/epmx/{token}/update/keys", body)

    async def metrics(self) -> str:
        async with self._client.get(f"http://127.0.0.1:{self.process.ports['health']}/metrics") as response:
            return await response.text()

    async def ready_becomes(self, *, ready: bool) -> None:
        async def has_become() -> bool:
            url = f"http://127.0.0.1:{self.process.ports['health']}/ready"
            async with self._client.get(url) as response:
                return (response.status == 200) is ready

        await eventually(has_become, what=f"ready is {ready}")

    def gauge(self, name: str) -> float:
        return REGISTRY.get_sample_value(name) or 0.0

    async def status_becomes(self, token: str, status: int, *, within_s: float = 1.0) -> None:
        async def has_become() -> bool:
            return (await self.update(token)).status == status

        await eventually(has_become, what=f"status {status}", deadline_s=within_s)


StartTransport = Callable[..., Awaitable[Transport]]


def pytest_asyncio_loop_factories() -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Run these tests on the loop of production: its transports differ from asyncio's."""
    return {"uvloop": uvloop.new_event_loop}


@pytest.fixture(scope="session")
def nats(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NatsServer]:
    with nats_process(tmp_path_factory.mktemp("http")) as server:
        yield server


@pytest.fixture
async def start(nats: NatsServer) -> AsyncIterator[StartTransport]:
    """Start transports; keywords are their settings."""
    async with AsyncExitStack() as stack:

        async def start_transport(
            *, server: NatsServer | None = None, certificate: Certificate | None = None, **settings: float
        ) -> Transport:
            running = running_transport(server or nats, settings, certificate, shared=server is None)
            return await stack.enter_async_context(running)

        yield start_transport


@pytest.fixture
async def transport(start: StartTransport, request: pytest.FixtureRequest) -> Transport:
    """One with the settings a test gives it as an indirect parameter."""
    return await start(**getattr(request, "param", {}))


@pytest.fixture
async def own_nats(tmp_path: Path) -> AsyncIterator[NatsServer]:
    """A NATS server that the test may kill."""
    with nats_process(tmp_path) as server:
        yield server


@asynccontextmanager
async def running_transport(
    nats: NatsServer, settings: dict[str, float], certificate: Certificate | None, *, shared: bool
) -> AsyncIterator[Transport]:
    """Run one: with production's NATS users on a server of its own, on a root of its own on a shared one."""
    root = fresh_subject_root() if shared else DEFAULT_ROOT
    async with AsyncExitStack() as stack:
        owners = Owners(
            await _bus(stack, nats, "credential-manager", root),
            await _bus(stack, nats, "endpoint-register", root),
        )
        await owners.serve()
        min_free_percent = settings.pop("min_free_percent", None)
        environ = {f"GROVE_HTTP_TRANSPORT_{name.upper()}": str(value) for name, value in settings.items()}
        url = nats.url_for("http-transport") if root == DEFAULT_ROOT else nats.url
        process = Process(
            "http-transport",
            settings=ProcessSettings(
                nats_url=url,
                nats_durability="synced",
                subject_root=root,
                stop_deadline_s=5.0,
                tls_cert=None if certificate is None else str(certificate.certificate),
                tls_key=None if certificate is None else str(certificate.key),
                jetstream_directory=None if min_free_percent is None else str(nats.directory),
                min_free_percent=min_free_percent or 0.0,
            ),
            environ={**environ, "GROVE_HTTP_PORT": "0", "GROVE_HTTP_TLS_PORT": "0"},
        )
        client = await stack.enter_async_context(
            aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0), timeout=aiohttp.ClientTimeout(total=40)
            )
        )
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(serve(process, build), name="http-transport")

            async def serving() -> bool:
                return ("http" if certificate is None else "httpTls") in process.ports

            await eventually(serving, what="the transport serves")
            try:
                yield Transport(process, owners, client)
            finally:
                await client.close()  # else stopping waits for its idle connections
                process.stop("the test is over")


async def _bus(stack: AsyncExitStack, nats: NatsServer, service: str, root: str) -> Bus:
    url = nats.url_for(service) if root == DEFAULT_ROOT else nats.url
    bus = await Bus.connect(url=url, service=service, replica=f"{service}-1", root=root)
    stack.push_async_callback(bus.close)
    return bus
