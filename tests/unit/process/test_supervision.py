import asyncio

import pytest

from libs.process.supervision import RootTasks


class Ends:
    """Remembers who ended and why."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, str]] = []
        self.first = asyncio.Event()

    def __call__(self, name: str, error: Exception | None) -> None:
        self.seen.append((name, repr(error)))
        self.first.set()


async def for_ever() -> None:
    await asyncio.Event().wait()


async def return_at_once() -> None:
    return


async def fail_at_once() -> None:
    raise LookupError("no more work")


async def test_a_task_that_returns_is_an_end_too() -> None:
    ends = Ends()
    async with RootTasks(ends) as tasks:
        tasks.start("collector", return_at_once())
        await ends.first.wait()

    assert ends.seen == [("collector", "None")]


async def test_a_failure_is_told_with_its_reason_and_leaves_the_others_running() -> None:
    ends = Ends()
    other_ran_on = asyncio.Event()

    async def other() -> None:
        await ends.first.wait()
        other_ran_on.set()
        await for_ever()

    async with RootTasks(ends) as tasks:
        tasks.start("other", other())
        tasks.start("collector", fail_at_once())
        await other_ran_on.wait()

    assert ends.seen == [("collector", "LookupError('no more work')")]


async def test_leaving_cancels_what_still_runs_and_waits_for_it() -> None:
    ends = Ends()
    cleaned_up = False

    async def tidy() -> None:
        nonlocal cleaned_up
        try:
            await for_ever()
        finally:
            await asyncio.sleep(0)
            cleaned_up = True

    async with RootTasks(ends) as tasks:
        tasks.start("tidy", tidy())
        await asyncio.sleep(0)

    assert cleaned_up
    assert ends.seen == []


async def test_tasks_bear_their_names() -> None:
    async with RootTasks(Ends()) as tasks:
        tasks.start("collector", for_ever())

        assert "collector" in {task.get_name() for task in asyncio.all_tasks()}


async def test_nothing_starts_outside_the_life_of_the_process() -> None:
    tasks = RootTasks(Ends())
    with pytest.raises(RuntimeError, match="'early'"):
        tasks.start("early", for_ever())

    async with tasks:
        pass

    with pytest.raises(RuntimeError, match="'late'"):
        tasks.start("late", for_ever())
