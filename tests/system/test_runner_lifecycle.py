"""The runner from outside: started, hurt and stopped as a process, over stand-ins for the services."""

import asyncio
import os
import signal
import time
from pathlib import Path

import aiohttp
import pymongo
import pytest

from tests.support.fake_stack import command
from tests.support.stack import Runner, Stack, running_stack
from tests.support.waiting import eventually

pytestmark = pytest.mark.timeout(90)


async def get_json(url: str) -> dict[str, str]:
    async with aiohttp.ClientSession() as session, session.get(url) as response:
        content: dict[str, str] = await response.json()
        return content


def processes_below(data: Path) -> list[int]:
    """Ids of all processes that were started with this data directory, the runner's own kind included."""
    return [
        int(process.name)
        for process in Path("/proc").iterdir()
        if process.name.isdecimal() and str(data).encode() in _start_of(process)
    ]


def _start_of(process: Path) -> bytes:
    try:
        return (process / "environ").read_bytes() + (process / "cmdline").read_bytes()
    except OSError:
        return b""


async def until_gone(data: Path, *, deadline_s: float = 5.0) -> None:
    async def gone() -> bool:
        return not processes_below(data)

    await eventually(gone, what="no process is left", deadline_s=deadline_s)


async def test_ready_json_tells_where_everything_is_and_each_service_only_its_secrets(tmp_path: Path) -> None:
    async with running_stack(tmp_path, command=command("whole"), replicas={"http-transport": 2}) as stack:
        content = stack.runner.content()
        mode = (stack.data / "ready.json").stat().st_mode & 0o777

        assert mode == 0o600
        assert content["http"] == content["services"]["http-transport"][0]["url"]
        assert content["nats"].startswith("nats://observer:")
        assert {"api", "mqtt", "mqttWs", "bootstrap"}.isdisjoint(content)
        assert [set(entry) for entry in content["services"]["http-transport"]] == [
            {"replica", "pid", "health", "url"}
        ] * 2
        assert content["services"]["credential-manager"][0]["url"] is None
        for entry in content["services"]["http-transport"]:
            assert (await get_json(f"{entry['health']}/ready"))["status"] == "ready"
        await sees_only_its_own_secrets(stack)

    assert not (stack.data / "ready.json").exists()


async def sees_only_its_own_secrets(stack: Stack) -> None:
    keeper_of_secrets = await get_json(f"{stack.health_of('credential-manager')}/environment")
    front_door = await get_json(f"{stack.http}/environment")

    assert keeper_of_secrets["GROVE_ADMIN_KEY"] == stack.api_key
    assert keeper_of_secrets["GROVE_NATS_URL"].startswith("nats://credential-manager:")
    assert keeper_of_secrets["GROVE_MONGODB_URL"] == stack.mongodb
    assert front_door["GROVE_NATS_URL"].startswith("nats://http-transport:")
    assert {"GROVE_ADMIN_KEY", "GROVE_SECRETS_KEY", "GROVE_MONGODB_URL"}.isdisjoint(front_door)


async def test_keys_are_made_once_and_the_environment_overrules_them(tmp_path: Path) -> None:
    async with running_stack(tmp_path, command=command("alone")) as first:
        pass
    async with running_stack(tmp_path, command=command("alone")) as second:
        pass
    async with running_stack(tmp_path, command=command("alone"), env={"GROVE_ADMIN_KEY": "given"}) as third:
        pass

    assert first.api_key == second.api_key
    assert third.api_key == "given"
    assert "given" not in (third.data / "secrets.json").read_text()
    assert first.api_key not in (first.data / "logs" / "runner-0.log").read_text()


async def test_killed_processes_are_replaced_at_their_old_addresses(tmp_path: Path) -> None:
    async with running_stack(tmp_path, command=command("whole")) as stack:
        names = ("nats", "store", "credential-manager", "http-transport")
        before = stack.runner.content()
        pids = {name: stack.pid_of(name) for name in names}

        for name in names:
            await stack.kill(name)
        for name in names:
            await stack.ready(name)

        after = stack.runner.content()
        assert without_identities(after) == without_identities(before)
        assert not set(pids.values()) & {stack.pid_of(name) for name in names}
        for name in names:
            assert f"{name} ended by SIGKILL; started again in 0.5 s" in stack.runner.output.read_text()


def without_identities(content: object) -> object:
    """What must be the same after a restart: all but pid and replica, at any depth."""
    if isinstance(content, dict):
        return {
            key: without_identities(value) for key, value in content.items() if key not in {"pid", "replica"}
        }
    if isinstance(content, list):
        return [without_identities(item) for item in content]
    return content


async def test_data_stays_when_the_store_is_killed_and_the_stack_restarted(tmp_path: Path) -> None:
    def add(number: int, *, to: Stack) -> None:
        with pymongo.MongoClient[dict[str, int]](to.mongodb) as client:
            client.test.kept.insert_one({"_id": number})

    def found_in(stack: Stack) -> list[int]:
        with pymongo.MongoClient[dict[str, int]](stack.mongodb) as client:
            return sorted(document["_id"] for document in client.test.kept.find())

    async with running_stack(tmp_path, command=command("whole"), only=("store",)) as stack:
        await asyncio.to_thread(add, 1, to=stack)
        await stack.kill("store")
        await stack.ready("store")
        await asyncio.to_thread(add, 2, to=stack)
    async with running_stack(tmp_path, command=command("whole"), only=("store",)) as stack:
        found = await asyncio.to_thread(found_in, stack)

    assert found == [1, 2]


async def test_ctrl_c_stops_everything_in_reverse_order_within_ten_seconds(tmp_path: Path) -> None:
    runner = Runner(tmp_path / "data", command=command("whole"))
    await runner.wait_ready()

    began = time.monotonic()
    os.killpg(runner.process.pid, signal.SIGINT)
    code = await runner.wait_end()

    assert code == 0
    assert time.monotonic() - began < 10
    assert not processes_below(runner.data)
    assert not (runner.data / "ready.json").exists()
    assert (runner.data / "logs" / "http-transport-0.log").read_text() == "stops\n"


async def test_ctrl_c_while_starting_stops_what_has_started(tmp_path: Path) -> None:
    runner = Runner(tmp_path / "data", command=command("unready"))

    async def has_started() -> bool:
        return (runner.data / "run" / "http-transport-0.json").exists()

    await eventually(has_started, what="the first process runs")
    code = await runner.stop()

    assert code == 0
    assert not processes_below(runner.data)


async def test_killing_the_runner_leaves_no_process_and_no_ready_json(tmp_path: Path) -> None:
    runner = Runner(tmp_path / "data", command=command("whole"))
    await runner.wait_ready()
    assert len(processes_below(runner.data)) > 5

    runner.process.kill()
    await runner.wait_end()

    await until_gone(runner.data)
    assert not (runner.data / "ready.json").exists()
    async with running_stack(tmp_path, command=command("whole")) as stack:
        assert stack.runner.content()["services"]


async def test_killing_the_runner_while_it_starts_leaves_no_process(tmp_path: Path) -> None:
    for pause_s in (0.3, 0.6, 0.8):
        runner = Runner(tmp_path / "data", command=command("whole"))
        await asyncio.sleep(pause_s)  # the moment is the point; what follows holds for any
        runner.process.kill()
        await runner.wait_end()

        await until_gone(runner.data)


async def test_a_process_that_does_not_stop_is_killed_and_named(tmp_path: Path) -> None:
    runner = Runner(tmp_path / "data", command=command("stubborn"))
    await runner.wait_ready()

    began = time.monotonic()
    runner.process.send_signal(signal.SIGTERM)
    code = await runner.wait_end()

    assert code == 1
    assert time.monotonic() - began < 11
    assert "http-transport did not stop in time and was killed" in runner.output.read_text()
    assert not processes_below(runner.data)


async def test_a_second_ctrl_c_kills_at_once(tmp_path: Path) -> None:
    runner = Runner(tmp_path / "data", command=command("stubborn"))
    await runner.wait_ready()

    began = time.monotonic()
    runner.process.send_signal(signal.SIGINT)
    await eventually(lambda: is_stopping(runner), what="the first signal was seen")
    runner.process.send_signal(signal.SIGINT)
    code = await runner.wait_end()

    assert code == 130
    assert time.monotonic() - began < 3
    await until_gone(runner.data)


async def is_stopping(runner: Runner) -> bool:
    return not (runner.data / "ready.json").exists()


async def test_a_crash_loop_is_retried_ever_more_slowly(tmp_path: Path) -> None:
    async with running_stack(tmp_path, command=command("crash")) as stack:

        async def third_crash() -> bool:
            return "started again in 2 s" in stack.runner.output.read_text()

        await eventually(third_crash, what="three crashes", deadline_s=15)
        told = [line for line in stack.runner.output.read_text().splitlines() if "started again" in line]

    assert told[:3] == [
        f"http-transport ended with exit code 3; started again in {delay} s" for delay in ("0.5", "1", "2")
    ]
