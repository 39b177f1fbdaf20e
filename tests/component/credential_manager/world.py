"""What surrounds the service in its component tests."""

import asyncio
import os
import signal
import subprocess
import sys
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeAlias

from libs.bus import Bus
from libs.contracts.api_keys import API_KEY_REVOKED
from libs.contracts.credentials import (
    CREATE_TOKEN,
    LIST_TOKENS,
    SET_TOKEN_STATUS,
    STORE_TOKEN,
    CreatedToken,
    CreateToken,
    ListTokens,
    NewToken,
    SetTokenStatus,
    StoreToken,
    Token,
    TokenStatusChange,
)
from libs.contracts.ecap import (
    TOKEN_REVOKED,
    TOKEN_STATUS_CHANGED,
    VALIDATE_TOKEN,
    EndpointTokenStatusChangedEvent,
    EndpointTokenValidationRequest,
    EndpointTokenValidationResponse,
)
from libs.contracts.endpoints import (
    GET_ENDPOINT,
    Endpoint,
    EndpointAppVersion,
    EndpointReply,
    GetEndpoint,
)
from libs.contracts.errors import GroveError, NotFoundError
from libs.contracts.messages import Event, ReplyT, RequestT
from libs.contracts.subjects import Operation
from libs.contracts.tokens import TokenStatus
from libs.process import Process, ProcessSettings, serve
from libs.process.health import Phase
from services.credential_manager import app
from tests.support.servers import NatsServer, StoreServer
from tests.support.waiting import eventually

SECRETS_KEY = "a key of the tests, long enough for all"
APPLICATION = "olives"

Replica: TypeAlias = Process


class EndpointRegister:
    """Knows the endpoints that a test added; may do something while it is asked."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self.applications: dict[str, str] = {}
        self.asked = 0
        self.vanish_after: int | None = None

    def new_endpoint(self, application: str = APPLICATION) -> str:
        endpoint_id = str(uuid.uuid4())
        self.applications[endpoint_id] = application
        return endpoint_id

    async def serve(self) -> None:
        await self._bus.serve(
            GET_ENDPOINT.subject(self._bus.subjects), GetEndpoint, self._on_get, queue=GET_ENDPOINT.instance
        )

    async def _on_get(self, request: GetEndpoint) -> EndpointReply:
        self.asked += 1
        gone = self.vanish_after is not None and self.asked > self.vanish_after
        if gone or request.endpoint_id not in self.applications:
            raise NotFoundError("there is no such endpoint")
        version = f"{self.applications[request.endpoint_id]}-v1"
        return EndpointReply(
            body=Endpoint(
                endpoint_id=request.endpoint_id,
                created_date="2026-11-21T00:00:00.000Z",
                app_version=EndpointAppVersion(name=version, registered_date="2026-11-21T00:00:00.000Z"),
            )
        )


class Caller:
    """Asks the service over the bus."""

    def __init__(self, bus: Bus) -> None:
        self.bus = bus

    async def ask(
        self, operation: Operation[RequestT, ReplyT], request: RequestT, *, timeout_s: float = 5.0
    ) -> ReplyT:
        subject = operation.subject(self.bus.subjects)
        return await self.bus.request(subject, request, operation.reply, timeout_s=timeout_s)

    async def create(self, endpoint_id: str, token: str | None = None) -> CreatedToken:
        body = NewToken(application_name=APPLICATION, token=token)
        return (await self.ask(CREATE_TOKEN, CreateToken(endpoint_id=endpoint_id, body=body))).body

    async def store(self, endpoint_id: str, token: str) -> None:
        request = StoreToken(application_name=APPLICATION, endpoint_id=endpoint_id, token=token)
        await self.ask(STORE_TOKEN, request)

    async def validate(self, token: str) -> EndpointTokenValidationResponse:
        return await self.ask(
            VALIDATE_TOKEN, EndpointTokenValidationRequest(app_name=APPLICATION, token=token)
        )

    async def answer(self, token: str) -> int:
        """Validate, and tell the status code."""
        try:
            return (await self.validate(token)).status_code
        except GroveError as error:
            return error.status_code

    async def set_status(self, endpoint_id: str, token_id: str, status: TokenStatus) -> int:
        body = TokenStatusChange(status=status)
        request = SetTokenStatus(endpoint_id=endpoint_id, token_id=token_id, body=body)
        return (await self.ask(SET_TOKEN_STATUS, request)).status_code

    async def tokens(self, endpoint_id: str) -> list[Token]:
        page = (await self.ask(LIST_TOKENS, ListTokens(endpoint_id=endpoint_id))).body
        assert page is not None
        return page.content


class Events:
    """Everything that was said, in order."""

    def __init__(self) -> None:
        self.heard: list[Event] = []

    @classmethod
    async def of(cls, bus: Bus) -> "Events":
        events = cls()
        for kind in (TOKEN_REVOKED, TOKEN_STATUS_CHANGED, API_KEY_REVOKED):
            await bus.listen(kind.subject(bus.subjects), kind.event, events.heard.append)
        await bus.ping()
        return events

    def statuses(self, token_id: str) -> list[TokenStatus | None]:
        """The states that were told of a token, repetitions left out."""
        told = [
            event.status
            for event in self.heard
            if isinstance(event, EndpointTokenStatusChangedEvent) and token_id in event.token_ids
        ]
        return [status for number, status in enumerate(told) if number == 0 or status != told[number - 1]]

    async def until_told(self, token_id: str, status: TokenStatus | None, *, deadline_s: float = 10) -> None:
        async def told() -> bool:
            return status in self.statuses(token_id)

        await eventually(told, what=f"{status} is told", deadline_s=deadline_s)


@asynccontextmanager
async def running_replica(nats: NatsServer, store: StoreServer, **environ: str) -> AsyncIterator[Replica]:
    """Run the service in this process until the block ends, and see it stop cleanly."""
    process = Process(
        "credential-manager",
        settings=ProcessSettings(
            nats_url=nats.url_for("credential-manager"),
            nats_durability="synced",
            mongodb=store.url,
            secrets=SECRETS_KEY,
        ),
        environ=environ,
    )
    async with asyncio.TaskGroup() as group:
        running = group.create_task(serve(process, app.build), name=process.replica)

        async def ready() -> bool:
            return running.done() or process.health.phase is Phase.SERVING

        await eventually(ready, what="the service is ready")
        try:
            yield process
        finally:
            process.stop("the test is over")
    assert running.result() == 0


@asynccontextmanager
async def own_process(
    nats: NatsServer, store: StoreServer, directory: Path, **environ: str
) -> AsyncIterator["subprocess.Popen[bytes]"]:
    """Run the service as a process of its own, which the test may kill."""
    port_file = directory / "ports.json"
    port_file.unlink(missing_ok=True)
    given = {
        "PATH": os.defpath,
        "GROVE_NATS_URL": nats.url_for("credential-manager"),
        "GROVE_NATS_DURABILITY": "synced",
        "GROVE_MONGODB_URL": store.url,
        "GROVE_SECRETS_KEY": SECRETS_KEY,
        "GROVE_PORT_FILE": str(port_file),
        **environ,
    }
    process = _launch(given, log=directory / "service.log")

    async def ready() -> bool:
        return port_file.exists()

    try:
        await eventually(ready, what="the process is ready", deadline_s=20)
        yield process
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()


def _launch(environ: dict[str, str], *, log: Path) -> "subprocess.Popen[bytes]":
    with log.open("ab") as output:
        return subprocess.Popen(
            [sys.executable, "-m", "services.credential_manager"],
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
