"""LookupCache over the bus: a revocation is felt whatever it races with (rule 17)."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from libs.bus import Bus, LookupCache
from tests.component.bus.messages import Answer, Happened, Question
from tests.support.servers import NatsServer, running_nats
from tests.support.waiting import eventually


class Owner:
    """Knows a number, tells when it changes, and can be made to hold an answer back."""

    def __init__(self, bus: Bus) -> None:
        self.number = 0
        self.read = asyncio.Event()
        self.release = asyncio.Event()
        self.release.set()
        self._bus = bus

    async def start(self) -> None:
        subject = self._bus.subjects.service("owner", "test", "Question")
        await self._bus.serve(subject, Question, self.on_question, queue="owner")

    async def on_question(self, _question: Question) -> Answer:
        answer = Answer(number=self.number)
        self.read.set()
        await self.release.wait()
        return answer

    async def tell(self) -> None:
        subject = self._bus.subjects.event("owner", "thing", "test", "changed")
        await self._bus.broadcast(subject, Happened(number=self.number))


class Reader:
    """Remembers the number, and forgets it when told."""

    def __init__(self, bus: Bus) -> None:
        self.heard = 0
        self.bus = bus
        self.cache: LookupCache[str, int] = LookupCache(self.load, max_entries=10)

    async def start(self) -> None:
        self.bus.on_cut(self.cache.clear)
        await self.bus.listen(self.bus.subjects.events_of("thing", "test"), Happened, self.on_changed)

    async def load(self, _key: str) -> int:
        subject = self.bus.subjects.service("owner", "test", "Question")
        return (await self.bus.request(subject, Question(number=0), Answer)).number

    def on_changed(self, event: Happened) -> None:
        self.cache.invalidate("key")
        self.heard = event.number

    async def has_heard(self, number: int) -> bool:
        return self.heard == number


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[NatsServer]:
    async with running_nats(tmp_path) as nats:
        yield nats


@pytest.fixture
async def owner(server: NatsServer) -> AsyncIterator[Owner]:
    bus = await Bus.connect(url=server.url, service="owner", replica="owner-1")
    owner = Owner(bus)
    await owner.start()
    yield owner
    await bus.close()


@pytest.fixture
async def reader(server: NatsServer) -> AsyncIterator[Reader]:
    bus = await Bus.connect(url=server.url, service="reader", replica="reader-1")
    reader = Reader(bus)
    await reader.start()
    yield reader
    await bus.close()


async def test_an_answer_held_back_across_a_change_is_not_believed(owner: Owner, reader: Reader) -> None:
    for number in range(1, 101):
        owner.read.clear()
        owner.release.clear()
        async with asyncio.TaskGroup() as tasks:
            got = tasks.create_task(reader.cache.get("key"))
            await owner.read.wait()
            owner.number = number
            await owner.tell()
            await eventually(lambda number=number: reader.has_heard(number), what="heard")  # type: ignore[misc]  # mypy cannot infer the default
            owner.release.set()
        assert got.result() == number
        reader.cache.clear()


async def test_an_event_that_overtakes_the_answer_on_the_wire_wins(owner: Owner, reader: Reader) -> None:
    for number in range(1, 301):
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(reader.cache.get("key"))
            owner.number = number
            tasks.create_task(owner.tell())
        await reader.bus.ping()
        await eventually(lambda number=number: reader.has_heard(number), what="heard")  # type: ignore[misc]  # mypy cannot infer the default
        assert await reader.cache.get("key") == number


@pytest.mark.chaos
async def test_a_change_during_a_cut_is_felt_by_the_first_lookup_after_it(
    server: NatsServer, owner: Owner, reader: Reader
) -> None:
    for number in range(1, 4):
        assert await reader.cache.get("key") == owner.number
        await server.kill()
        owner.number = number
        await server.start()

        async with asyncio.timeout(10):
            assert await reader.cache.get("key") == number
