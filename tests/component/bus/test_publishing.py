"""Announcing until stored, through lost acknowledgements, frozen and killed servers (rule 5)."""

import asyncio
import random
from pathlib import Path

import pytest

from libs.bus import Announced, Bus
from libs.contracts.errors import UnavailableError
from tests.component.bus.conftest import Connect
from tests.component.bus.messages import Happened, announce, stored, stream_of
from tests.component.bus.proxy import bad_proxy
from tests.support.servers import NatsServer, fresh_subject_root, running_nats
from tests.support.waiting import eventually


async def test_an_event_is_stored_and_its_place_told(bus: Bus) -> None:
    await bus.ensure_stream(stream_of(bus))

    first = await announce(bus, 1)
    again = await announce(bus, 1)
    second = await announce(bus, 2)

    assert (first.sequence, first.duplicate) == (1, False)
    assert (again.sequence, again.duplicate) == (1, True)
    assert (second.sequence, second.stream) == (2, bus.subjects.root.replace(".", "_"))


async def test_listeners_hear_announced_events_signed_by_their_replica(bus: Bus) -> None:
    heard: list[Happened] = []
    await bus.ensure_stream(stream_of(bus))
    await bus.listen(bus.subjects.events_of("thing", "test"), Happened, heard.append)

    await announce(bus, 7)
    await eventually(lambda: _truth(heard), what="heard")

    assert (heard[0].number, heard[0].originator_replica_id) == (7, "tester-1")
    assert heard[0].timestamp > 0


async def test_lost_acknowledgements_are_asked_for_again(connect: Connect, nats: NatsServer) -> None:
    async with bad_proxy(nats.url) as proxy:
        bus = await connect(url=proxy.url)
        await bus.ensure_stream(stream_of(bus))
        proxy.pubacks_to_lose = 12

        announced = await asyncio.gather(*(announce(bus, number) for number in range(10)))

        assert proxy.lost == 12
        assert sorted(place.sequence for place in announced) == list(range(1, 11))
        assert await stored(bus) == 10
        await bus.close()


async def test_no_stream_yet_is_waited_for(connect: Connect) -> None:
    bus, owner = await connect(), await connect()

    async with asyncio.TaskGroup() as tasks:
        early = tasks.create_task(announce(bus, 1))
        await asyncio.sleep(0.1)
        await owner.ensure_stream(stream_of(owner))

    assert early.result().sequence == 1


async def test_a_full_stream_is_503_in_the_end_and_stores_nothing(bus: Bus) -> None:
    await bus.ensure_stream(stream_of(bus, max_bytes=1000))

    results = await asyncio.gather(
        *(announce(bus, number, deadline_s=0.5) for number in range(20)), return_exceptions=True
    )

    places = [result for result in results if isinstance(result, Announced)]
    assert 0 < len(places) < 20
    assert all(isinstance(result, Announced | UnavailableError) for result in results)
    assert await stored(bus) == len(places)


@pytest.mark.chaos
@pytest.mark.parametrize(
    ("hurt", "away_s"),
    [
        pytest.param("kill", 0.3, id="killed"),
        pytest.param("pause", 3.0, id="frozen for 3 s"),
        pytest.param("pause", 10.0, id="frozen for 10 s", marks=pytest.mark.soak),
    ],
)
async def test_a_server_that_is_away_loses_and_doubles_nothing(
    tmp_path: Path, hurt: str, away_s: float
) -> None:
    async with running_nats(tmp_path) as nats:
        bus = await Bus.connect(url=nats.url, service="tester", replica="tester-1", root=fresh_subject_root())
        await bus.ensure_stream(stream_of(bus))
        await asyncio.gather(*(announce(bus, number) for number in range(100)))

        async with asyncio.TaskGroup() as tasks:
            for number in range(100, 300):
                tasks.create_task(_announce_some_time(bus, number))
            await asyncio.sleep(0.15)
            await (nats.kill() if hurt == "kill" else nats.pause())
            await asyncio.sleep(away_s)
            await (nats.start() if hurt == "kill" else nats.resume())

        assert await stored(bus) == 300
        await bus.close()


async def _announce_some_time(bus: Bus, number: int) -> None:
    await asyncio.sleep(random.uniform(0, 0.5))
    await announce(bus, number)


async def _truth(value: object) -> bool:
    return bool(value)
