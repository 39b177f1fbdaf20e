"""The whole suite on free ports in a folder of its own, and the twins to load it with."""

import asyncio
import json
import signal
import sys
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

_READY_DEADLINE_S = 60.0
_ROWS_AT_ONCE = 500
_POLL_S = 1.0
_QUIET_POLLS = 10
"""Longer than the register takes to look for what is left."""
_PORTS = ("MQTT", "MQTT_WS", "HTTP", "API", "BOOTSTRAP", "NATS", "STORE")


@dataclass(frozen=True, slots=True)
class Suite:
    """Where the running suite is.

    Attributes:
        pids: Of every process of it, by name.
        health: Where each service tells of itself.
    """

    http: str
    mqtt: str
    api: str
    api_key: str
    mongodb: str
    started_in_s: float
    pids: Mapping[str, int]
    health: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Twin:
    """An endpoint to send for."""

    app_version: str
    token: str
    endpoint_id: str


@asynccontextmanager
async def running_suite(directory: Path, **settings: str) -> AsyncIterator[Suite]:
    """Start the suite with ``settings`` and stop it again; its logs stay in ``directory``."""
    environment = {f"GROVE_{name}_PORT": "0" for name in _PORTS} | settings
    began = time.monotonic()
    log = await asyncio.to_thread((directory / "runner.log").open, "wb")
    runner = await asyncio.create_subprocess_exec(
        "env",
        *(f"{name}={value}" for name, value in environment.items()),
        sys.executable,
        "-m",
        "deploy.local",
        "run",
        "--quiet",
        "--data-dir",
        str(directory),
        start_new_session=True,
        stdout=log,
        stderr=log,
    )
    try:
        ready = await _ready(directory / "ready.json", runner)
        yield Suite(
            http=ready["http"],
            mqtt=ready["mqtt"],
            api=ready["api"],
            api_key=ready["apiKey"],
            mongodb=ready["mongodb"],
            started_in_s=time.monotonic() - began,
            pids=_pids(ready),
            health={name: replicas[0]["health"] for name, replicas in ready["services"].items()},
        )
    finally:
        if runner.returncode is None:
            runner.send_signal(signal.SIGINT)
        await runner.wait()
        log.close()


def _pids(ready: dict[str, Any]) -> dict[str, int]:
    found = {name: replicas[0]["pid"] for name, replicas in ready["services"].items()}
    return found | {name: entry["pid"] for name, entry in ready["infrastructure"].items()}


async def _ready(path: Path, runner: asyncio.subprocess.Process) -> dict[str, Any]:
    async with asyncio.timeout(_READY_DEADLINE_S):
        while not await asyncio.to_thread(path.exists):
            if runner.returncode is not None:
                raise SystemExit(f"the suite did not start; its logs are in {path.parent}")
            await asyncio.sleep(0.05)
    ready: dict[str, Any] = json.loads(await asyncio.to_thread(path.read_text))
    return ready


async def create_twins(suite: Suite, *, count: int) -> list[Twin]:
    """Create an application with ``count`` endpoints, imported over REST."""
    headers = {"Authorization": f"Bearer {suite.api_key}"}
    unlimited = aiohttp.ClientTimeout(total=None)
    async with aiohttp.ClientSession(
        suite.api, headers=headers, timeout=unlimited, raise_for_status=True
    ) as session:
        async with session.post("/tekton/api/v1/applications", json={"displayName": "bench"}) as answer:
            application = (await answer.json())["name"]
        versions = f"/tekton/api/v1/applications/{application}/app-versions"
        async with session.post(versions, json={"nameSuffix": "v1"}) as answer:
            version = (await answer.json())["name"]
        twins: list[Twin] = []
        while len(twins) < count:  # on a busy machine a row may be answered 503
            more = await _import(session, version, count - len(twins))
            if not more:
                raise SystemExit("no endpoint could be created")
            twins += more
        return twins


async def metric(suite: Suite, service: str, series: str) -> float:
    """What a service counts under a name with its labels, as /metrics writes it; 0.0 = nothing yet."""
    async with (
        aiohttp.ClientSession(raise_for_status=True) as session,
        session.get(f"{suite.health[service]}/metrics") as answer,
    ):
        lines = (await answer.text()).splitlines()
    values = [line.rpartition(" ") for line in lines]
    return next((float(value) for name, _, value in values if name == series), 0.0)


async def until_told(suite: Suite) -> float:
    """Wait until the events of all new endpoints have left, which is work as well; returns seconds."""
    began, quiet = time.perf_counter(), 0
    while quiet < _QUIET_POLLS:
        waiting = await metric(suite, "endpoint-register", "grove_endpoint_register_outboxes")
        quiet = 0 if waiting else quiet + 1
        await asyncio.sleep(_POLL_S)
    return time.perf_counter() - began


async def _import(session: aiohttp.ClientSession, version: str, count: int) -> list[Twin]:
    twins: list[Twin] = []
    async with session.post(
        "/epr/api/v1/endpoints/import",
        params={"applicationVersionName": version},
        data=_rows(count),
        headers={"Content-Type": "text/csv"},
    ) as answer:
        async for line in answer.content:
            told = json.loads(line)
            if "token" in told:
                twins.append(Twin(app_version=version, token=told["token"], endpoint_id=told["endpointId"]))
    return twins


async def _rows(count: int) -> AsyncIterator[bytes]:
    yield b"number:number\n"
    for start in range(0, count, _ROWS_AT_ONCE):
        yield b"".join(b"%d\n" % number for number in range(start, min(start + _ROWS_AT_ONCE, count)))
