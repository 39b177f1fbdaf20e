"""Events over REST, on a real bus: nothing missed, nothing shown that must not be, the slow cost nothing."""

import asyncio
import random
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from libs.bus import Bus
from libs.contracts.api_keys import Scope
from tests.component.api_gateway.conftest import Gateway
from tests.component.api_gateway.teller import Teller
from tests.support.servers import NatsServer
from tests.support.waiting import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")

EVENTS = "/live/api/v1/events"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def teller(nats: NatsServer) -> AsyncIterator[Teller]:
    bus = await Bus.connect(url=nats.url, service="teller", replica="teller-1")
    yield Teller(bus)
    await bus.close()


@pytest.mark.parametrize(
    "events", [100, pytest.param(1_000, marks=pytest.mark.soak)], ids=lambda events: f"{events} events"
)
async def test_a_reader_that_is_cut_off_and_returns_misses_nothing(
    shared_gateway: Gateway, teller: Teller, soak_seed: int, events: int
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

    async with asyncio.timeout(50), asyncio.TaskGroup() as tasks:
        tasks.create_task(tell(), name="tell")
        comings = 0
        while len(read) < len(names):
            comings += 1
            async with shared_gateway.follow("?type=endpoint.metadata.updated", last=last) as stream:
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
    shared_gateway: Gateway, teller: Teller
) -> None:
    shared_gateway.owners.keys.add("figs-only", Scope.READ, applications=("figs",))
    async with shared_gateway.follow(key="figs-only") as stream:
        start = stream.last
        await teller.control("an-olive")
        await teller.samples("an-olive", b"1")
        await teller.connected({"an-olive": "olives-v1", "a-fig": "figs-v2"})
        await teller.samples("a-fig", b"2", version="figs-v2")
        await teller.control("a-fig", "figs-v2")
        seen = [await stream.next() for _ in range(3)]
    async with shared_gateway.follow(key="figs-only", last=start) as stream:
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


async def test_data_events_are_live_and_have_no_id(shared_gateway: Gateway, teller: Teller) -> None:
    async with shared_gateway.follow("?endpointId=tree,bush") as stream:
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


async def test_data_events_are_heard_only_while_somebody_follows_them(
    shared_gateway: Gateway, teller: Teller
) -> None:
    async with shared_gateway.follow("?type=endpoint.data-collection.data-samples-received"):
        followed = await teller.tell_samples("tree", 3)

    async def unheard() -> bool:
        return await teller.tell_samples("tree", 3) == 1

    await eventually(unheard, what="nobody hears data events")
    async with shared_gateway.follow("?type=endpoint.metadata.updated"):
        assert await unheard()
    assert followed == 3


async def test_a_revoked_key_is_told_the_end_within_seconds(shared_gateway: Gateway) -> None:
    shared_gateway.owners.keys.add("leaked", Scope.READ)
    async with shared_gateway.follow(key="leaked") as stream, asyncio.timeout(4):
        await shared_gateway.owners.keys.revoke("leaked")
        end, eof = await stream.next(), await stream.next()

    assert end is not None
    assert (end.event, end.data, eof) == ("end", {"message": "the API key is not valid"}, None)


async def test_a_key_that_expires_is_told_the_end_within_seconds(shared_gateway: Gateway) -> None:
    keys = shared_gateway.owners.keys
    keys.add("short-lived", Scope.READ, expiry_date=keys.in_seconds(1.0))
    async with shared_gateway.follow(key="short-lived") as stream, asyncio.timeout(5):
        end = await stream.next()

    assert end is not None
    assert end.data == {"message": "the API key has expired"}


async def test_a_reader_that_does_not_read_costs_no_memory(shared_gateway: Gateway, teller: Teller) -> None:
    sample = b'"' + b"x" * 8_000 + b'"'
    told, read, lost = 2_000, 0, 0
    async with shared_gateway.follow("?endpointId=tree,last") as stream:
        for number in range(told):
            await teller.samples("tree", sample)
            if number % 100 == 0:
                await teller.flushed()
        await shared_gateway.call("GET", "/auth/api/v1/me")

        async def heard() -> bool:
            return f"grove_api_live_lost_total {float(0)}" not in await shared_gateway.metrics()

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


async def test_filters_that_cannot_be_are_named(shared_gateway: Gateway) -> None:
    answer = await shared_gateway.call(
        "GET",
        f"{EVENTS}?type=endpoint.metadata.updated,updated&endpointId=a/b",
        headers={"Last-Event-ID": "7"},
    )
    typed = await shared_gateway.call("GET", f"{EVENTS}?endpointId=a/b", headers={"Last-Event-ID": "7"})

    assert answer.status == typed.status == 400
    assert answer.problems["query.type"].startswith("must be one of api-key.status.revoked, endpoint")
    assert "endpoint.data-collection.data-points-received" in answer.problems["query.type"]
    assert typed.problems.keys() == {"query.endpointId", "header.Last-Event-ID"}
