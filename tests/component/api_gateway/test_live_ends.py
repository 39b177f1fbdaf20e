"""Streams of events when the gateway or the bus ends, in silence, and at their limits."""

import asyncio
from pathlib import Path

from libs.bus import Bus
from libs.contracts.api_keys import Scope
from tests.component.api_gateway.conftest import running_gateway
from tests.component.api_gateway.owners import Owners
from tests.component.api_gateway.teller import Teller
from tests.support.servers import NatsServer, running_nats
from tests.support.waiting import eventually

EVENTS = "/live/api/v1/events"


async def test_when_the_bus_restarts_the_stream_goes_on_where_it_was(tmp_path: Path) -> None:
    async with running_nats(tmp_path) as nats:
        bus = await Bus.connect(url=nats.url, service="owners", replica="owners-1")
        owners = Owners(bus)
        await owners.start()
        teller = Teller(bus)
        hurry = {"GROVE_API_GATEWAY_OWNER_TIMEOUT_S": "0.5"}
        async with (
            running_gateway(nats.url_for("api-gateway"), owners, hurry) as gateway,
            gateway.follow() as stream,
        ):
            await teller.control("before")
            before = await stream.endpoints(1)
            await nats.kill()
            await nats.start()

            async def told() -> bool:
                await teller.control("afterwards")
                return True

            await eventually(told, what="it can be told", deadline_s=20)
            block = await stream.next()
        await bus.close()

    assert before == ["before"]
    assert block is not None
    assert block.data is not None
    assert block.data["endpointId"] == "afterwards"


async def test_stopping_ends_streams_with_a_word(nats: NatsServer, owners: Owners) -> None:
    async with (
        running_gateway(nats.url_for("api-gateway"), owners, {}) as gateway,
        gateway.follow() as stream,
    ):
        gateway.process.stop("the test says so")
        end, eof = await stream.next(), await stream.next()

    assert end is not None
    assert (end.event, eof) == ("end", None)


async def test_silence_is_broken_by_heartbeats(nats: NatsServer, owners: Owners) -> None:
    hurry = {"GROVE_API_GATEWAY_LIVE_HEARTBEAT_S": "0.2"}
    async with running_gateway(nats.url_for("api-gateway"), owners, hurry) as gateway:
        request = (
            f"GET {EVENTS}?endpointId=nobody HTTP/1.1\r\nHost: x\r\n"
            "Authorization: Bearer grove_admin-key-of-the-tests\r\n\r\n"
        )
        reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
        try:
            writer.write(request.encode())
            async with asyncio.timeout(10):
                head = await reader.readuntil(b"\r\n\r\n")
                for _ in range(2):
                    await reader.readuntil(b": heartbeat\n")
        finally:
            writer.close()

    assert b"Content-Type: text/event-stream; charset=utf-8\r\n" in head
    assert b"Cache-Control: no-store\r\n" in head


async def test_streams_and_requests_of_a_key_are_limited(nats: NatsServer, owners: Owners) -> None:
    limits = {
        "GROVE_API_GATEWAY_LIVE_STREAMS_PER_KEY": "1",
        "GROVE_API_GATEWAY_KEY_REQUESTS_PER_S": "0.01",
        "GROVE_API_GATEWAY_KEY_BURST": "3",
    }
    owners.keys.add("other", Scope.READ)
    async with running_gateway(nats.url_for("api-gateway"), owners, limits) as gateway:
        async with gateway.follow():
            second = await gateway.call("GET", EVENTS)
        third = await gateway.call("GET", "/auth/api/v1/me")
        fourth = await gateway.call("GET", "/auth/api/v1/me")
        other = await gateway.call("GET", "/auth/api/v1/me", key="other")

    assert (second.status, second.headers["Retry-After"]) == (429, "5")
    assert second.message == "the API key has 1 streams open already, no more at a time"
    assert third.status == other.status == 200
    assert fourth.status == 429
    assert fourth.body == {"message": "the API key may make 0.01 requests a second"}
    assert 90 <= int(fourth.headers["Retry-After"]) <= 100
