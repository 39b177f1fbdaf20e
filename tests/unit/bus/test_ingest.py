"""Telemetry gathered into batches: at once when idle, in full ones when busy, and told of as a whole."""

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import msgspec
import pytest

from libs.bus.codec import MAX_MESSAGE_BYTES
from libs.bus.ingest import MAX_IN_FLIGHT, Ingest
from libs.bus.publishing import Announced
from libs.contracts.errors import GroveError, UnavailableError
from libs.contracts.ids import MAX_NAME_LENGTH
from libs.contracts.ingest import MAX_BATCH_BYTES, MAX_BATCH_SAMPLES, MAX_MESSAGES, IngestBatch, IngestMessage
from libs.contracts.subjects import Subjects
from tests.support.waiting import eventually

RUN = 0xFEED


class Stream:
    """INGEST as the transport meets it; stores only while it is open."""

    def __init__(self) -> None:
        self.subjects = Subjects()
        self.published: list[IngestBatch] = []
        self.ids: list[str] = []
        self.waited_when_full: set[bool] = set()
        self.open = asyncio.Event()
        self.open.set()
        self.refuses: Exception | None = None

    async def store(
        self, subject: str, body: bytes, *, msg_id: str, deadline_s: float, wait_when_full: bool = False
    ) -> Announced:
        assert subject == "grove.v1.ingest.dcx"
        self.published.append(msgspec.msgpack.decode(body, type=IngestBatch))
        self.ids.append(msg_id)
        self.waited_when_full.add(wait_when_full)
        await self.open.wait()
        if self.refuses is not None:
            raise self.refuses
        return Announced("INGEST", len(self.published), duplicate=False)


class Devices:
    """Whoever handed messages in."""

    def __init__(self) -> None:
        self.sent_batches: list[int] = []
        self.told: list[tuple[int, list[Any]]] = []
        self.failures: list[tuple[list[Any], int]] = []

    def sent(self, counter: int, tickets: Sequence[Any]) -> None:
        assert tickets
        self.sent_batches.append(counter)

    def stored(self, counter: int, tickets: Sequence[Any]) -> None:
        self.told.append((counter, list(tickets)))

    def failed(self, counter: int, tickets: Sequence[Any], error: GroveError) -> None:
        self.failures.append((list(tickets), error.status_code))

    def has_heard_of(self, batches: int) -> bool:
        return len(self.told) == batches

    @property
    def stored_tickets(self) -> list[Any]:
        return [ticket for _, tickets in self.told for ticket in tickets]


class Path:
    """An ingest path with both its ends."""

    def __init__(self, *, wait_when_full: bool = True) -> None:
        self.stream = Stream()
        self.devices = Devices()
        self.disk_has_room = True
        self.disk_was_looked_at = False
        self.ingest = Ingest(
            self.stream,
            run_id=RUN,
            owners=self.devices,
            wait_when_full=wait_when_full,
            has_room=self.has_room,
        )

    def has_room(self) -> bool:
        self.disk_was_looked_at = True
        return self.disk_has_room

    def put(
        self, ticket: object, *, payload: bytes = b"1", samples: int = 1, resource: str = "/json"
    ) -> None:
        message = IngestMessage("ep", "grove-v1", resource, payload, 1)
        self.ingest.put(message, ticket, samples=samples)

    async def until(self, holds: Callable[[], bool], what: str) -> None:
        async def look() -> bool:
            return holds()

        await eventually(look, what=what, deadline_s=5)


@pytest.fixture
async def path() -> Path:
    return Path()


async def test_an_idle_path_publishes_at_once(path: Path) -> None:
    path.put("a")
    path.put("b")

    await path.until(lambda: path.devices.stored_tickets == ["a", "b"], "both are stored")

    (batch,) = path.stream.published
    assert (batch.run_id, batch.counter, len(batch.messages)) == (RUN, 1, 2)
    assert path.stream.ids == ["000000000000feed-1"]
    assert path.stream.waited_when_full == {True}


async def test_while_a_batch_is_on_its_way_the_next_one_fills(path: Path) -> None:
    path.stream.open.clear()
    path.put(0)
    await path.until(lambda: len(path.stream.published) == 1, "the first is on its way")

    for number in range(1, 100):
        path.put(number)
        await asyncio.sleep(0)
    on_their_way = len(path.stream.published)
    path.stream.open.set()
    await path.until(lambda: len(path.devices.stored_tickets) == 100, "all are stored")

    assert on_their_way == 1
    assert [len(batch.messages) for batch in path.stream.published] == [1, 99]


async def test_full_batches_go_out_beside_each_other_and_no_more_than_so_many(path: Path) -> None:
    path.stream.open.clear()
    count = MAX_MESSAGES * (MAX_IN_FLIGHT + 2)

    for number in range(count):
        path.put(number)
    await path.until(lambda: len(path.stream.published) == MAX_IN_FLIGHT, "as many as may be")
    path.stream.open.set()
    await path.until(lambda: len(path.devices.stored_tickets) == count, "all are stored")

    assert sorted(path.devices.stored_tickets) == list(range(count))
    assert {len(batch.messages) for batch in path.stream.published} == {MAX_MESSAGES}


@pytest.mark.parametrize(
    ("size", "samples", "expected"),
    [
        pytest.param(MAX_BATCH_BYTES // 2 - 20, 1, 2, id="bytes"),
        pytest.param(1, MAX_BATCH_SAMPLES // 2, 2, id="samples"),
        pytest.param(MAX_BATCH_BYTES, MAX_BATCH_SAMPLES, 1, id="one message fills it"),
    ],
)
async def test_a_batch_ends_at_its_limits(path: Path, size: int, samples: int, expected: int) -> None:
    for number in range(4):
        path.put(number, payload=b"x" * size, samples=samples)

    await path.until(lambda: len(path.devices.stored_tickets) == 4, "all are stored")

    assert max(len(batch.messages) for batch in path.stream.published) == expected


async def test_a_batch_of_long_resources_fits_into_a_message_of_the_bus(path: Path) -> None:
    longest = "/json" + ("/" + "\N{HERB}" * MAX_NAME_LENGTH) * 27

    for number in range(MAX_MESSAGES):
        path.put(number, resource=longest)
    await path.until(lambda: len(path.devices.stored_tickets) == MAX_MESSAGES, "all are stored")

    assert max(len(msgspec.msgpack.encode(batch)) for batch in path.stream.published) <= MAX_MESSAGE_BYTES


async def test_numbers_are_never_used_twice_and_tickets_keep_their_positions(path: Path) -> None:
    for round_ in range(5):
        for number in range(3):
            path.put((round_, number))
        await path.until(partial(path.devices.has_heard_of, round_ + 1), "a batch is stored")

    assert [counter for counter, _ in path.devices.told] == [1, 2, 3, 4, 5]
    assert path.devices.told[3][1] == [(3, 0), (3, 1), (3, 2)]
    assert path.devices.sent_batches == [1, 2, 3, 4, 5]


@pytest.mark.parametrize(
    ("error", "status"),
    [(UnavailableError(), 503), (ValueError("secret"), 500)],
    ids=["unavailable", "our fault"],
)
async def test_a_batch_that_is_not_stored_fails_as_a_whole_and_the_next_one_goes_on(
    path: Path, error: Exception, status: int
) -> None:
    path.stream.refuses = error
    path.put("lost")
    await path.until(lambda: bool(path.devices.failures), "it failed")
    path.stream.refuses = None
    path.put("kept")

    await path.until(lambda: path.devices.stored_tickets == ["kept"], "the next is stored")

    assert path.devices.failures == [(["lost"], status)]


async def test_stopping_publishes_what_was_gathered(path: Path) -> None:
    path.put("a")

    await path.ingest.stop(within_s=5.0)

    assert path.devices.stored_tickets == ["a"]


async def test_stopping_gives_up_in_time_and_says_so(path: Path) -> None:
    path.stream.open.clear()
    path.put("a")

    async with asyncio.timeout(2.0):
        await path.ingest.stop(within_s=0.05)

    assert path.devices.failures == [(["a"], 503)]


async def test_while_the_disk_has_no_room_messages_of_paused_devices_wait(path: Path) -> None:
    path.disk_has_room = False
    path.put("a")
    await path.until(lambda: path.disk_was_looked_at, "the disk was looked at")
    published_early = list(path.stream.published)
    path.disk_has_room = True

    await path.until(lambda: path.devices.stored_tickets == ["a"], "it is stored")
    assert published_early == []


async def test_while_the_disk_has_no_room_messages_of_others_fail_at_once() -> None:
    path = Path(wait_when_full=False)
    path.disk_has_room = False
    path.put("a")

    await path.until(lambda: path.devices.failures == [(["a"], 503)], "it is refused")
    assert path.stream.published == []


async def test_whoever_waits_when_time_is_over_is_told_that_it_failed_and_nothing_is_published_later(
    path: Path,
) -> None:
    path.disk_has_room = False
    for number in range(MAX_MESSAGES * (MAX_IN_FLIGHT + 1) + 1):
        path.put(number)

    await path.ingest.stop(within_s=0.05)
    path.disk_has_room = True
    await asyncio.sleep(0)

    failed = sorted(
        ticket for tickets, status in path.devices.failures for ticket in tickets if status == 503
    )
    assert failed == list(range(MAX_MESSAGES * (MAX_IN_FLIGHT + 1) + 1))
    assert path.stream.published == []
