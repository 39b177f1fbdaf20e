import asyncio

import pytest

from libs.process.health import Health, Phase, Readiness


class OtherSide:
    """Something to ping: counts, and answers as it is told."""

    def __init__(self) -> None:
        self.pings = 0
        self.trouble: Exception | None = None
        self.asked = asyncio.Event()
        self.answer = asyncio.Event()
        self.answer.set()

    async def ping(self) -> None:
        self.pings += 1
        self.asked.set()
        await self.answer.wait()
        if self.trouble is not None:
            raise self.trouble


class Clock:
    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def health(clock: Clock) -> Health:
    health = Health(clock=clock)
    health.phase = Phase.SERVING
    return health


async def test_ready_when_everything_answers(health: Health) -> None:
    health.add("nats", OtherSide().ping)
    health.add("mongodb", OtherSide().ping)

    assert await health.readiness() == Readiness(status="ready", checks={"nats": "ok", "mongodb": "ok"})


async def test_one_failure_is_enough_and_is_named_without_its_secrets(health: Health) -> None:
    store = OtherSide()
    store.trouble = ConnectionError("cannot reach mongodb://user:hidden@store/x")
    health.add("nats", OtherSide().ping)
    health.add("mongodb", store.ping)

    readiness = await health.readiness()

    assert not readiness.ready
    assert readiness.status == "unready"
    assert readiness.checks == {
        "nats": "ok",
        "mongodb": "ConnectionError: cannot reach mongodb://***@store/x",
    }


async def test_an_error_without_a_text_is_named_by_its_kind(health: Health) -> None:
    store = OtherSide()
    store.trouble = ConnectionResetError()
    health.add("mongodb", store.ping)

    assert (await health.readiness()).checks == {"mongodb": "ConnectionResetError"}


async def test_silence_is_a_failure_and_delays_nobody_longer_than_its_own_timeout(health: Health) -> None:
    silent = [OtherSide() for _ in range(5)]
    for number, side in enumerate(silent):
        side.answer.clear()
        health.add(f"side {number}", side.ping, timeout_s=0.05)

    async with asyncio.timeout(0.2):
        readiness = await health.readiness()

    assert set(readiness.checks.values()) == {"no answer within 0.05 s"}


async def test_many_askers_cause_one_round_of_pings(health: Health) -> None:
    side = OtherSide()
    health.add("nats", side.ping)

    answers = await asyncio.gather(*(health.readiness() for _ in range(50)))

    assert all(answer.ready for answer in answers)
    assert side.pings == 1


async def test_results_live_two_seconds(health: Health, clock: Clock) -> None:
    side = OtherSide()
    health.add("nats", side.ping)
    await health.readiness()
    side.trouble = ConnectionError("gone")

    clock.now_s += 1.9
    assert (await health.readiness()).ready

    clock.now_s += 0.2
    assert not (await health.readiness()).ready


async def test_a_check_added_later_is_run_at_once(health: Health) -> None:
    assert (await health.readiness()).ready
    side = OtherSide()
    side.trouble = ConnectionError("gone")
    health.add("nats", side.ping)

    assert not (await health.readiness()).ready


async def test_a_process_being_built_is_not_ready_whatever_its_checks_say(health: Health) -> None:
    health.phase = Phase.STARTING
    health.add("nats", OtherSide().ping)

    assert await health.readiness() == Readiness(status="starting", checks={"nats": "ok"})


async def test_a_stopping_process_is_not_ready_and_pings_nobody(health: Health) -> None:
    side = OtherSide()
    health.add("nats", side.ping)
    health.phase = Phase.STOPPING

    assert await health.readiness() == Readiness(status="stopping")
    assert side.pings == 0


async def test_a_stop_that_begins_during_the_pings_wins(health: Health) -> None:
    side = OtherSide()
    side.answer.clear()
    health.add("nats", side.ping)

    async with asyncio.TaskGroup() as group:
        asked = group.create_task(health.readiness())
        await side.asked.wait()
        health.phase = Phase.STOPPING
        side.answer.set()

    assert asked.result() == Readiness(status="stopping")


async def test_an_asker_who_leaves_blocks_nobody(health: Health) -> None:
    side = OtherSide()
    side.answer.clear()
    health.add("nats", side.ping)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await health.readiness()
    side.answer.set()

    assert (await health.readiness()).ready
