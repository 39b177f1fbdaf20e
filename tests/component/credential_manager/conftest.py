"""The service in this process, real NATS, a real store, and an endpoint-register as each test wants it."""

from collections.abc import AsyncIterator, Iterator

import pytest

from libs.bus import Bus
from libs.contracts.streams import events_stream
from tests.component.credential_manager.world import (
    Caller,
    EndpointRegister,
    Events,
    Replica,
    running_replica,
)
from tests.support.servers import NatsServer, StoreServer, nats_process, store_process


@pytest.fixture(scope="session")
def nats(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NatsServer]:
    with nats_process(tmp_path_factory.mktemp("credential_manager")) as server:
        yield server


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StoreServer]:
    with store_process(tmp_path_factory.mktemp("credential_manager")) as server:
        yield server


@pytest.fixture
async def register(nats: NatsServer) -> AsyncIterator[EndpointRegister]:
    """endpoint-register, owner of the stream of events."""
    bus = await Bus.connect(
        url=nats.url_for("endpoint-register"), service="endpoint-register", replica="endpoint-register-1"
    )
    await bus.ensure_stream(events_stream(bus.subjects))
    register = EndpointRegister(bus)
    await register.serve()
    yield register
    await bus.close()


@pytest.fixture
async def caller(nats: NatsServer) -> AsyncIterator[Caller]:
    """Whoever asks: the gateway, a transport, endpoint-register."""
    bus = await Bus.connect(url=nats.url, service="tester", replica="tester-1")
    yield Caller(bus)
    await bus.close()


@pytest.fixture
async def events(caller: Caller) -> Events:
    """What the service says, as listeners hear it."""
    return await Events.of(caller.bus)


@pytest.fixture
async def service(nats: NatsServer, store: StoreServer, register: EndpointRegister) -> AsyncIterator[Replica]:
    async with running_replica(nats, store) as replica:
        yield replica
