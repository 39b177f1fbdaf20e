"""No change without a record: what the gateway does while the stream does not take any."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec
import nats as nats_client

from libs.bus import Bus
from libs.contracts.api_keys import Scope
from libs.contracts.audit import AuditBatch, AuditEntry, audit_subject
from libs.contracts.endpoints import DELETE_ENDPOINT
from libs.contracts.errors import ConflictError
from libs.contracts.streams import audit_stream
from tests.component.api_gateway.conftest import Gateway, running_gateway
from tests.component.api_gateway.owners import ADMIN, Owners
from tests.support.servers import NatsServer
from tests.support.waiting import eventually

ENDPOINT = "/epr/api/v1/endpoints/tree-17"


class Heard:
    """What is written down, in order."""

    def __init__(self) -> None:
        self.entries: list[AuditEntry] = []

    def __call__(self, body: bytes) -> None:
        self.entries += msgspec.msgpack.decode(body, type=AuditBatch).entries

    async def until(self, count: int) -> list[AuditEntry]:
        async def enough() -> bool:
            return len(self.entries) >= count

        await eventually(enough, what=f"{count} entries")
        return self.entries


@asynccontextmanager
async def hearing(nats: NatsServer) -> AsyncIterator[Heard]:
    bus = await Bus.connect(url=nats.url, service="tester", replica="tester-1")
    heard = Heard()
    await bus.hear(audit_subject(bus.subjects), heard)
    await bus.ping()
    yield heard
    await bus.close()


async def test_without_the_stream_nothing_is_changed_and_everything_can_be_read(
    nats: NatsServer, owners: Owners
) -> None:
    client = await nats_client.connect(nats.url)
    await client.jetstream().delete_stream("AUDIT")
    hurry = {"GROVE_API_GATEWAY_AUDIT_TIMEOUT_S": "0.3"}
    async with running_gateway(nats.url_for("api-gateway"), owners, hurry) as gateway:
        refused = await gateway.call("DELETE", ENDPOINT)
        read = await gateway.call("GET", ENDPOINT)
        asked = list(owners.asked)

        bus = await Bus.connect(url=nats.url, service="tester", replica="tester-2")
        await bus.ensure_stream(audit_stream(bus.subjects))
        await bus.close()

        async def is_made() -> bool:
            return (await gateway.call("DELETE", ENDPOINT)).status == 204

        await eventually(is_made, what="a change is made again")
    await client.close()

    assert (refused.status, refused.headers["Retry-After"]) == (503, "1")
    assert refused.message == "the change was not made: it cannot be recorded now"
    assert read.status == 200
    assert not [each for each in asked if isinstance(each, DELETE_ENDPOINT.request)]


async def test_a_change_is_written_down_with_its_outcome_and_a_refusal_too(
    nats: NatsServer, gateway: Gateway
) -> None:
    gateway.owners.keys.add("reader", Scope.READ)
    gateway.owners.fail(DELETE_ENDPOINT, ConflictError("it is needed"))
    async with hearing(nats) as heard:
        await gateway.call("DELETE", ENDPOINT, headers={"Correlation-ID": "c-1"})
        await heard.until(2)
        await gateway.call("DELETE", ENDPOINT, key="reader")
        await gateway.call("DELETE", ENDPOINT, key="nobody's")
        await gateway.call("PUT", f"{ENDPOINT}/metadata", data=b"{", headers={"Content-Type": "text/plain"})
        begun, ended, refused = await heard.until(3)

    assert (begun.status_code, ended.status_code, refused.status_code) == (0, 409, 403)
    assert begun.record_id == ended.record_id
    assert (begun.api_key_id, begun.endpoint_id, begun.correlation_id) == ("admin-key", "tree-17", "c-1")
    assert (begun.remote_address, refused.api_key_id) == ("127.0.0.1", "read-key")
    assert ADMIN not in str(heard.entries)


async def test_outcomes_are_written_down_before_the_gateway_ends(nats: NatsServer, owners: Owners) -> None:
    async with hearing(nats) as heard:
        async with running_gateway(nats.url_for("api-gateway"), owners, {}) as gateway:
            await asyncio.gather(*(gateway.call("DELETE", ENDPOINT) for _ in range(10)))
        entries = await heard.until(20)

    assert sorted(each.status_code for each in entries) == [0] * 10 + [204] * 10
