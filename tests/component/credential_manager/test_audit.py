"""Who changed what, from the call at the gateway to the answer: both services, real NATS, a real store."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any, TypeAlias

import aiohttp
import nats as nats_client

from libs.bus import Bus
from libs.contracts.applications import EmptyReply
from libs.contracts.audit import AuditEntry
from libs.contracts.endpoints import DELETE_ENDPOINT
from libs.contracts.errors import NotFoundError, UnavailableError
from libs.contracts.streams import audit_stream
from libs.process import Process, ProcessSettings, SystemClock, serve
from libs.store import Store
from services.api_gateway import app as gateway_app
from services.api_gateway.bus_api import BusAuditLog
from services.credential_manager.bus_api import AuditHandlers, keep_audit
from services.credential_manager.domain.audit import Range
from services.credential_manager.mongo import MongoAuditRepository
from services.credential_manager.usecases.auditing import AuditParts
from tests.component.credential_manager.world import EndpointRegister, running_replica
from tests.support.audit import entry
from tests.support.servers import NatsServer, StoreServer, fresh_database
from tests.support.waiting import eventually

Anything: TypeAlias = Any

ADMIN_KEY = "grove_admin-key-of-the-tests"
ENVIRON = {"GROVE_ADMIN_KEY": ADMIN_KEY}
RECORDS = "/audit/api/v1/records"


class Rest:
    """A client of the gateway."""

    def __init__(self, session: aiohttp.ClientSession, port: int) -> None:
        self._session = session
        self._port = port

    async def call(self, method: str, path: str, *, key: str = ADMIN_KEY, body: Anything = None) -> Anything:
        url = f"http://127.0.0.1:{self._port}{path}"
        headers = {"Authorization": f"Bearer {key}"}
        async with self._session.request(method, url, headers=headers, json=body) as response:
            found = await response.json() if response.status in {200, 201} else {}
            return {"status": response.status, "correlation": response.headers["Correlation-ID"], **found}

    async def new_key(self, **fields: Anything) -> tuple[str, str]:
        made = await self.call("POST", "/auth/api/v1/api-keys", body={"scope": "write", **fields})
        return made["apiKeyId"], made["key"]

    async def records(self, query: str, *, key: str = ADMIN_KEY) -> list[Anything]:
        """All records, page by page."""
        found: list[Anything] = []
        page: Anything = {"next": None}
        while "next" in page:
            cursor = f"&cursor={page['next']}" if page["next"] else ""
            page = await self.call("GET", f"{RECORDS}?limit=3&{query}{cursor}", key=key)
            assert page["status"] == 200
            found += page["content"]
        return found

    async def until(self, query: str, count: int, *, key: str = ADMIN_KEY) -> list[Anything]:
        """The records, as soon as there are so many and all have an outcome."""

        async def complete() -> list[Anything]:
            found = await self.records(query, key=key)
            return found if len(found) >= count and all("statusCode" in each for each in found) else []

        return await eventually(complete, what=f"{count} records of {query}")


@asynccontextmanager
async def running_gateway(nats: NatsServer) -> AsyncIterator[Rest]:
    settings = ProcessSettings(nats_url=nats.url_for("api-gateway"), nats_durability="synced")
    process = Process("api-gateway", settings=settings, environ={"GROVE_API_PORT": "0"})
    async with aiohttp.ClientSession() as session, asyncio.TaskGroup() as group:
        group.create_task(serve(process, gateway_app.build), name="gateway")

        async def listening() -> bool:
            return "http" in process.ports

        try:
            await eventually(listening, what="the gateway listens")
            yield Rest(session, process.ports["http"])
        finally:
            await session.close()
            process.stop("the test is over")


def token_of(endpoint: str) -> str:
    return f"/cm/api/v1/endpoints/{endpoint}/tokens"


async def test_what_two_keys_changed_is_found_by_each_criterion(
    nats: NatsServer, store: StoreServer, register: EndpointRegister
) -> None:
    olive, pear = register.new_endpoint(), register.new_endpoint("pears")
    async with running_replica(nats, store, **ENVIRON), running_gateway(nats) as rest:
        (one_id, one), (two_id, two) = await rest.new_key(name="one"), await rest.new_key(name="two")
        _, limited = await rest.new_key(name="limited", scope="admin", applications=["pears"])
        token = await rest.call("POST", token_of(olive), key=one, body={"applicationName": "olives"})
        other = await rest.call("POST", token_of(pear), key=two, body={"applicationName": "pears"})
        place = f"{token_of(pear)}/{other['endpointTokenId']}"
        change = await rest.call("PUT", f"{place}/status", key=one, body={"status": "Revoked"})
        refused = await rest.call("DELETE", f"/auth/api/v1/api-keys/{two_id}", key=one)

        of_one = await rest.until(f"apiKeyId={one_id}", 3)
        of_two = await rest.until(f"apiKeyId={two_id}", 1)
        of_pear = await rest.until(f"endpointId={pear}", 2)
        of_pears = await rest.until("applicationName=pears", 2)
        revocations = await rest.until(f"apiKeyId={one_id}&operation=setTokenStatus", 1)
        early = await rest.records(f"apiKeyId={one_id}&to={of_one[0]['time']}")
        seen = await rest.records("", key=limited)
        forbidden = await rest.call("GET", f"{RECORDS}?applicationName=olives", key=limited)

    assert [(each["operation"], each["statusCode"], each["outcome"]) for each in of_one] == [
        ("revokeApiKey", 403, "refused"),
        ("setTokenStatus", 204, "succeeded"),
        ("createToken", 201, "succeeded"),
    ]
    assert [each["correlationId"] for each in of_one] == [
        refused["correlation"],
        change["correlation"],
        token["correlation"],
    ]
    assert [(each["apiKeyName"], each["endpointId"]) for each in of_two] == [("two", pear)]
    assert of_pear == of_pears == seen
    assert [each["operation"] for each in of_pear] == ["setTokenStatus", "createToken"]
    assert [each["correlationId"] for each in revocations] == [change["correlation"]]
    assert early == [each for each in of_one if each["time"] < of_one[0]["time"]]
    assert forbidden["status"] == 403
    everything = str([of_one, of_two, of_pear])
    assert not [each for each in (one, two, token["token"], other["token"], ADMIN_KEY) if each in everything]


async def test_changes_go_on_without_credential_manager_and_appear_when_it_is_back(
    nats: NatsServer, store: StoreServer, register: EndpointRegister, caller: Anything
) -> None:
    endpoint = register.new_endpoint()

    async def on_delete(_: object) -> EmptyReply:
        return EmptyReply(status_code=204)

    await caller.bus.serve(
        DELETE_ENDPOINT.subject(caller.bus.subjects),
        DELETE_ENDPOINT.request,
        on_delete,
        queue=DELETE_ENDPOINT.instance,
    )
    async with running_gateway(nats) as rest:
        async with running_replica(nats, store, **ENVIRON):
            assert (await rest.call("GET", "/auth/api/v1/api-keys"))["status"] == 200
        deletion = await rest.call("DELETE", f"/epr/api/v1/endpoints/{endpoint}")
        async with running_replica(nats, store, **ENVIRON):
            (record,) = await rest.until(f"endpointId={endpoint}", 1)

    assert deletion["status"] == 204
    assert (record["correlationId"], record["outcome"]) == (deletion["correlation"], "succeeded")


class DyingRepository(MongoAuditRepository):
    """Stores, and dies before it can say so, as often as it is told."""

    deaths = 2

    async def put(self, entries: Sequence[AuditEntry]) -> None:
        await super().put(entries)
        if self.deaths:
            self.deaths -= 1
            raise UnavailableError("killed")


class NoDirectory:
    async def find(self, *_: object, **__: object) -> Anything:
        raise NotFoundError


async def test_what_is_stored_and_not_acknowledged_comes_again_and_doubles_nothing(
    nats: NatsServer, store: StoreServer, register: EndpointRegister
) -> None:
    del register
    database = Store.open(store.url, database=fresh_database(), app_name="test")
    records = DyingRepository(database)
    await records.prepare()
    bus = await Bus.connect(
        url=nats.url_for("credential-manager"), service="credential-manager", replica="credential-manager-1"
    )
    await bus.ensure_stream(audit_stream(bus.subjects))
    log_bus = await Bus.connect(url=nats.url, service="tester", replica="tester-1")
    parts = AuditParts(
        records=records,
        endpoints=NoDirectory(),
        clock=SystemClock(),
        kept_for=timedelta(days=3650),
    )
    begun = [entry(number, second=number, status_code=0) for number in range(20)]
    ended = [entry(number, second=number) for number in range(20)]
    log = BusAuditLog(log_bus, replica="tester-1")
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(keep_audit(bus, AuditHandlers(parts)), name="keep")
        await log.store(begun, deadline_s=5.0)
        await log.store(ended, deadline_s=5.0)

        await _until_taken(nats)
        await bus.stop_consuming(within_s=5.0)
    found = await records.newest(Range(), limit=100)
    await log_bus.close()
    await bus.close()
    await database.close()

    assert records.deaths == 0
    assert found == ended[::-1]


async def _until_taken(nats: NatsServer) -> None:
    client = await nats_client.connect(nats.url)

    async def taken() -> bool:
        return (await client.jetstream().stream_info("AUDIT")).state.messages == 0

    try:
        await eventually(taken, what="all is acknowledged")
    finally:
        await client.close()
