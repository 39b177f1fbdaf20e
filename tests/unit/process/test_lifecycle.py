"""The life of a process inside the test's own loop: order, exit codes, what is told when."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from libs.process import Build, Process, ProcessSettings, SettingsError, serve
from libs.process.health import Phase
from tests.support.waiting import eventually


def new_process(port_file: Path | None = None) -> Process:
    settings = ProcessSettings(
        nats_url="nats://bus", stop_deadline_s=1.0, port_file=str(port_file) if port_file else None
    )
    return Process("olive-press", settings=settings)


def remember(seen: list[str], name: str) -> Callable[[], Awaitable[None]]:
    async def stop() -> None:
        seen.append(name)

    return stop


async def serve_until_serving(process: Process, build: Build) -> int:
    """Serve, stop as soon as the process has been built, and return the exit code."""

    async def serves() -> bool:
        return process.health.phase is not Phase.STARTING

    async with asyncio.TaskGroup() as group:
        served = group.create_task(serve(process, build))
        await eventually(serves, what="the process serves")
        process.stop("test")
    return served.result()


def test_run_ids_are_64_bits_and_part_of_the_replica() -> None:
    processes = [new_process() for _ in range(50)]

    assert len({process.run_id for process in processes}) == 50
    assert all(0 <= process.run_id < 2**64 for process in processes)
    assert all(process.replica == f"olive-press-{process.run_id:016x}" for process in processes)


async def test_the_end_comes_in_order() -> None:
    seen: list[str] = []
    process = new_process()

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            seen.append("root task cancelled")

    async def see_unready() -> None:
        seen.append(f"listener closes, {(await process.health.readiness()).status}")

    async def build(process: Process) -> None:
        process.on_stop("store", remember(seen, "store closes"))
        process.supervise("work", work())
        process.on_stop("listener", see_unready)

    assert await serve_until_serving(process, build) == 0

    assert seen == ["listener closes, stopping", "store closes", "root task cancelled"]


@pytest.mark.parametrize(
    ("error", "code", "told"),
    [
        (SettingsError(("GROVE_X is not set",)), 2, "olive-press: bad settings: GROVE_X is not set\n"),
        (OSError("port 80\nis taken"), 1, "olive-press: cannot start: OSError: port 80 is taken\n"),
    ],
    ids=["settings", "anything else"],
)
async def test_a_failed_build_stops_what_it_opened(
    error: Exception, code: int, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    seen: list[str] = []

    async def build(process: Process) -> None:
        process.on_stop("store", remember(seen, "store closes"))
        raise error

    assert await serve(new_process(), build) == code

    assert seen == ["store closes"]
    assert capsys.readouterr().err == told


async def test_a_root_task_that_ends_during_the_build_ends_the_process() -> None:
    async def work() -> None:
        return

    async def build(process: Process) -> None:
        process.supervise("work", work())
        await asyncio.Event().wait()

    process = new_process()

    assert await serve(process, build) == 1

    assert (await process.wait_for_stop()).reason == "root task 'work' ended"


async def test_a_failing_stop_callback_makes_the_end_unclean() -> None:
    async def refuse() -> None:
        raise ConnectionError("already gone")

    async def build(process: Process) -> None:
        process.on_stop("bus", refuse)

    assert await serve_until_serving(new_process(), build) == 1


async def test_the_first_reason_to_stop_stands() -> None:
    process = new_process()

    process.stop("SIGTERM")
    process.stop("root task 'work' ended", exit_code=1)

    assert (await process.wait_for_stop()).reason == "SIGTERM"


async def test_the_port_file_lives_as_long_as_the_service(tmp_path: Path) -> None:
    path = tmp_path / "ports.json"
    existed: list[bool] = []

    async def look() -> None:
        existed.append(path.exists())

    async def build(process: Process) -> None:
        await look()
        process.on_stop("look", look)

    assert await serve_until_serving(new_process(path), build) == 0

    assert existed == [False, True]
    assert not path.exists()


async def test_a_port_file_that_cannot_be_written_is_a_failed_build(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async def build(process: Process) -> None:
        return

    assert await serve(new_process(tmp_path / "missing" / "ports.json"), build) == 1

    assert "cannot start: FileNotFoundError" in capsys.readouterr().err
