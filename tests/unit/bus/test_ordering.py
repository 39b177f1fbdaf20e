"""KeyedQueue: order per key, concurrency across keys, bounds, and no trace of those who gave up."""

import asyncio
import random
from functools import partial

import pytest

from libs.bus import KeyedQueue
from libs.contracts.errors import DeadlineError, UnavailableError


class Recorder:
    """Work that says when it runs and ends when it is told to."""

    def __init__(self) -> None:
        self.started: list[str] = []
        self.gate = asyncio.Event()

    async def work(self, name: str) -> str:
        self.started.append(name)
        await self.gate.wait()
        return name


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_one_key_runs_in_arrival_order_one_at_a_time() -> None:
    queue: KeyedQueue[str] = KeyedQueue()
    running = 0
    order: list[int] = []

    async def work(number: int) -> int:
        nonlocal running
        running += 1
        assert running == 1
        await asyncio.sleep(0)
        order.append(number)
        running -= 1
        return number

    results = await asyncio.gather(*(queue.run("ep", partial(work, n), wait_s=5) for n in range(50)))

    assert results == order == list(range(50))
    assert len(queue) == queue.waiting == 0


async def test_different_keys_run_at_the_same_time() -> None:
    queue: KeyedQueue[str] = KeyedQueue()
    recorder = Recorder()

    async with asyncio.TaskGroup() as tasks:
        for key in "abc":
            tasks.create_task(queue.run(key, partial(recorder.work, key), wait_s=5))
        await settle()
        assert recorder.started == ["a", "b", "c"]
        recorder.gate.set()

    assert len(queue) == 0


async def test_a_failure_belongs_to_its_caller_and_the_next_one_runs() -> None:
    queue: KeyedQueue[str] = KeyedQueue()

    async def fail() -> None:
        raise ValueError("mine")

    async def succeed() -> str:
        return "fine"

    first, second = await asyncio.gather(
        queue.run("ep", fail, wait_s=5), queue.run("ep", succeed, wait_s=5), return_exceptions=True
    )

    assert isinstance(first, ValueError)
    assert second == "fine"
    assert len(queue) == 0


async def test_a_full_line_is_refused_at_once() -> None:
    queue: KeyedQueue[str] = KeyedQueue(max_waiting_per_key=2)
    recorder = Recorder()

    async with asyncio.TaskGroup() as tasks:
        for name in ("running", "waiting", "waiting too"):
            tasks.create_task(queue.run("ep", partial(recorder.work, name), wait_s=5))
        await settle()
        with pytest.raises(UnavailableError):
            await queue.run("ep", lambda: recorder.work("one too many"), wait_s=5)
        recorder.gate.set()

    assert recorder.started == ["running", "waiting", "waiting too"]


async def test_all_lines_together_are_bounded() -> None:
    queue: KeyedQueue[str] = KeyedQueue(max_total=1)
    recorder = Recorder()

    async with asyncio.TaskGroup() as tasks:
        for key in ("a", "b", "a"):
            tasks.create_task(queue.run(key, lambda: recorder.work("any"), wait_s=5))
        await settle()
        with pytest.raises(UnavailableError):
            await queue.run("b", lambda: recorder.work("one too many"), wait_s=5)
        recorder.gate.set()

    assert queue.waiting == 0


async def test_waiting_too_long_is_504_and_leaves_no_trace() -> None:
    queue: KeyedQueue[str] = KeyedQueue()
    recorder = Recorder()

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(queue.run("ep", lambda: recorder.work("slow"), wait_s=5))
        await settle()
        with pytest.raises(DeadlineError):
            await queue.run("ep", lambda: recorder.work("late"), wait_s=0.01)
        assert queue.waiting == 0
        recorder.gate.set()

    assert recorder.started == ["slow"]
    assert len(queue) == 0


async def test_a_cancelled_runner_hands_the_turn_on() -> None:
    queue: KeyedQueue[str] = KeyedQueue()
    recorder = Recorder()

    async with asyncio.TaskGroup() as tasks:
        first = tasks.create_task(queue.run("ep", lambda: recorder.work("first"), wait_s=5))
        tasks.create_task(queue.run("ep", lambda: recorder.work("second"), wait_s=5))
        await settle()
        first.cancel()
        await settle()
        assert recorder.started == ["first", "second"]
        recorder.gate.set()

    assert len(queue) == 0


@pytest.mark.parametrize("seed", range(20), ids=lambda seed: f"seed {seed}")
async def test_cancelling_at_random_never_loses_a_turn(seed: int) -> None:
    chance = random.Random(seed)
    queue: KeyedQueue[int] = KeyedQueue()
    running: set[int] = set()
    done = 0

    async def work(key: int) -> None:
        nonlocal done
        assert key not in running
        running.add(key)
        try:
            for _ in range(chance.randrange(3)):
                await asyncio.sleep(0)
        finally:
            running.discard(key)
        done += 1

    async with asyncio.TaskGroup() as tasks:
        calls = []
        for _ in range(200):
            key = chance.randrange(3)
            calls.append(tasks.create_task(queue.run(key, partial(work, key), wait_s=5)))
            if chance.random() < 0.5:
                await asyncio.sleep(0)
            if chance.random() < 0.5:
                chance.choice(calls).cancel()

    assert done > 0
    assert len(queue) == queue.waiting == 0


async def test_a_turn_that_arrives_as_its_waiter_is_cancelled_goes_to_the_next() -> None:
    queue: KeyedQueue[str] = KeyedQueue()
    recorder = Recorder()
    first_may_end = asyncio.Event()

    async def first_work() -> None:
        await first_may_end.wait()
        second.cancel()

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(queue.run("ep", first_work, wait_s=5))
        second = tasks.create_task(queue.run("ep", lambda: recorder.work("second"), wait_s=5))
        tasks.create_task(queue.run("ep", lambda: recorder.work("third"), wait_s=5))
        await settle()
        first_may_end.set()
        await settle()
        recorder.gate.set()

    assert recorder.started == ["third"]
    assert len(queue) == queue.waiting == 0
