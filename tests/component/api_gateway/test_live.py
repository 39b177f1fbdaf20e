"""Events over REST, on a real bus: nothing missed, nothing shown that must not be, the slow cost nothing."""

import asyncio
import random
import time
from collections.abc import AsyncIterator
from itertools import count
from pathlib import Path

import pytest

from libs.bus import Bus
from libs.contracts.api_keys import Scope
from libs.contracts.connectivity import CONNECTED, ConnectedEvent
from libs.contracts.data_events import (
    DATA_POINTS_RECEIVED,
    DATA_SAMPLES_RECEIVED,
    DataPoint,
    DataSamplesEvent,
    TimeSeriesEvent,
)
from libs.contracts.lifecycle import METADATA_UPDATED, MetadataUpdatedEvent
from tests.component.api_gateway.conftest import Gateway, running_gateway
from tests.component.api_gateway.owners import Owners
from tests.support.servers import NatsServer, running_nats
from tests.support.waiting import eventually

EVENTS = "/live/api/v1/events"


class Teller:
    """Tells events as their services do."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._numbers = count()
        self._run = time.monotonic_ns()

    async def control(self, endpoint_id: str, version: str = "olives-v1") -> None:
        event = MetadataUpdatedEvent(endpoint_id=endpoint_id, app_version_name=version)
        await self._announce(METADATA_UPDATED.subject(self._bus.subjects), event)

    async def connected(self, endpoints: dict[str, str]) -> None:
        event = ConnectedEvent(endpoints=endpoints, run_id="run")
        await self._announce(CONNECTED.subject(self._bus.subjects), event)

    async def samples(self, endpoint_id: str, *samples: bytes, version: str = "olives-v1") -> None:
        event = DataSamplesEvent(
            endpoint_id=endpoint_id, app_version_name=version, data_samples=list(samples)
        )
        await self._bus.broadcast(DATA_SAMPLES_RECEIVED.subject(self._bus.subjects), event)

    async def point(self, endpoint_id: str, series: str, value: float) -> None:
        event = TimeSeriesEvent(
            endpoint_id=endpoint_id,
            app_version_name="olives-v1",
            time_series_name=series,
            data_points=[DataPoint(timestamp=1, values={"value": value})],
        )
        await self._bus.broadcast(DATA_POINTS_RECEIVED.subject(self._bus.subjects, series), event)

    async def flushed(self) -> None:
        """Wait until the bus has it all."""
        await self._bus.ping()

    async def _announce(self, subject: str, event: MetadataUpdatedEvent | ConnectedEvent) -> None:
        await self._bus.announce(subject, event, msg_id=f"{self._run}-{next(self._numbers)}")


@pytest.fixture
async def teller(nats: NatsServer) -> AsyncIterator[Teller]:
    bus = await Bus.connect(url=nats.url, service="teller", replica="teller-1")
    yield Teller(bus)
    await bus.close()


@pytest.mark.parametrize(
    "events", [100, pytest.param(1_000, marks=pytest.mark.soak)], ids=lambda events: f"{events} events"
)
async def test_a_reader_that_is_cut_off_and_returns_misses_nothing(
    gateway: Gateway, teller: Teller, soak_seed: int, events: int
) -> None:
    chance = random.Random(soak_seed)
    names = [f"once-{number}" for number in range(events)]
    read: list[object] = []
    last: str | None = None
    began = asyncio.Event()

    async def tell() -> None:
        await began.wait()
        for start in range(0, len(names), 20):
            async with asyncio.TaskGroup() as tasks:
                for name in names[start : start + 20]:
                    tasks.create_task(teller.control(name), name=name)

    async with asyncio.timeout(30), asyncio.TaskGroup() as tasks:
        tasks.create_task(tell(), name="tell")
        comings = 0
        while len(read) < len(names):
            comings += 1
            async with gateway.follow("?type=endpoint.metadata.updated", last=last) as stream:
                for _ in range(min(chance.randint(1, events // 5), len(names) - len(read))):
                    if not began.is_set():
                        began.set()
                    block = await stream.next()
                    assert block is not None
                    assert block.event == "endpoint.metadata.updated"
                    assert block.data is not None
                    read.append(block.data["endpointId"])
                last = stream.last

    assert comings > 3
    assert len(set(read)) == len(read)
    assert set(read) == set(names)


async def test_a_limited_key_is_told_of_its_applications_live_and_on_return(
    gateway: Gateway, teller: Teller
) -> None:
    gateway.owners.keys.add("figs-only", Scope.READ, applications=("figs",))
    async with gateway.follow(key="figs-only") as stream:
        start = stream.last
        await teller.control("an-olive")
        await teller.samples("an-olive", b"1")
        await teller.connected({"an-olive": "olives-v1", "a-fig": "figs-v2"})
        await teller.samples("a-fig", b"2", version="figs-v2")
        await teller.control("a-fig", "figs-v2")
        seen = [await stream.next() for _ in range(3)]
    async with gateway.follow(key="figs-only", last=start) as stream:
        again = [await stream.next() for _ in range(2)]

    assert "olive" not in repr(seen + again)
    assert {block.event for block in seen if block} == {
        "endpoint.connectivity.connected",
        "endpoint.metadata.updated",
        "endpoint.data-collection.data-samples-received",
    }
    assert [block.event for block in again if block] == [
        "endpoint.connectivity.connected",
        "endpoint.metadata.updated",
    ]


async def test_data_events_are_live_and_have_no_id(gateway: Gateway, teller: Teller) -> None:
    async with gateway.follow("?endpointId=tree,bush") as stream:
        await teller.samples("weed", b"0")
        await teller.samples("tree", b'{"temperature": 21.5}')
        await teller.point("bush", "air.temp", 3.5)
        samples, points = await stream.next(), await stream.next()

    assert samples is not None
    assert points is not None
    assert (samples.place, points.place) == ("", "")
    assert samples.data is not None
    assert samples.data["dataSamples"] == [{"temperature": 21.5}]
    assert points.event == "endpoint.data-collection.data-points-received"
    assert points.data is not None
    assert points.data["timeSeriesName"] == "air.temp"


async def test_a_revoked_key_is_told_the_end_within_seconds(gateway: Gateway) -> None:
    gateway.owners.keys.add("leaked", Scope.READ)
    async with gateway.follow(key="leaked") as stream, asyncio.timeout(4):
        await gateway.owners.keys.revoke("leaked")
        end, eof = await stream.next(), await stream.next()

    assert end is not None
    assert (end.event, end.data, eof) == ("end", {"message": "the API key is not valid"}, None)


async def test_a_key_that_expires_is_told_the_end_within_seconds(gateway: Gateway) -> None:
    keys = gateway.owners.keys
    keys.add("short-lived", Scope.READ, expiry_date=keys.in_seconds(1.0))
    async with gateway.follow(key="short-lived") as stream, asyncio.timeout(5):
        end = await stream.next()

    assert end is not None
    assert end.data == {"message": "the API key has expired"}


async def test_a_reader_that_does_not_read_costs_no_memory(gateway: Gateway, teller: Teller) -> None:
    sample = b'"' + b"x" * 8_000 + b'"'
    told, read, lost = 2_000, 0, 0
    async with gateway.follow("?endpointId=tree,last") as stream:
        for number in range(told):
            await teller.samples("tree", sample)
            if number % 100 == 0:
                await teller.flushed()
        await gateway.call("GET", "/auth/api/v1/me")

        async def heard() -> bool:
            return f"grove_api_live_lost_total {float(0)}" not in await gateway.metrics()

        await eventually(heard, what="some were lost")
        await teller.samples("last", b"1")
        while (block := await stream.next()) is not None and block.data is not None:
            if block.event == "lost":
                assert isinstance(block.data["count"], int)
                lost += block.data["count"]
            elif block.data["endpointId"] == "last":
                break
            else:
                read += 1

    assert read + lost == told
    assert read < told / 2  # what two sockets and the mailbox hold, of 16 MB


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


async def test_filters_that_cannot_be_are_named(gateway: Gateway) -> None:
    answer = await gateway.call(
        "GET",
        f"{EVENTS}?type=endpoint.metadata.updated,updated&endpointId=a/b",
        headers={"Last-Event-ID": "7"},
    )
    typed = await gateway.call("GET", f"{EVENTS}?endpointId=a/b", headers={"Last-Event-ID": "7"})

    assert answer.status == typed.status == 400
    assert answer.problems["query.type"].startswith("must be one of api-key.status.revoked, endpoint.")
    assert "endpoint.data-collection.data-points-received" in answer.problems["query.type"]
    assert typed.problems.keys() == {"query.endpointId", "header.Last-Event-ID"}


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
