"""A NATS server for the session, and buses on subject roots of their own."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack

import pytest

from libs.bus import Bus
from tests.support.servers import NatsServer, fresh_subject_root, nats_process

Connect = Callable[..., Awaitable[Bus]]


@pytest.fixture(scope="session")
def nats(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NatsServer]:
    with nats_process(tmp_path_factory.mktemp("bus")) as server:
        yield server


@pytest.fixture
async def connect(nats: NatsServer) -> AsyncIterator[Connect]:
    """Connects buses that share a fresh subject root; they are closed with the test."""
    root = fresh_subject_root()
    async with AsyncExitStack() as stack:

        async def new_bus(
            service: str = "tester", *, url: str | None = None, max_in_flight: int = 512
        ) -> Bus:
            bus = await Bus.connect(
                url=url or nats.url,
                service=service,
                replica=f"{service}-1",
                root=root,
                max_in_flight=max_in_flight,
            )
            stack.push_async_callback(bus.close)
            return bus

        yield new_bus


@pytest.fixture
async def bus(connect: Connect) -> Bus:
    return await connect()
