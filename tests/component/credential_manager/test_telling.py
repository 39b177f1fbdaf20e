"""Every change is told in the end, with NATS, its stream or the process dying at the worst moment."""

import asyncio
import signal
import subprocess
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from libs.bus import Bus
from libs.contracts.credentials import CreatedToken
from libs.contracts.errors import UnavailableError
from libs.contracts.streams import events_stream
from libs.contracts.tokens import TokenStatus
from libs.store import Store
from tests.component.credential_manager.world import (
    Caller,
    EndpointRegister,
    Events,
    own_process,
    running_replica,
)
from tests.support.servers import NatsServer, StoreServer, running_nats
from tests.support.waiting import eventually

IMPATIENT = {"GROVE_CREDENTIAL_MANAGER_TELL_WITHIN_S": "1", "GROVE_CREDENTIAL_MANAGER_SWEEP_EVERY_S": "0.5"}


class Neighbours:
    """A NATS of the test's own, where nobody listens and nobody has made the stream of events yet."""

    def __init__(self, nats: NatsServer, bus: Bus, register: EndpointRegister) -> None:
        self.nats = nats
        self.bus = bus
        self.register = register
        self.caller = Caller(bus)

    async def hear_events(self) -> Events:
        """What is told from now on, when it can be told."""
        events = await Events.of(self.bus)
        await self.bus.ensure_stream(events_stream(self.bus.subjects))
        return events

    async def active_token(self) -> tuple[str, CreatedToken]:
        """Needs the service; creation waits for the stream in vain, and succeeds."""
        endpoint = self.register.new_endpoint()
        created = await self.caller.create(endpoint)
        await self.caller.validate(created.token)
        return endpoint, created


@pytest.fixture
async def neighbours(tmp_path: Path) -> AsyncIterator[Neighbours]:
    async with running_nats(tmp_path) as nats:
        bus = await Bus.connect(url=nats.url, service="tester", replica="tester-1")
        register = EndpointRegister(bus)
        await register.serve()
        yield Neighbours(nats, bus, register)
        await bus.close()


async def until_stored(store: StoreServer, token_id: str, status: TokenStatus) -> None:
    database = Store.open(store.url, database="credential_manager", app_name="test")
    tokens = database.collection("tokens")

    async def stored() -> bool:
        return await tokens.find_one({"_id": token_id, "status": status.value}) is not None

    await eventually(stored, what=f"{status.value} is stored")
    await database.close()


@asynccontextmanager
async def suspension_under_way(
    neighbours: Neighbours, store: StoreServer, endpoint: str, created: CreatedToken
) -> AsyncIterator["asyncio.Task[int]"]:
    """The change is stored, its event is not, and the caller still waits."""
    suspension = neighbours.caller.set_status(endpoint, created.endpoint_token_id, TokenStatus.SUSPENDED)
    async with asyncio.TaskGroup() as group:
        waiting = group.create_task(_outcome(suspension), name="suspension")
        await until_stored(store, created.endpoint_token_id, TokenStatus.SUSPENDED)
        yield waiting
        waiting.cancel()


async def _outcome(suspension: Awaitable[int]) -> int:
    try:
        return await suspension
    except UnavailableError as error:
        return error.status_code


async def test_a_change_that_cannot_be_told_is_unavailable_but_holds_and_is_told_later(
    neighbours: Neighbours, store: StoreServer
) -> None:
    async with running_replica(neighbours.nats, store, **IMPATIENT):
        endpoint, created = await neighbours.active_token()
        token_id = created.endpoint_token_id

        with pytest.raises(UnavailableError, match="stored"):
            await neighbours.caller.set_status(endpoint, token_id, TokenStatus.SUSPENDED)
        assert await neighbours.caller.answer(created.token) == 403
        events = await neighbours.hear_events()

        await events.until_told(token_id, TokenStatus.SUSPENDED)
        assert await neighbours.caller.set_status(endpoint, token_id, TokenStatus.SUSPENDED) == 204


async def test_a_suspension_while_nats_restarts_is_told_when_it_is_back(
    neighbours: Neighbours, store: StoreServer
) -> None:
    async with running_replica(neighbours.nats, store, **IMPATIENT):
        endpoint, created = await neighbours.active_token()
        async with suspension_under_way(neighbours, store, endpoint, created) as waiting:
            await neighbours.nats.kill()
            assert await waiting == 503
            await neighbours.nats.start()
            events = await neighbours.hear_events()

            await events.until_told(created.endpoint_token_id, TokenStatus.SUSPENDED, deadline_s=3)
        assert await neighbours.caller.answer(created.token) == 403


async def test_a_change_whose_process_was_killed_before_the_event_is_told_by_the_next(
    neighbours: Neighbours, store: StoreServer, tmp_path: Path
) -> None:
    async with own_process(neighbours.nats, store, tmp_path, **IMPATIENT) as process:
        endpoint, created = await neighbours.active_token()
        async with suspension_under_way(neighbours, store, endpoint, created):
            await killed(process)
    events = await neighbours.hear_events()

    async with own_process(neighbours.nats, store, tmp_path, **IMPATIENT):
        await events.until_told(created.endpoint_token_id, TokenStatus.SUSPENDED)

        assert await neighbours.caller.answer(created.token) == 403
    log = (tmp_path / "service.log").read_text()
    assert "ep-token-request" in log
    assert created.token not in log


async def test_another_replica_tells_what_a_killed_one_could_not(
    neighbours: Neighbours, store: StoreServer, tmp_path: Path
) -> None:
    async with own_process(neighbours.nats, store, tmp_path, **IMPATIENT) as process:
        endpoint, created = await neighbours.active_token()
        async with (
            suspension_under_way(neighbours, store, endpoint, created),
            running_replica(neighbours.nats, store, **IMPATIENT),
        ):
            await killed(process)
            events = await neighbours.hear_events()

            await events.until_told(created.endpoint_token_id, TokenStatus.SUSPENDED)


async def killed(process: "subprocess.Popen[bytes]") -> None:
    process.send_signal(signal.SIGKILL)
    await asyncio.to_thread(process.wait)
