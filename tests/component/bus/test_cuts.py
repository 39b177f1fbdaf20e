"""Cuts and their healing: killed and frozen servers, missed events (rules 17 and 25)."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
import structlog
from nats.errors import SlowConsumerError, StaleConnectionError

from libs.bus import Bus
from libs.bus.connection import MAX_UNSENT_BYTES
from libs.contracts.errors import UnavailableError
from tests.component.bus.conftest import Connect
from tests.component.bus.messages import Answer, Happened, Question
from tests.component.bus.proxy import bad_proxy
from tests.component.bus.test_requests import ask, double, subject_of
from tests.support.servers import NatsServer, running_nats
from tests.support.waiting import eventually

pytestmark = pytest.mark.chaos


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[NatsServer]:
    """A NATS server of its own, to be hurt."""
    async with running_nats(tmp_path) as nats:
        yield nats


@pytest.fixture
async def pair(server: NatsServer) -> AsyncIterator[tuple[Bus, Bus]]:
    """Two buses on it: one that asks, one that serves."""
    client = await Bus.connect(url=server.url, service="client", replica="client-1")
    worker = await Bus.connect(url=server.url, service="worker", replica="worker-1")
    yield client, worker
    await worker.close()
    await client.close()


async def happened(bus: Bus, number: int, *, text: str = "") -> None:
    subject = bus.subjects.event("tester", "thing", "test", "happened")
    await bus.broadcast(subject, Happened(number=number, text=text))


async def listen(bus: Bus, handler: Callable[[Happened], None]) -> None:
    await bus.listen(bus.subjects.events_of("thing", "test"), Happened, handler)


async def reaches(bus: Bus) -> bool:
    await bus.ping()
    return True


async def contains(values: list[int], value: int) -> bool:
    return value in values


async def flood_until_refused(bus: Bus) -> int:
    """Broadcast until the bus takes no more; return how many bytes it took."""
    taken = 0
    while await failure_of(happened(bus, 1, text="x" * 500_000)) is None:
        taken += 500_000
        await asyncio.sleep(0)
    return taken


async def at_least(number: int, count: Callable[[], int]) -> bool:
    return count() >= number


async def failure_of(call: Awaitable[object]) -> BaseException | None:
    try:
        await call
    except UnavailableError as error:
        return error
    return None


async def test_a_waiting_request_fails_at_once_when_the_server_is_killed(
    server: NatsServer, pair: tuple[Bus, Bus]
) -> None:
    client, worker = pair
    arrived = asyncio.Event()

    async def never(_question: Question) -> Answer:
        arrived.set()
        await asyncio.sleep(30)
        return Answer(number=0)

    await worker.serve(subject_of(worker), Question, never, queue="worker")

    async with asyncio.TaskGroup() as tasks:
        waiting = tasks.create_task(failure_of(ask(client, timeout_s=20)))
        await arrived.wait()
        killed_at = time.monotonic()
        await server.kill()

    assert isinstance(waiting.result(), UnavailableError)
    assert time.monotonic() - killed_at < 1.0
    await worker.stop_serving(within_s=0)


async def test_a_request_made_while_the_server_is_away_succeeds_when_it_is_back(
    server: NatsServer, pair: tuple[Bus, Bus]
) -> None:
    client, worker = pair
    await worker.serve(subject_of(worker), Question, double, queue="worker")

    await server.kill()
    async with asyncio.TaskGroup() as tasks:
        answer = tasks.create_task(ask(client, timeout_s=20))
        await asyncio.sleep(0.3)
        await server.start()

    assert answer.result().number == 42


async def test_ten_kills_heal_without_a_hand(server: NatsServer, pair: tuple[Bus, Bus]) -> None:
    client, worker = pair
    await worker.serve(subject_of(worker), Question, double, queue="worker")

    for _ in range(10):
        await server.kill()
        await server.start()
        assert (await ask(client, timeout_s=10)).number == 42


async def test_what_was_not_sent_before_the_cut_is_never_sent(
    server: NatsServer, pair: tuple[Bus, Bus]
) -> None:
    client, worker = pair
    heard: list[int] = []
    await listen(worker, lambda event: heard.append(event.number))

    await server.pause()
    await flood_until_refused(client)
    await server.kill()
    await server.start()
    await eventually(lambda: reaches(client), what="reconnected")
    await eventually(lambda: reaches(worker), what="reconnected")
    await happened(client, 2)
    await eventually(lambda: contains(heard, 2), what="heard")

    assert heard == [2]


async def test_a_frozen_server_does_not_make_us_collect_without_end(
    server: NatsServer, pair: tuple[Bus, Bus]
) -> None:
    client, _ = pair
    await server.pause()

    taken = await flood_until_refused(client)
    await server.resume()

    assert taken < 4 * MAX_UNSENT_BYTES
    await eventually(lambda: reaches(client), what="usable again")


async def test_a_ping_that_was_given_up_does_not_end_the_connection(
    server: NatsServer, pair: tuple[Bus, Bus]
) -> None:
    client, worker = pair
    await worker.serve(subject_of(worker), Question, double, queue="worker")

    await server.pause()
    assert await failure_of(client.ping()) is not None
    await server.resume()

    assert (await ask(client)).number == 42
    await client.ping()


async def test_a_ping_under_way_fails_at_once_when_the_server_is_killed(
    server: NatsServer, pair: tuple[Bus, Bus]
) -> None:
    client, _ = pair
    await server.pause()

    async with asyncio.timeout(1.5), asyncio.TaskGroup() as tasks:
        pings = [tasks.create_task(failure_of(client.ping())) for _ in range(3)]
        await asyncio.sleep(0.1)
        await server.kill()

    assert any(isinstance(ping.result(), UnavailableError) for ping in pings)


async def test_a_dead_host_that_still_holds_our_bytes_is_left_at_once(
    connect: Connect, nats: NatsServer
) -> None:
    async with bad_proxy(nats.url) as proxy:
        bus = await connect(url=proxy.url)
        proxy.freeze()
        await flood_until_refused(bus)

        await bus._connection.client._process_op_err(StaleConnectionError())  # noqa: SLF001 - as the keep-alive does after 10 s
        await eventually(lambda: reaches(bus), what="connected anew", deadline_s=2)

        await bus.close()


async def test_attempts_that_got_no_further_than_tcp_leave_no_sockets_behind(
    connect: Connect, nats: NatsServer
) -> None:
    async with bad_proxy(nats.url) as proxy:
        bus = await connect(url=proxy.url)
        proxy.rude = True
        proxy.cut()
        await eventually(lambda: at_least(4, lambda: proxy.greeted), what="four attempts")

        assert proxy.clients <= 1

        proxy.rude = False
        await eventually(lambda: reaches(bus), what="connected again")
        await bus.close()


async def test_everybody_is_told_of_a_cut_and_again_before_anything_is_said(
    server: NatsServer, pair: tuple[Bus, Bus]
) -> None:
    client, worker = pair
    told = 0
    said_when_told: set[int] = set()

    def cut() -> None:
        nonlocal told
        told += 1

    async def talk() -> None:
        while True:
            with contextlib.suppress(UnavailableError):
                await happened(client, told)
                said_when_told.add(told)
            await asyncio.sleep(0)

    client.on_cut(cut)
    async with asyncio.TaskGroup() as tasks:
        talking = tasks.create_task(talk())
        for _ in range(3):
            await server.kill()
            await server.start()
            await eventually(lambda: reaches(client), what="reconnected")
            await asyncio.sleep(0.01)
        talking.cancel()

    assert told == 6
    assert said_when_told == {0, 2, 4, 6}
    await eventually(lambda: reaches(worker), what="reconnected")


async def test_a_failing_handler_counts_as_a_missed_event(connect: Connect) -> None:
    bus = await connect()
    heard: list[int] = []
    cuts: list[int] = []

    def handler(event: Happened) -> None:
        if event.number == 1:
            raise RuntimeError("no")
        heard.append(event.number)

    bus.on_cut(lambda: cuts.append(len(heard)))
    await listen(bus, handler)

    with structlog.testing.capture_logs() as logs:
        for number in range(3):
            await happened(bus, number)
        await bus._connection.publish(bus.subjects.event("t", "thing", "test", "x"), b"\xff")  # noqa: SLF001 - garbage
        await eventually(lambda: contains(cuts, 2), what="told of both")

    assert heard == [0, 2]
    assert cuts == [1, 2]
    assert [line["reason"] for line in logs] == ["handler failed", "not readable"]


async def test_a_slow_consumer_counts_as_missed_events(connect: Connect) -> None:
    bus = await connect()
    cuts: list[str] = []
    bus.on_cut(lambda: cuts.append("cut"))

    client = bus._connection.client  # noqa: SLF001 - what nats-py would do
    await client._error_cb(SlowConsumerError(subject="s", reply="", sid=1, sub=client._subs[1]))  # noqa: SLF001 - the same

    assert cuts == ["cut"]
