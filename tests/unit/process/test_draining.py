import asyncio

from libs.process.draining import Drain, Stop


class Steps:
    """Stop callbacks that write down when they ran."""

    def __init__(self) -> None:
        self.ran: list[str] = []

    def quick(self, name: str) -> Stop:
        async def stop() -> None:
            self.ran.append(name)

        return stop

    def failing(self, name: str) -> Stop:
        async def stop() -> None:
            self.ran.append(name)
            raise ConnectionError("already gone")

        return stop

    def hanging(self, name: str) -> Stop:
        async def stop() -> None:
            self.ran.append(name)
            await asyncio.Event().wait()

        return stop


def drain_of(*steps: tuple[str, Stop]) -> Drain:
    drain = Drain()
    for name, stop in steps:
        drain.add(name, stop)
    return drain


async def test_steps_run_in_reverse_order() -> None:
    steps = Steps()
    drain = drain_of(*((name, steps.quick(name)) for name in ("store", "bus", "listener")))

    assert await drain.run(deadline_s=5)

    assert steps.ran == ["listener", "bus", "store"]


async def test_a_failing_step_does_not_keep_the_others_from_running() -> None:
    steps = Steps()
    drain = drain_of(("store", steps.quick("store")), ("bus", steps.failing("bus")))

    assert not await drain.run(deadline_s=5)

    assert steps.ran == ["bus", "store"]


async def test_a_hanging_step_is_cut_off_in_time_for_those_behind_it() -> None:
    steps = Steps()
    drain = drain_of(
        ("store", steps.quick("store")), ("bus", steps.quick("bus")), ("listener", steps.hanging("listener"))
    )

    async with asyncio.timeout(1.0):
        assert not await drain.run(deadline_s=0.8)

    assert steps.ran == ["listener", "bus", "store"]


async def test_each_of_many_hanging_steps_is_begun_even_when_time_is_short() -> None:
    steps = Steps()
    drain = drain_of(("store", steps.hanging("store")), ("bus", steps.hanging("bus")))

    assert not await drain.run(deadline_s=0)

    assert steps.ran == ["bus", "store"]


async def test_what_is_opened_during_the_drain_is_stopped_too() -> None:
    steps = Steps()
    drain = drain_of(("store", steps.quick("store")))

    async def stop_and_open() -> None:
        drain.add("late", steps.quick("late"))

    drain.add("opener", stop_and_open)

    assert await drain.run(deadline_s=5)

    assert steps.ran == ["late", "store"]
