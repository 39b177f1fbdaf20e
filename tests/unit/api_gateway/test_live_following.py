"""One open stream: everything once and in order, whatever the bus and the key do meanwhile."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import msgspec
import pytest

from libs.contracts.api_keys import ApiKey, Scope
from libs.contracts.errors import TooManyRequestsError, UnauthorizedError, UnavailableError
from libs.contracts.live import FollowEvents
from services.api_gateway.live.following import Pace
from services.api_gateway.live.log import EventLog
from services.api_gateway.live.mailbox import Mailbox
from services.api_gateway.live.places import Place, place_of
from services.api_gateway.live.streams import LiveLimits, LiveStreams
from tests.support.live_events import UPDATED, Block, FakeEvents, blocks_of
from tests.support.waiting import eventually

KEY = ApiKey(
    api_key_id="k",
    name="k",
    scope=Scope.READ,
    applications=None,
    created_date="",
    expiry_date=None,
    revoked=False,
)
SAMPLES = "endpoint.data-collection.data-samples-received"


class Reader:
    """Reads one stream, and holds its key."""

    def __init__(self) -> None:
        self.text = ""
        self.is_gone = False
        self.refusal: Exception | None = None
        self.reading = asyncio.Event()
        self.reading.set()

    async def write(self, piece: bytes) -> None:
        await self.reading.wait()
        self.text += piece.decode()

    async def check(self) -> None:
        if self.refusal is not None:
            raise self.refusal

    @property
    def told(self) -> list[Block]:
        return [block for block in blocks_of(self.text) if block.event]

    @property
    def endpoints(self) -> list[object]:
        return [block.data["endpointId"] for block in self.told if block.data and "endpointId" in block.data]

    @property
    def last(self) -> Place:
        return place_of([block.place for block in blocks_of(self.text) if block.place][-1])

    async def until(self, look: Callable[["Reader"], object], what: str) -> None:
        async def looked() -> object:
            return look(self)

        await eventually(looked, what=what, deadline_s=5)


class Bench:
    """Streams over a stand-in for the bus."""

    def __init__(self) -> None:
        self.events = FakeEvents()
        self.streams = LiveStreams(
            self.events,
            limits=LiveLimits(streams=3, per_key=2),
            pace=Pace(heartbeat_s=0.2, check_s=0.05),
        )

    def happen(self, endpoint_id: str, **more: str) -> int:
        sequence = self.events.happen(endpoint_id, **more)
        self.streams.on_control()
        return sequence

    @asynccontextmanager
    async def reading(
        self, last: Place | None = None, *, key: ApiKey = KEY, asked: FollowEvents | None = None
    ) -> AsyncIterator[Reader]:
        """Read for the time of the block; the stream has ended when it is left."""
        reader = Reader()
        with self.streams.opened(key, asked or FollowEvents(), check=reader.check) as follower:
            await follower.begin(last)
            async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
                running = tasks.create_task(
                    follower.run(reader.write, is_gone=lambda: reader.is_gone), name="stream"
                )
                yield reader
                follower.end("the test is over")
                await running


@pytest.fixture
def bench() -> Bench:
    return Bench()


async def test_what_happens_is_told_in_order_with_ids(bench: Bench) -> None:
    bench.happen("before")
    async with bench.reading() as reader:
        for name in ("a", "b", "c"):
            bench.happen(name)
        await reader.until(lambda it: len(it.endpoints) == 3, "all three")

    assert reader.endpoints == ["a", "b", "c"]
    assert [place_of(block.place).sequence for block in reader.told[:-1]] == [2, 3, 4]
    assert [block.event for block in reader.told] == [UPDATED, UPDATED, UPDATED, "end"]


async def test_an_event_that_nobody_announced_is_found_too(bench: Bench) -> None:
    async with bench.reading() as reader:
        bench.events.happen("unheard")
        bench.streams.on_cut()
        await reader.until(lambda it: it.endpoints, "it is told")

    assert reader.endpoints == ["unheard"]


async def test_an_event_that_is_heard_before_it_is_stored_is_told_soon(bench: Bench) -> None:
    async with bench.reading() as reader:
        bench.streams.on_control()
        await reader.until(lambda _: bench.events.reads, "it was looked for")
        bench.events.happen("late")
        await reader.until(lambda it: it.endpoints, "it is told")


async def test_who_comes_back_is_told_what_happened_meanwhile(bench: Bench) -> None:
    bench.happen("a")
    async with bench.reading() as reader:
        pass
    for name in ("b", "c"):
        bench.happen(name)

    async with bench.reading(reader.last) as again:
        await again.until(lambda it: len(it.endpoints) == 2, "both")

    assert again.endpoints == ["b", "c"]


async def test_a_filter_that_lets_nothing_through_still_moves_the_id(bench: Bench) -> None:
    async with bench.reading(asked=FollowEvents(endpoint_id=("other",))) as reader:
        for _ in range(200):
            bench.happen("a")
        await reader.until(lambda it: it.last.sequence == 200, "a heartbeat says how far")

    assert reader.endpoints == []


async def test_what_is_no_longer_kept_is_said_once(bench: Bench) -> None:
    for number in range(10):
        bench.happen(f"e{number}")
    bench.events.expire(until=8)
    start = Place(stream="EVENTS", created_ms=1_000, sequence=3)

    async with bench.reading(start) as reader:
        await reader.until(lambda it: len(it.endpoints) == 3, "the rest")

    assert next(blocks_of(reader.text)).place == ""  # no id before the gap is said
    gap = reader.told[0]
    assert (gap.event, gap.data and gap.data["missed"]) == ("gap", 4)
    assert place_of(gap.place).sequence == 7
    assert reader.endpoints == ["e7", "e8", "e9"]


async def test_what_expires_unread_is_said_as_well(bench: Bench) -> None:
    async with bench.reading() as reader:
        bench.events.happen("a")
        bench.events.happen("b")
        bench.events.expire(until=3)
        bench.streams.on_cut()
        await reader.until(lambda it: it.told, "a gap is told")
        bench.happen("c")
        await reader.until(lambda it: it.endpoints, "what follows is told")

    assert [block.event for block in reader.told] == ["gap", UPDATED, "end"]
    assert reader.told[0].data == {"message": "these events are no longer kept", "missed": 2}
    assert reader.endpoints == ["c"]


async def test_a_stream_that_is_made_anew_is_told_from_its_beginning(bench: Bench) -> None:
    for _ in range(5):
        bench.happen("old")
    async with bench.reading() as reader:
        bench.events.make_anew()
        bench.events.happen("new")
        bench.streams.on_cut()
        await reader.until(lambda it: it.endpoints, "the new one is told")

    assert [block.event for block in reader.told] == ["gap", UPDATED, "end"]
    assert reader.endpoints == ["new"]
    assert reader.last == Place(stream="EVENTS", created_ms=2_000, sequence=1)


async def test_while_the_bus_is_away_the_stream_lives_and_goes_on_afterwards(bench: Bench) -> None:
    async with bench.reading() as reader:
        bench.happen("a")
        await reader.until(lambda it: it.endpoints, "the first is told")
        bench.events.is_away = True
        bench.happen("b")
        bench.streams.on_cut()
        await reader.until(lambda it: ": heartbeat" in it.text, "it says that it lives")
        bench.events.is_away = False
        await reader.until(lambda it: len(it.endpoints) == 2, "the second is told")

    assert reader.endpoints == ["a", "b"]
    assert "gap" not in reader.text


async def test_a_key_that_is_no_longer_accepted_ends_its_stream(bench: Bench) -> None:
    async with bench.reading() as reader:
        reader.refusal = UnauthorizedError("the API key is not valid")
        await reader.until(lambda it: it.told, "the end is told")
        bench.happen("secret")

    assert [(block.event, block.data) for block in reader.told] == [
        ("end", {"message": "the API key is not valid"})
    ]


async def test_while_nobody_knows_the_key_nothing_is_told(bench: Bench) -> None:
    async with bench.reading() as reader:
        reader.refusal = UnavailableError()
        await reader.until(lambda it: ": heartbeat" in it.text, "a rest is over")
        bench.happen("a")
        beats = reader.text.count(": heartbeat")
        await reader.until(lambda it: it.text.count(": heartbeat") > beats + 1, "it still lives")
        assert reader.endpoints == []
        reader.refusal = None
        await reader.until(lambda it: it.endpoints, "what waited is told")


async def test_a_reader_that_is_gone_is_noticed_in_silence(bench: Bench) -> None:
    reader = Reader()
    with bench.streams.opened(KEY, FollowEvents(), check=reader.check) as follower:
        await follower.begin(None)
        reader.is_gone = True

        async with asyncio.timeout(5):
            with pytest.raises(ConnectionResetError):
                await follower.run(reader.write, is_gone=lambda: reader.is_gone)


async def test_data_events_that_do_not_fit_are_counted_and_told(bench: Bench) -> None:
    body = msgspec.msgpack.encode({"endpointId": "a", "appVersionName": "olives-v1", "filler": "x" * 1000})
    async with asyncio.TaskGroup() as tasks:
        hearing = tasks.create_task(bench.streams.hear_data(), name="data")
        async with bench.reading() as reader:
            await reader.until(lambda _: SAMPLES in bench.events.heard, "samples are heard")
            reader.reading.clear()
            for _ in range(3000):
                bench.events.heard[SAMPLES](body)
            reader.reading.set()
            await reader.until(lambda it: any(block.event == "lost" for block in it.told), "it is said")
            (lost,) = [block.data["count"] for block in reader.told if block.event == "lost" and block.data]
            assert isinstance(lost, int)
            await reader.until(lambda it: len(it.endpoints) + lost == 3000, "the others are told")
        await reader.until(lambda _: not bench.events.heard, "nobody hears data for nobody")
        hearing.cancel()

    assert len(reader.text) < 700_000
    assert all(not block.place for block in reader.told if block.event == SAMPLES)


async def test_only_data_that_somebody_wants_is_heard(bench: Bench) -> None:
    async with asyncio.TaskGroup() as tasks:
        hearing = tasks.create_task(bench.streams.hear_data(), name="data")
        async with (
            bench.reading(asked=FollowEvents(event_types=(UPDATED,))),
            bench.reading(asked=FollowEvents(event_types=(SAMPLES,))) as reader,
        ):
            await reader.until(lambda _: bench.events.heard, "samples are heard")
            assert list(bench.events.heard) == [SAMPLES]
        hearing.cancel()


async def test_streams_are_as_many_as_they_may(bench: Bench) -> None:
    other = msgspec.structs.replace(KEY, api_key_id="other")
    async with bench.reading(), bench.reading():
        with pytest.raises(TooManyRequestsError, match="the API key has 2 streams open already"):
            async with bench.reading():
                pass
        async with bench.reading(key=other):
            with pytest.raises(UnavailableError, match="there are 3 streams open already"):
                async with bench.reading(key=other):
                    pass
    async with bench.reading():
        pass


async def test_stopping_ends_all_and_lets_nobody_in(bench: Bench) -> None:
    async with bench.reading() as first, bench.reading() as second:
        bench.streams.stop()
        for reader in (first, second):
            await reader.until(lambda it: it.told, "the end is told")
            assert reader.told[0].event == "end"
        with pytest.raises(UnavailableError, match="stopping"):
            async with bench.reading():
                pass


async def test_each_event_is_read_once_for_all_who_want_it() -> None:
    events = FakeEvents()
    log = EventLog(events)
    for _ in range(50):
        events.happen("a")
    await log.extent()

    async def read_all() -> int:
        place = Place(stream="EVENTS", created_ms=1_000, sequence=0)
        while (entry := await log.behind(place)) is not None:
            place = Place(stream="EVENTS", created_ms=1_000, sequence=entry.sequence)
        return place.sequence

    assert await asyncio.gather(*(read_all() for _ in range(20))) == [50] * 20
    assert events.reads == 51


async def test_who_waits_for_a_read_that_is_given_up_reads_it_themselves() -> None:
    class Slow(FakeEvents):
        answer = asyncio.Event()

        async def kept(self, from_sequence: int) -> None:
            self.reads += 1
            await self.answer.wait()

    events = Slow()
    log = EventLog(events)
    await log.extent()
    place = Place(stream="EVENTS", created_ms=1_000, sequence=0)
    reads: list[Awaitable[object]] = []
    async with asyncio.timeout(5), asyncio.TaskGroup() as tasks:
        first = tasks.create_task(log.behind(place), name="first")
        await asyncio.sleep(0)
        reads.append(tasks.create_task(log.behind(place), name="second"))
        await asyncio.sleep(0)
        first.cancel()
        await asyncio.sleep(0)
        events.answer.set()

    assert events.reads == 2


async def test_a_log_remembers_no_more_than_it_may() -> None:
    events = FakeEvents()
    log = EventLog(events, max_bytes=100)
    for _ in range(10):
        events.happen("a")
    await log.extent()
    place = Place(stream="EVENTS", created_ms=1_000, sequence=0)
    for _ in range(2):
        for sequence in range(10):
            await log.behind(Place(stream="EVENTS", created_ms=1_000, sequence=sequence))

    assert events.reads > 10
    log.forget()
    with pytest.raises(UnavailableError):
        await log.behind(place)


def test_a_mailbox_gives_up_the_oldest() -> None:
    box = Mailbox(max_bytes=10, max_events=3)

    assert [box.put(piece) for piece in (b"1", b"22", b"333", b"4444")] == [0, 0, 0, 1]
    assert box.take(at_most=5) == (1, b"22333")
    assert box.take(at_most=1) == (0, b"4444")
    assert box.put(b"x" * 11) == 1
    assert box.take() == (1, b"")
    assert box.take() == (0, b"")
