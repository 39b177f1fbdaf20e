"""A gateway as it runs, on a real NATS with its own user, and stand-ins for the owners on the bus."""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager

import aiohttp
import pytest
import pytest_asyncio
from yarl import URL

from libs.bus import Bus
from libs.process import Process, ProcessSettings, serve
from services.api_gateway import app
from tests.component.api_gateway.owners import ADMIN, Anything, Owners
from tests.support.live_events import Block, blocks_of
from tests.support.servers import NatsServer, nats_process
from tests.support.waiting import eventually


class Answer:
    """What the gateway answered."""

    def __init__(self, status: int, headers: Mapping[str, str], raw: bytes) -> None:
        self.status = status
        self.headers = headers
        self.raw = raw

    @property
    def body(self) -> Anything:
        return json.loads(self.raw)

    @property
    def message(self) -> str:
        message: str = self.body["message"]
        return message

    @property
    def problems(self) -> dict[str, str]:
        return {each["path"]: each["problem"] for each in self.body["details"]}


class Stream:
    """An answer of ``/live`` while it lasts.

    Attributes:
        headers: Of the answer.
        last: The id that was told last.
    """

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self.headers = response.headers
        self.last = ""
        self._response = response

    async def open(self) -> None:
        """Wait for the id from which to go on."""
        assert await self._block() == Block("", self.last, None)

    async def next(self) -> Block | None:
        """Wait for the next block with data; None = the answer is over."""
        while (block := await self._block()) is not None and not block.event:
            pass
        return block

    async def _block(self) -> Block | None:
        async with asyncio.timeout(10):
            raw = await self._response.content.readuntil(b"\n\n")
        if not raw:
            return None
        (block,) = blocks_of(raw.decode())
        self.last = block.place or self.last
        return block

    async def endpoints(self, count: int) -> list[object]:
        """Wait for so many events about one endpoint each; returns whom they are about."""
        found: list[object] = []
        while len(found) < count:
            block = await self.next()
            assert block is not None, found
            assert block.data is not None
            assert "endpointId" in block.data, block
            found.append(block.data["endpointId"])
        return found


class Gateway:
    """The running gateway and a client of it."""

    def __init__(self, process: Process, owners: Owners, session: aiohttp.ClientSession) -> None:
        self.process = process
        self.owners = owners
        self._session = session

    @property
    def port(self) -> int:
        return self.process.ports["http"]

    async def call(
        self, method: str, target: str, *, key: str | None = ADMIN, json: Anything = None, **more: Anything
    ) -> Answer:
        """Make a call; the target is sent as it stands."""
        headers = dict(more.pop("headers", {}))
        if key is not None:
            headers.setdefault("Authorization", f"Bearer {key}")
        url = URL(f"http://127.0.0.1:{self.port}{target}", encoded=True)
        async with self._session.request(method, url, headers=headers, json=json, **more) as response:
            endless = response.content_type == "text/event-stream"
            return Answer(response.status, response.headers, b"" if endless else await response.read())

    @asynccontextmanager
    async def follow(
        self, query: str = "", *, key: str = ADMIN, last: str | None = None
    ) -> AsyncIterator["Stream"]:
        """Follow events for the time of the block."""
        headers = {"Authorization": f"Bearer {key}"} | ({} if last is None else {"Last-Event-ID": last})
        url = f"http://127.0.0.1:{self.port}/live/api/v1/events{query}"
        async with self._session.get(url, headers=headers) as response:
            assert response.status == 200, await response.text()
            stream = Stream(response)
            await stream.open()
            yield stream

    async def metrics(self) -> str:
        url = f"http://127.0.0.1:{self.process.ports['health']}/metrics"
        async with self._session.get(url) as response:
            return await response.text()

    async def raw(self, request: bytes) -> bytes:
        """Send bytes, and return the answer as it came, interim answers included."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            writer.write(request)
            async with asyncio.timeout(10):
                answer = await reader.readuntil(b"\r\n\r\n")
                if answer.startswith(b"HTTP/1.1 100 "):
                    answer += await reader.readuntil(b"\r\n\r\n")
                length = re.search(rb"(?i)content-length: (\d+)", answer)
                return answer + (await reader.readexactly(int(length[1])) if length else b"")
        finally:
            writer.close()


@pytest.fixture(scope="session")
def nats(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NatsServer]:
    with nats_process(tmp_path_factory.mktemp("api_gateway")) as server:
        yield server


@pytest.fixture
async def owners(nats: NatsServer) -> AsyncIterator[Owners]:
    bus = await Bus.connect(url=nats.url, service="owners", replica="owners-1")
    stand_ins = Owners(bus)
    await stand_ins.start()
    try:
        yield stand_ins
    finally:
        await bus.close()


@asynccontextmanager
async def running_gateway(
    nats_url: str, owners: Owners, environ: Mapping[str, str]
) -> AsyncIterator[Gateway]:
    """Run the service as its process would, in this event loop."""
    settings = ProcessSettings(nats_url=nats_url, nats_durability="synced", stop_deadline_s=5.0)
    process = Process("api-gateway", settings=settings, environ={"GROVE_API_PORT": "0", **environ})
    async with aiohttp.ClientSession() as session, asyncio.TaskGroup() as group:
        served = group.create_task(serve(process, app.build), name="gateway")

        async def listening() -> bool:
            return "http" in process.ports or served.done()

        try:
            await eventually(listening, what="the gateway listens")
            yield Gateway(process, owners, session)
        finally:
            await session.close()
            process.stop("the test is over")


@pytest.fixture
async def gateway(nats: NatsServer, owners: Owners) -> AsyncIterator[Gateway]:
    async with running_gateway(nats.url_for("api-gateway"), owners, {}) as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def lasting_gateway(nats: NatsServer) -> AsyncIterator[Gateway]:
    """One gateway for a module whose tests run in one loop; ask for ``shared_gateway``.

    A module uses either this or ``gateway``: the owners of both would share the requests.
    """
    bus = await Bus.connect(url=nats.url, service="owners", replica="owners-1")
    owners = Owners(bus)
    await owners.start()
    async with running_gateway(nats.url_for("api-gateway"), owners, {}) as running:
        yield running
    await bus.close()


@pytest.fixture
def shared_gateway(lasting_gateway: Gateway) -> Gateway:
    """The module's gateway, its owners as new; needs the mark ``asyncio(loop_scope="module")``."""
    lasting_gateway.owners.reset()
    return lasting_gateway


@pytest.fixture
async def impatient_gateway(nats: NatsServer, owners: Owners) -> AsyncIterator[Gateway]:
    """A gateway that does not wait long, and lets two requests in at the same time."""
    hurry = {
        "GROVE_API_GATEWAY_OWNER_TIMEOUT_S": "0.3",
        "GROVE_API_GATEWAY_BODY_TIMEOUT_S": "0.2",
        "GROVE_API_GATEWAY_MAX_IN_FLIGHT": "2",
    }
    async with running_gateway(nats.url_for("api-gateway"), owners, hurry) as running:
        yield running
