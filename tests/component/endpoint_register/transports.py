"""A transport as endpoint-register meets it, with the rights of production."""

import asyncio
import itertools
import secrets
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from libs.bus import Bus
from libs.contracts import endpoints as epr
from libs.contracts.connectivity import (
    CONNECTED,
    DISCONNECTED,
    MAX_ENDPOINTS,
    REPORT_ALIVE,
    AliveReport,
    ConnectedEvent,
    DisconnectedEvent,
    generation,
)
from libs.contracts.messages import Event
from libs.contracts.subjects import AnyEventType
from services.endpoint_register.bus_api import follow_presence
from services.endpoint_register.usecases.giving_up import Patience, SilenceWatch
from tests.component.endpoint_register.conftest import Client, Replica
from tests.support.servers import NatsServer
from tests.support.waiting import eventually


@dataclass
class StandInTransport:
    """Announces bindings, and lives for as long as it is told to."""

    bus: Bus
    run_id: str = field(default_factory=lambda: secrets.token_hex(8))
    numbers: Iterator[int] = field(default_factory=itertools.count)

    async def connect(self, endpoints: Mapping[str, str]) -> str:
        """Bind endpoints (id -> version) and return the generation."""
        event = ConnectedEvent(endpoints=dict(endpoints), run_id=self.run_id)
        return await self._announce(CONNECTED, event)

    async def restate(self, endpoints: Mapping[str, str], of: str) -> None:
        """Say again whom it holds."""
        event = ConnectedEvent(
            endpoints=dict(endpoints), run_id=self.run_id, generations=dict.fromkeys(endpoints, of)
        )
        await self._announce(CONNECTED, event)

    async def disconnect(self, endpoints: Mapping[str, str], of: str) -> None:
        """End bindings."""
        event = DisconnectedEvent(
            endpoints=dict(endpoints), run_id=self.run_id, generations=dict.fromkeys(endpoints, of)
        )
        await self._announce(DISCONNECTED, event)

    async def connect_all(self, endpoints: Mapping[str, str]) -> None:
        """Bind any number of endpoints."""
        waiting = list(endpoints.items())
        while waiting:
            await self.connect(dict(waiting[:MAX_ENDPOINTS]))
            del waiting[:MAX_ENDPOINTS]

    async def alive(self, *, bindings: int = 1) -> bool:
        """Say that it lives; True when it has to say again whom it holds."""
        report = AliveReport(run_id=self.run_id, bindings=bindings)
        reply = await self.bus.request(
            REPORT_ALIVE.subject(self.bus.subjects), report, REPORT_ALIVE.reply, timeout_s=10
        )
        return reply.restate

    async def _announce(self, kind: AnyEventType, event: Event) -> str:
        announced = await self.bus.announce(
            kind.subject(self.bus.subjects), event, msg_id=f"{self.run_id}-{next(self.numbers)}"
        )
        created_ms = await self.bus.stream_created_ms(announced.stream)
        return generation(stream_created_ms=created_ms, sequence=announced.sequence)


@asynccontextmanager
async def transport_on(nats: NatsServer) -> AsyncIterator[StandInTransport]:
    bus = await Bus.connect(
        url=nats.url_for("mqtt-transport"), service="mqtt-transport", replica="mqtt-transport-1"
    )
    try:
        yield StandInTransport(bus)
    finally:
        await bus.close()


@asynccontextmanager
async def following(replica: Replica, *, silent_after_s: float = 20.0) -> AsyncIterator[SilenceWatch]:
    """Let a replica take in what transports say, and watch over them."""
    patience = Patience(silent_after_s=silent_after_s, take_over_after_s=1.0)
    watch = SilenceWatch(replica.parts, patience=patience)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(follow_presence(replica.bus, replica.parts), name="presence")
        watching = tasks.create_task(watch.run(), name="watching")
        try:
            yield watch
        finally:
            watching.cancel()
            await replica.bus.stop_consuming(within_s=5)


async def connectivity(client: Client, endpoint_id: str) -> epr.EndpointConnectivity:
    """What an operator is shown."""
    reply = await client.ask(
        epr.GET_ENDPOINT, epr.GetEndpoint(endpoint_id=endpoint_id, include=("connectivity",))
    )
    shown: epr.EndpointConnectivity = reply.body.connectivity
    return shown


async def until_connected(client: Client, endpoint_id: str, *, connected: bool) -> epr.EndpointConnectivity:
    async def look() -> epr.EndpointConnectivity | None:
        shown = await connectivity(client, endpoint_id)
        return shown if shown.connected is connected else None

    shown = await eventually(look, what=f"{endpoint_id} connected: {connected}")
    assert shown is not None
    return shown
