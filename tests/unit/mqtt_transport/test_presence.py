"""Presence: what is announced, in which order, and what a failing bus does to it."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager

from libs.contracts.connectivity import MAX_ENDPOINTS
from libs.contracts.ecap import EndpointTokenRevokedEvent
from libs.contracts.errors import UnavailableError
from services.mqtt_transport.domain.bindings import Binding, Bindings, Ending
from services.mqtt_transport.usecases.presence import Presence
from tests.support.waiting import eventually


class Stream:
    """Where presence is told: remembers all of it, and refuses while it is away."""

    def __init__(self) -> None:
        self.told: list[tuple[str, dict[str, str]]] = []
        self.away = False
        self.refused = 0
        self.hold = asyncio.Event()
        self.hold.set()
        self.meanwhile: Callable[[], None] = lambda: None
        self.alive_reports: list[tuple[int, bool]] = []
        self.wants_restating = False

    async def connected(self, endpoints: Mapping[str, str]) -> str:
        await self._tell("connected", endpoints)
        await self.hold.wait()
        return f"g{len(self.told)}"

    async def restated(self, endpoints: Mapping[str, str], generations: Mapping[str, str]) -> None:
        assert endpoints.keys() == generations.keys()
        await self._tell("restated", generations)

    async def disconnected(self, endings: Sequence[Ending]) -> None:
        await self._tell("disconnected", {each.endpoint_id: each.generation for each in endings})

    async def alive(self, *, bindings: int, leaving: bool = False) -> bool:
        if self.away:
            raise UnavailableError
        self.alive_reports.append((bindings, leaving))
        wanted, self.wants_restating = self.wants_restating, False
        return wanted

    async def _tell(self, what: str, about: Mapping[str, str]) -> None:
        await asyncio.sleep(0)
        if self.away:
            self.refused += 1
            raise UnavailableError
        self.told.append((what, dict(about)))
        self.meanwhile()


def spoken(connection: int, endpoint: str = "ep", version: str = "grove-v1") -> Binding:
    return Binding(endpoint_id=endpoint, connection=connection, app_version=version, token="t", token_id="i")


def make(stream: Stream, *, alive_every_s: float = 60.0) -> Presence:
    bindings = Bindings(max_per_connection=100_000, max_endings=100_000)
    return Presence(bindings, stream, alive_every_s=alive_every_s)


@asynccontextmanager
async def running(presence: Presence) -> AsyncIterator[None]:
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(presence.run()), group.create_task(presence.say_alive())]
        yield
        for task in tasks:
            task.cancel()


async def told(stream: Stream, count: int) -> None:
    async def enough() -> bool:
        return len(stream.told) >= count

    await eventually(enough, what=f"{count} messages were told")


async def refused(stream: Stream) -> None:
    async def tried() -> bool:
        return stream.refused > 0

    await eventually(tried, what="it was tried in vain")


async def test_connected_then_disconnected_with_the_generation_of_the_announcement() -> None:
    stream = Stream()
    presence = make(stream)

    async with running(presence):
        presence.heard(spoken(1))
        await told(stream, 1)
        presence.closed(1)
        await told(stream, 2)

    assert stream.told == [("connected", {"ep": "grove-v1"}), ("disconnected", {"ep": "g1"})]


async def test_many_endpoints_share_a_message() -> None:
    stream = Stream()
    presence = make(stream)
    for number in range(MAX_ENDPOINTS + 1):
        presence.heard(spoken(number, f"ep{number}"))

    await presence.tell()

    assert [len(about) for _, about in stream.told] == [MAX_ENDPOINTS, 1]


async def test_what_the_stream_did_not_take_is_told_later() -> None:
    stream = Stream()
    presence = make(stream)
    stream.away = True

    async with running(presence):
        presence.heard(spoken(1))
        presence.heard(spoken(2, "other"))
        await refused(stream)
        presence.closed(2)
        stream.away = False
        await told(stream, 1)

    assert stream.told == [("connected", {"ep": "grove-v1"})]


async def test_ends_that_the_stream_did_not_take_are_told_later() -> None:
    stream = Stream()
    presence = make(stream)
    presence.heard(spoken(1))
    await presence.tell()
    stream.away = True

    async with running(presence):
        presence.closed(1)
        await refused(stream)
        stream.away = False
        await told(stream, 2)

    assert stream.told[1] == ("disconnected", {"ep": "g1"})


async def test_after_a_cut_all_bindings_are_said_again_with_the_generations_they_have() -> None:
    stream = Stream()
    presence = make(stream)
    presence.heard(spoken(1))
    await presence.tell()

    presence.cut()
    await presence.tell()

    assert stream.told[1:] == [("restated", {"ep": "g1"})]


async def test_after_a_cut_whoever_speaks_is_announced_anew() -> None:
    stream = Stream()
    presence = make(stream)
    presence.heard(spoken(1))
    await presence.tell()
    presence.cut()
    await presence.tell()

    presence.heard(spoken(1, version="grove-v1"))
    binding = await presence.binding("ep", within_s=0.0)

    assert binding is not None
    assert binding.contested


async def test_a_register_that_gave_this_replica_up_gets_everything_again() -> None:
    stream = Stream()
    presence = make(stream, alive_every_s=0.01)
    presence.heard(spoken(1))
    await presence.tell()
    stream.wants_restating = True

    async with running(presence):
        await told(stream, 2)

    assert stream.told[1] == ("restated", {"ep": "g1"})


async def test_what_ends_while_all_is_said_again_is_not_said_after_its_end() -> None:
    stream = Stream()
    presence = make(stream)
    for number in range(MAX_ENDPOINTS + 1):
        presence.heard(spoken(number, f"ep{number}"))
    await presence.tell()
    stream.told.clear()

    stream.meanwhile = lambda: presence.closed(MAX_ENDPOINTS)
    presence.cut()
    await presence.tell()

    restated = [name for what, about in stream.told if what == "restated" for name in about]
    assert f"ep{MAX_ENDPOINTS}" not in restated
    assert ("disconnected", {f"ep{MAX_ENDPOINTS}": "g2"}) in stream.told


async def test_a_binding_is_waited_for_while_its_announcement_is_on_its_way() -> None:
    stream = Stream()
    stream.hold.clear()
    presence = make(stream)

    async with running(presence):
        presence.heard(spoken(1))
        asking = asyncio.get_running_loop().create_task(presence.binding("ep", within_s=5.0))
        await told(stream, 1)
        stream.hold.set()
        binding = await asking

    assert binding is not None
    assert binding.generation == "g1"


async def test_nobody_waits_for_an_endpoint_that_is_not_here() -> None:
    presence = make(Stream())

    async with asyncio.timeout(1.0):
        assert await presence.binding("ep", within_s=30.0) is None


async def test_a_revoked_token_is_a_disconnect() -> None:
    stream = Stream()
    presence = make(stream)
    presence.heard(spoken(1))
    await presence.tell()

    presence.revoked(EndpointTokenRevokedEvent(app_name="grove", endpoint_id="ep", token_ids=("i",)))
    await presence.tell()

    assert stream.told[1] == ("disconnected", {"ep": "g1"})


async def test_stopping_tells_what_waits_and_says_goodbye() -> None:
    stream = Stream()
    presence = make(stream)
    presence.heard(spoken(1))
    await presence.tell()
    presence.closed(1)

    await presence.stop()

    assert stream.told[1:] == [("disconnected", {"ep": "g1"})]
    assert stream.alive_reports == [(0, True)]


async def test_stopping_without_a_bus_ends() -> None:
    stream = Stream()
    presence = make(stream)
    presence.heard(spoken(1))
    stream.away = True

    async with asyncio.timeout(1.0):
        await presence.stop()

    assert stream.told == []
