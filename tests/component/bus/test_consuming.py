"""Draining a stream: every message until it is acknowledged, through kills, cuts and a stream made anew."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import msgspec
import pytest

from libs.bus import Bus, BusRefusedError, Delivery
from libs.contracts.errors import UnavailableError
from libs.contracts.streams import ConsumerSpec, StreamSpec
from tests.component.bus.conftest import Connect
from tests.component.bus.messages import Happened, announce, stream_of
from tests.support.servers import running_nats
from tests.support.waiting import eventually


def consumer_of(stream: StreamSpec, **fields: float) -> ConsumerSpec:
    spec = ConsumerSpec(
        stream=stream.name,
        name="drain",
        subjects=stream.subjects,
        max_ack_pending=64,
        revision=1,
        description="drains a test",
    )
    return replace(spec, **fields)  # type: ignore[arg-type]  # whatever a test needs


@dataclass
class Handled:
    """Keeps what it is given; fails while it is told to, and works for as long as it is told."""

    batches: list[list[Delivery]] = field(default_factory=list)
    begun: int = 0
    failure: Exception | None = None
    work_s: float = 0.0

    async def __call__(self, batch: Sequence[Delivery]) -> None:
        self.begun += 1
        await asyncio.sleep(self.work_s)
        if self.failure is not None:
            raise self.failure
        self.batches.append(list(batch))

    @property
    def deliveries(self) -> list[Delivery]:
        return [delivery for batch in self.batches for delivery in batch]

    def numbers(self) -> list[int]:
        return [msgspec.msgpack.decode(each.body, type=Happened).number for each in self.deliveries]

    async def until(self, *numbers: int, deadline_s: float = 10.0) -> None:
        async def look() -> bool:
            return set(numbers) <= set(self.numbers())

        await eventually(look, what=f"{numbers} handled, after {self.numbers()}", deadline_s=deadline_s)

    async def until_begun(self) -> None:
        async def look() -> bool:
            return self.begun > 0

        await eventually(look, what="the handler begun")


@asynccontextmanager
async def consuming(
    bus: Bus, spec: ConsumerSpec, handler: Handled, *, batch: int = 64
) -> AsyncIterator[asyncio.Task[None]]:
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(bus.consume(spec, handler, batch=batch), name="consume")
        try:
            yield task
        finally:
            await bus.stop_consuming(within_s=5)
            task.cancel()


async def pending(bus: Bus, spec: ConsumerSpec) -> tuple[int, int]:
    """What the consumer has not delivered, and what is delivered and not acknowledged."""
    answer = await bus._requester.exchange(  # noqa: SLF001 - looks behind the facade
        f"$JS.API.CONSUMER.INFO.{spec.stream}.{spec.name}", b"", timeout_s=2
    )
    info = msgspec.json.decode(answer.data)
    return info["num_pending"], info["num_ack_pending"]


async def until_settled(bus: Bus, spec: ConsumerSpec) -> None:
    async def look() -> bool:
        return await pending(bus, spec) == (0, 0)

    await eventually(look, what="everything acknowledged")


async def delete_stream(bus: Bus, name: str) -> None:
    await bus._requester.exchange(f"$JS.API.STREAM.DELETE.{name}", b"", timeout_s=2)  # noqa: SLF001 - only tests delete


@pytest.fixture
async def stream(bus: Bus) -> StreamSpec:
    spec = stream_of(bus)
    await bus.ensure_stream(spec)
    return spec


async def test_everything_is_delivered_in_order_with_its_place(bus: Bus, stream: StreamSpec) -> None:
    spec, handled = consumer_of(stream), Handled()
    began_ms = time.time_ns() // 1_000_000
    places = [(await announce(bus, number)).sequence for number in range(100)]

    async with consuming(bus, spec, handled):
        await handled.until(99)
        await until_settled(bus, spec)

    assert handled.numbers() == list(range(100))
    assert [each.sequence for each in handled.deliveries] == places
    assert max(len(batch) for batch in handled.batches) <= 64
    first = handled.deliveries[0]
    assert (first.subject, first.delivered) == (stream.subjects[0], 1)
    assert first.stream_created_ms == await bus.stream_created_ms(stream.name)
    assert began_ms - 1000 < first.stream_created_ms <= first.at_ms < began_ms + 60_000


async def test_an_idle_consumer_takes_a_message_at_once_and_outlives_its_requests(
    bus: Bus, stream: StreamSpec
) -> None:
    handled = Handled()

    async with consuming(bus, consumer_of(stream), handled):
        await asyncio.sleep(5.5)  # longer than a request for messages lives
        began = time.monotonic()
        await announce(bus, 1)
        await handled.until(1)

    assert time.monotonic() - began < 0.5


async def test_what_a_handler_refuses_comes_again_later(bus: Bus, stream: StreamSpec) -> None:
    spec, handled = consumer_of(stream), Handled(failure=UnavailableError("away"))
    await announce(bus, 1)

    async with consuming(bus, spec, handled):
        await handled.until_begun()
        assert handled.numbers() == []
        handled.failure = None
        await handled.until(1)
        await until_settled(bus, spec)

    assert handled.deliveries[0].delivered >= 2


async def test_a_handler_that_breaks_loses_nothing(bus: Bus, stream: StreamSpec) -> None:
    spec, handled = consumer_of(stream), Handled(failure=ZeroDivisionError())
    await announce(bus, 1)

    async with consuming(bus, spec, handled):
        await handled.until_begun()
        handled.failure = None
        await handled.until(1)


async def test_a_handler_decides_for_single_messages(bus: Bus, stream: StreamSpec) -> None:
    spec = consumer_of(stream)
    seen: list[tuple[int, int]] = []
    decide: dict[tuple[int, int], Callable[[Delivery], None]] = {
        (1, 1): lambda delivery: delivery.nak(delay_s=0.1),
        (2, 1): lambda delivery: delivery.term("nobody can read it"),
        (3, 1): Delivery.ack,
    }
    for number in range(4):
        await announce(bus, number)

    async def pick(batch: Sequence[Delivery]) -> None:
        for delivery in batch:
            number = msgspec.msgpack.decode(delivery.body, type=Happened).number
            seen.append((number, delivery.delivered))
            if (number, delivery.delivered) in decide:
                decide[number, delivery.delivered](delivery)
        if len(seen) == 4:
            raise UnavailableError("after the fact")

    async def again() -> bool:
        return {(0, 2), (1, 2)} <= set(seen)

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(bus.consume(spec, pick), name="consume")
        await eventually(again, what="the first two again")
        await until_settled(bus, spec)
        await bus.stop_consuming()

    assert sorted(seen) == [(0, 1), (0, 2), (1, 1), (1, 2), (2, 1), (3, 1)]


async def test_what_nobody_acknowledged_comes_again(connect: Connect) -> None:
    first, second = await connect(), await connect()
    stream = stream_of(first)
    spec = consumer_of(stream, ack_wait_s=1.0)
    await first.ensure_stream(stream)
    await announce(first, 1)
    dying, handled = Handled(work_s=60), Handled()
    async with asyncio.TaskGroup() as tasks:
        doomed = tasks.create_task(first.consume(spec, dying), name="doomed")
        await dying.until_begun()
        doomed.cancel()

    async with consuming(second, spec, handled):
        await handled.until(1)

    assert handled.deliveries[0].delivered >= 2


async def test_long_work_is_not_given_to_somebody_else(connect: Connect) -> None:
    first, second = await connect(), await connect()
    stream = stream_of(first)
    spec = consumer_of(stream, ack_wait_s=0.6)
    await first.ensure_stream(stream)
    await announce(first, 1)
    slow, other = Handled(work_s=2.0), Handled()

    async with consuming(first, spec, slow):
        await slow.until_begun()
        async with consuming(second, spec, other):
            await slow.until(1)
            await until_settled(first, spec)

    assert (slow.numbers(), other.numbers()) == ([1], [])


async def test_stopping_finishes_what_is_in_hand_and_returns_the_rest_at_once(connect: Connect) -> None:
    first, second = await connect(), await connect()
    stream = stream_of(first)
    spec = consumer_of(stream)
    await first.ensure_stream(stream)
    for number in range(6):
        await announce(first, number)
    slow, other = Handled(work_s=0.5), Handled()

    async with consuming(first, spec, slow, batch=2) as task:
        await slow.until_begun()
        await first.stop_consuming(within_s=5)
        assert task.done()
    begun = set(slow.numbers())
    async with consuming(second, spec, other):
        await other.until(*set(range(6)) - begun, deadline_s=5)
        await until_settled(second, spec)

    assert len(slow.numbers()) == 2
    assert sorted([*slow.numbers(), *other.numbers()]) == list(range(6))


@pytest.mark.chaos
async def test_a_stream_made_again_is_drained_again_and_told_apart(bus: Bus, stream: StreamSpec) -> None:
    spec, handled = consumer_of(stream), Handled()

    async with consuming(bus, spec, handled):
        for number in range(3):
            await announce(bus, number)
        await handled.until(2)
        await delete_stream(bus, stream.name)
        await bus.ensure_stream(stream)
        await announce(bus, 10)
        await handled.until(10)
        await until_settled(bus, spec)

    old, new = handled.deliveries[0], handled.deliveries[-1]
    assert (old.sequence, new.sequence) == (1, 1)
    assert new.stream_created_ms == await bus.stream_created_ms(stream.name) > old.stream_created_ms


@pytest.mark.chaos
@pytest.mark.parametrize("work_s", [pytest.param(0.0, id="idle"), pytest.param(0.05, id="busy")])
async def test_the_first_message_after_a_kill_is_handled_at_once(tmp_path: Path, work_s: float) -> None:
    async with running_nats(tmp_path) as nats:
        bus = await Bus.connect(url=nats.url, service="tester", replica="tester-1")
        stream = stream_of(bus)
        await bus.ensure_stream(stream)
        spec, handled = consumer_of(stream), Handled(work_s=work_s)
        async with consuming(bus, spec, handled, batch=2):
            for number in range(40 if work_s else 1):
                await announce(bus, number)
            await handled.until(0)

            await nats.kill()
            await asyncio.sleep(1.0)
            await nats.start()
            back = time.monotonic()
            before = len(handled.batches)
            await announce(bus, 100)
            async with asyncio.timeout(3):
                while len(handled.batches) == before:  # noqa: ASYNC110 - nothing else tells it
                    await asyncio.sleep(0.01)
            first_after_s = time.monotonic() - back
            await handled.until(100, deadline_s=20)

        assert first_after_s < 3
        print(f"first message handled {first_after_s:.3f} s after the server was back")  # noqa: T201 - the figure of rule 8
        await bus.close()


@pytest.mark.chaos
async def test_a_frozen_server_costs_only_the_time_it_is_frozen(tmp_path: Path) -> None:
    async with running_nats(tmp_path) as nats:
        bus = await Bus.connect(url=nats.url, service="tester", replica="tester-1")
        stream = stream_of(bus)
        await bus.ensure_stream(stream)
        spec, handled = consumer_of(stream), Handled()
        async with consuming(bus, spec, handled):
            await announce(bus, 1)
            await handled.until(1)

            await nats.pause()
            await asyncio.sleep(4)
            await nats.resume()
            await announce(bus, 2)

            await handled.until(2, deadline_s=3)
        await bus.close()


async def test_a_higher_revision_upgrades_a_consumer_in_place_and_a_lower_one_is_left_alone(
    bus: Bus, stream: StreamSpec
) -> None:
    first = consumer_of(stream)
    second = replace(first, revision=2, max_ack_pending=7)

    for spec in (first, second, first):
        await bus.ensure_consumer(spec)

    answer = await bus._requester.exchange(  # noqa: SLF001 - looks behind the facade
        f"$JS.API.CONSUMER.INFO.{first.stream}.{first.name}", b"", timeout_s=2
    )
    config = msgspec.json.decode(answer.data)["config"]
    assert (config["max_ack_pending"], config["metadata"]["grove_revision"]) == (7, "2")
    assert (config["max_deliver"], config["ack_wait"]) == (-1, 30 * 10**9)


async def test_replicas_may_create_a_consumer_at_the_same_time(connect: Connect) -> None:
    buses = [await connect() for _ in range(5)]
    stream = stream_of(buses[0])
    await buses[0].ensure_stream(stream)
    spec = consumer_of(stream)
    newer = replace(spec, revision=2, max_ack_pending=7)

    await asyncio.gather(*(bus.ensure_consumer(each) for bus in buses for each in (spec, newer)))


async def test_a_consumer_without_its_stream_is_not_there_yet(bus: Bus) -> None:
    stream = stream_of(bus)

    with pytest.raises(UnavailableError, match="stream not found"):
        await bus.ensure_consumer(consumer_of(stream))
    with pytest.raises(UnavailableError, match="stream not found"):
        await bus.stream_created_ms(stream.name)


async def test_a_consumer_that_cannot_be_kept_is_told_in_one_line(bus: Bus, stream: StreamSpec) -> None:
    with pytest.raises(BusRefusedError, match="consumer drain"):
        await bus.ensure_consumer(replace(consumer_of(stream), subjects=("a.>", "a.b")))
