"""A real process is told to stop, or has to."""

import asyncio
import signal
from contextlib import suppress

import pytest
from aiohttp import ClientConnectorError, ClientSession, ServerDisconnectedError

from tests.component.process.conftest import Sample, Start
from tests.support.waiting import eventually


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["sigterm", "sigint"])
async def test_a_signal_finishes_the_request_in_flight(start: Start, number: signal.Signals) -> None:
    sample = await start()
    async with sample.client.get(sample.url("http", "/held")) as held:
        assert await held.content.readline() == b"begun\n"

        sample.send(number)
        await sample.until_logged("process.stopping")
        status, body = await sample.ready()
        async with ClientSession() as newcomer:
            with pytest.raises(ClientConnectorError):
                await newcomer.get(sample.url("http", "/quick"))
        sample.release()
        rest = await held.content.readline()

    assert (status, body) == (503, {"status": "stopping", "checks": {}})
    assert rest == b"done\n"
    ended = await sample.ended()
    assert ended.code == 0
    assert ended.event("process.stopping")["reason"] == number.name
    assert [each["step"] for each in ended.events if each["event"] == "drain.done"] == [
        "http listener",
        "sample",
    ]


async def test_connections_in_use_end_after_an_answer_and_never_inside_a_request(start: Start) -> None:
    sample = await start()
    url = sample.url("http", "/quick")
    answered: list[str] = []

    async def use_until_refused() -> None:
        async with ClientSession() as client:
            while True:
                try:
                    async with client.get(url) as response:
                        answered.append(await response.text())
                except ClientConnectorError:
                    return

    async def busy() -> bool:
        return len(answered) >= 200

    async with asyncio.TaskGroup() as users:
        for _ in range(20):
            users.create_task(use_until_refused())
        await eventually(busy, what="all of them are busy")
        sample.send(signal.SIGTERM)

    assert set(answered) == {"quick"}
    assert (await sample.ended()).code == 0


async def test_a_request_that_never_ends_is_cut_off_by_the_deadline(start: Start) -> None:
    sample = await start(GROVE_STOP_DEADLINE_S="1")
    async with sample.client.get(sample.url("http", "/held")) as held:
        assert await held.content.readline() == b"begun\n"

        sample.send(signal.SIGTERM)
        ended = await sample.ended(within_s=5)

    assert ended.code == 1
    assert ended.event("drain.cut_off")["step"] == "http listener"
    assert ended.event("drain.done")["step"] == "sample"


async def test_a_second_signal_ends_at_once(start: Start) -> None:
    sample = await start()
    async with sample.client.get(sample.url("http", "/held")) as held:
        assert await held.content.readline() == b"begun\n"
        sample.send(signal.SIGTERM)
        await sample.until_logged("process.stopping")

        sample.send(signal.SIGTERM)
        ended = await sample.ended(within_s=3)

    assert ended.code == 128 + signal.SIGTERM
    assert ended.errors == "SIGTERM again: not waiting any longer\n"


async def test_a_second_signal_ends_a_process_whose_loop_is_blocked(start: Start) -> None:
    sample = await start()

    async def block() -> None:
        with suppress(ServerDisconnectedError):
            await sample.post("/block")

    async with asyncio.TaskGroup() as group:
        group.create_task(block())
        await _until_unresponsive(sample)

        sample.send(signal.SIGTERM)
        await asyncio.sleep(0.1)  # two signals at the same instant would be one
        sample.send(signal.SIGINT)
        ended = await sample.ended(within_s=3)

    assert ended.code == 128 + signal.SIGINT


async def test_a_root_task_that_fails_stops_the_process_and_says_which_and_why(start: Start) -> None:
    sample = await start()

    await sample.post("/end-task")
    ended = await sample.ended()

    assert ended.code == 1
    assert ended.event("process.stopping")["reason"].startswith(
        "root task 'collector' failed: LookupError: nothing"
    )
    assert ended.event("task.failed")["task"] == "collector"
    assert "hidden" not in sample.log


async def test_a_signal_while_the_service_is_being_built_stops_what_was_opened(start: Start) -> None:
    sample = await start(serving=False, GROVE_SAMPLE_BUILD="wait")
    await sample.until_logged("process.starting")

    sample.send(signal.SIGTERM)
    ended = await sample.ended()

    assert ended.code == 0
    assert not sample.port_file.exists()


async def _until_unresponsive(sample: Sample) -> None:
    while True:
        try:
            async with asyncio.timeout(0.3):
                await sample.ready()
        except TimeoutError:
            return
