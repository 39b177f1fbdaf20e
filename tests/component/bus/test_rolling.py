"""Services are rolled under load and nobody notices (rule 26)."""

import asyncio
import random
from collections import Counter

import pytest

from libs.bus import Bus
from libs.contracts.errors import DeadlineError, GroveError, UnavailableError
from tests.component.bus.conftest import Connect
from tests.component.bus.messages import Answer, Question
from tests.component.bus.test_requests import ask, subject_of


class Worker:
    """Serves slowly enough that there is always something in flight."""

    def __init__(self, bus: Bus) -> None:
        self.bus = bus
        self.handled = 0

    async def start(self) -> None:
        await self.bus.serve(subject_of(self.bus), Question, self.on_question, queue="worker")

    async def on_question(self, question: Question) -> Answer:
        await asyncio.sleep(random.uniform(0, 0.02))
        self.handled += 1
        return Answer(number=question.number * 2)

    async def stop(self) -> None:
        await self.bus.stop_serving()
        await self.bus.close()


async def load(bus: Bus, outcomes: Counter[int], stop: asyncio.Event) -> None:
    while not stop.is_set():
        try:
            outcomes[(await ask(bus, timeout_s=5)).status_code] += 1
        except GroveError as error:
            outcomes[error.status_code] += 1


@pytest.mark.chaos
@pytest.mark.parametrize("replicas", [1, 2])
async def test_ten_rolls_under_load_lose_no_request(connect: Connect, replicas: int) -> None:
    client = await connect("client")
    workers = [Worker(await connect("worker")) for _ in range(replicas)]
    outcomes: Counter[int] = Counter()
    stop = asyncio.Event()
    handled = 0

    async with asyncio.TaskGroup() as tasks:
        for worker in workers:
            await worker.start()
        for _ in range(50):
            tasks.create_task(load(client, outcomes, stop))
        for _ in range(10):
            await asyncio.sleep(0.2)
            worker = workers.pop(0)
            await worker.stop()
            handled += worker.handled
            workers.append(Worker(await connect("worker")))
            await workers[-1].start()
        stop.set()

    assert set(outcomes) == {200}
    assert outcomes.total() > 200
    assert handled + sum(worker.handled for worker in workers) == outcomes.total()


async def test_what_was_delivered_is_answered_before_the_bus_closes(connect: Connect) -> None:
    client = await connect("client")
    worker = Worker(await connect("worker"))
    await worker.start()

    async with asyncio.TaskGroup() as tasks:
        calls = [tasks.create_task(ask(client, number)) for number in range(100)]
        await asyncio.sleep(0)
        await asyncio.sleep(0.005)
        await worker.stop()
        replacement = Worker(await connect("worker"))
        await replacement.start()

    assert [call.result().number for call in calls] == [2 * number for number in range(100)]
    assert worker.handled + replacement.handled == 100


async def test_a_handler_that_outlasts_the_stop_is_cancelled_and_answered_503(connect: Connect) -> None:
    client, server = await connect("client"), await connect("worker")
    started, cancelled = asyncio.Event(), asyncio.Event()

    async def stay(_question: Question) -> Answer:
        started.set()
        try:
            await asyncio.sleep(30)
        finally:
            cancelled.set()
        return Answer(number=0)

    await server.serve(subject_of(server), Question, stay, queue="worker")

    async with asyncio.TaskGroup() as tasks:
        call = tasks.create_task(_error_of(client))
        await started.wait()
        await server.stop_serving(within_s=0.1)

    assert cancelled.is_set()
    assert isinstance(call.result(), UnavailableError)
    assert call.result().reason_phrase == "the service is stopping"


async def test_a_stopped_service_is_not_there_any_more_but_can_still_ask(connect: Connect) -> None:
    leaving, staying = await connect("worker"), await connect("other")
    worker = Worker(leaving)
    await worker.start()
    await leaving.stop_serving()
    with pytest.raises(UnavailableError):
        await ask(staying, timeout_s=0.2)

    replacement = Worker(staying)
    await replacement.start()

    assert (await ask(leaving)).number == 42


async def _error_of(bus: Bus) -> GroveError:
    try:
        await ask(bus)
    except (UnavailableError, DeadlineError) as error:
        return error
    raise AssertionError("answered")
