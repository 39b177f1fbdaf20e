"""Real NATS, a real store, and replicas of endpoint-register in this process.

Tests share the one subject root that the stream EVENTS is made for, and have a database each.
credential-manager is a stand-in that keeps tokens in a dictionary and fails when it is told to.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any

import pytest

from libs.bus import Bus
from libs.contracts import applications as tekton
from libs.contracts import endpoints as epr
from libs.contracts.applications import EmptyReply
from libs.contracts.credentials import (
    DELETE_ENDPOINT_TOKENS,
    STORE_TOKEN,
    STORE_TOKENS,
    DeleteEndpointTokens,
    StoreToken,
    StoreTokens,
    StoreTokensReply,
    TokenOutcome,
)
from libs.contracts.errors import ConflictError, GroveError
from libs.contracts.esp import EPMX, ClientData
from libs.contracts.messages import Event, Reply, Request
from libs.contracts.payload import encode_json
from libs.contracts.streams import events_stream
from libs.contracts.subjects import AnyEventType, AnyOperation
from libs.store import Store
from services.endpoint_register.app import assemble, open_listing
from services.endpoint_register.bus_api import serve
from services.endpoint_register.domain.sealing import SealingBox
from services.endpoint_register.ports import Parts
from services.endpoint_register.usecases.announcing import Announcer
from services.endpoint_register.usecases.sweeping import Pace, Sweeper
from tests.support.rest import Json
from tests.support.servers import (
    NatsServer,
    StoreServer,
    fresh_database,
    nats_process,
    store_process,
)
from tests.support.waiting import eventually

SECRETS_KEY = "a key of the tests, long enough for all"
AT_ONCE = Pace(every_s=0.1, outbox_after_s=0.0, creating_after_s=0.0)
"""A sweeper that takes everything unfinished for abandoned."""


@dataclass
class StandInCredentials:
    """credential-manager, as far as endpoint-register sees it."""

    tokens: dict[tuple[str, str], str] = field(default_factory=dict)
    refusal: GroveError | None = None

    async def on_store(self, request: StoreToken) -> EmptyReply:
        if self.refusal is not None:
            raise self.refusal
        holder = self.tokens.setdefault((request.application_name, request.token), request.endpoint_id)
        if holder != request.endpoint_id:
            raise ConflictError("the token is taken")
        return EmptyReply(status_code=204)

    async def on_store_many(self, request: StoreTokens) -> StoreTokensReply:
        outcomes = []
        for each in request.tokens:
            one = StoreToken(
                application_name=request.application_name, endpoint_id=each.endpoint_id, token=each.token
            )
            try:
                await self.on_store(one)
                outcomes.append(TokenOutcome(204))
            except GroveError as error:
                outcomes.append(TokenOutcome(error.status_code, error.reason_phrase))
        return StoreTokensReply(outcomes=tuple(outcomes))

    async def on_delete(self, request: DeleteEndpointTokens) -> EmptyReply:
        if self.refusal is not None and self.refusal.retried:
            raise self.refusal
        self.tokens = {key: holder for key, holder in self.tokens.items() if holder != request.endpoint_id}
        return EmptyReply(status_code=204)

    async def serve(self, bus: Bus) -> None:
        subjects, queue = bus.subjects, "credential-manager"
        await bus.serve(STORE_TOKEN.subject(subjects), StoreToken, self.on_store, queue=queue)
        await bus.serve(STORE_TOKENS.subject(subjects), StoreTokens, self.on_store_many, queue=queue)
        await bus.serve(
            DELETE_ENDPOINT_TOKENS.subject(subjects), DeleteEndpointTokens, self.on_delete, queue=queue
        )

    def of(self, endpoint_id: str) -> list[str]:
        return [token for (_, token), holder in self.tokens.items() if holder == endpoint_id]


@dataclass
class Replica:
    """One endpoint-register in this process."""

    bus_name: str
    bus: Bus
    parts: Parts
    announcer: Announcer

    def sweeper(self, pace: Pace = AT_ONCE) -> Sweeper:
        return Sweeper(self.parts, pace=pace)


@dataclass
class Client:
    """Asks as the gateway and the transports do, and hears every event."""

    bus: Bus
    timeout_s: float = 30.0
    heard: list[tuple[AnyEventType, Any]] = field(default_factory=list)

    async def ask(self, operation: AnyOperation, request: Request) -> Json:
        reply: Reply = await self.bus.request(
            operation.subject(self.bus.subjects), request, operation.reply, timeout_s=self.timeout_s
        )
        return reply

    async def refused(self, operation: AnyOperation, request: Request) -> GroveError:
        with pytest.raises(GroveError) as caught:
            await self.ask(operation, request)
        return caught.value

    async def listen(self, *kinds: AnyEventType) -> None:
        for kind in kinds:

            def keep(event: Event, kind: AnyEventType = kind) -> None:
                self.heard.append((kind, event))

            subject = ".".join((kind.subject(self.bus.subjects), *("*" for _ in kind.extra)))
            await self.bus.listen(subject, kind.event, keep)

    def names(self) -> list[str]:
        """Name the kinds of event in the order in which each was first heard."""
        return list(dict.fromkeys(kind.name for kind, _ in self.heard))

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait for what was heard to be as expected."""

        async def look() -> bool:
            return condition()

        await eventually(look, what=f"the expected events, after {len(self.heard)}")

    async def new_version(self, suffix: str = "v1", **limits: Json) -> str:
        created = await self.ask(
            tekton.CREATE_APPLICATION, tekton.CreateApplication(body=tekton.NewApplication(), **limits)
        )
        version = await self.ask(
            tekton.CREATE_VERSION,
            tekton.CreateVersion(
                application_name=created.body.name, body=tekton.NewAppVersion(name_suffix=suffix)
            ),
        )
        name: str = version.body.name
        return name

    async def new_endpoint(self, version: str, **fields: Json) -> epr.CreatedEndpoint:
        body = epr.NewEndpoint(app_version=epr.AppVersionRef(name=version), **fields)
        reply = await self.ask(epr.CREATE_ENDPOINT, epr.CreateEndpoint(body=body))
        created: epr.CreatedEndpoint = reply.body
        return created

    async def device(self, version: str, endpoint_id: str, resource: str, body: object = None) -> bytes:
        payload = b"" if body is None else body if isinstance(body, bytes) else encode_json(body)
        request = ClientData(
            app_version_name=version, endpoint_id=endpoint_id, resource_path=resource, payload=payload
        )
        answer: bytes = (await self.ask(EPMX, request)).payload
        return answer


NewReplica = Callable[..., Awaitable[Replica]]


@pytest.fixture(scope="session")
def nats(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NatsServer]:
    with nats_process(tmp_path_factory.mktemp("endpoint_register")) as server:
        yield server


@pytest.fixture(scope="session")
def store_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StoreServer]:
    with store_process(tmp_path_factory.mktemp("endpoint_register")) as server:
        yield server


@pytest.fixture
async def client(nats: NatsServer) -> AsyncIterator[Client]:
    bus = await Bus.connect(url=nats.url, service="tester", replica="tester-1")
    await bus.ensure_stream(events_stream(bus.subjects))
    yield Client(bus)
    await bus.close()


@pytest.fixture
async def credentials(client: Client) -> StandInCredentials:
    stand_in = StandInCredentials()
    await stand_in.serve(client.bus)
    return stand_in


@pytest.fixture
async def start(
    nats: NatsServer, store_server: StoreServer, credentials: StandInCredentials
) -> AsyncIterator[NewReplica]:
    """Starts replicas that share a database; ``announcing=False`` leaves events where they are."""
    database = fresh_database()
    async with AsyncExitStack() as stack:
        names = iter(range(100))

        async def new_replica(*, announcing: bool = True) -> Replica:
            own = await stack.enter_async_context(AsyncExitStack())
            name = f"endpoint-register-{next(names)}"
            store = Store.open(store_server.url, database=database, app_name="test")
            own.push_async_callback(store.close)
            bus = await Bus.connect(
                url=nats.url,
                service="endpoint-register",
                replica=name,
                max_in_flight=2048,
            )
            own.push_async_callback(bus.close)
            parts, announcer = await assemble(
                store, bus, box=SealingBox(SECRETS_KEY), listing=await open_listing(store)
            )
            if announcing:
                group = await own.enter_async_context(asyncio.TaskGroup())
                task = group.create_task(announcer.run(), name="announcing")
                own.callback(task.cancel)
                own.push_async_callback(announcer.stop)
            await serve(bus, parts)
            own.push_async_callback(bus.stop_serving)
            return Replica(name, bus, parts, announcer)

        yield new_replica


@pytest.fixture
async def replica(start: NewReplica) -> Replica:
    return await start()
