"""More bodies than memory, while NATS is frozen and answers nothing: the budget holds, and all heals."""

import asyncio
import json
import os
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from libs.bus import Bus
from libs.contracts.kp1 import MAX_PAYLOAD_BYTES
from tests.support.owners import VERSION, Owners
from tests.support.servers import NatsServer
from tests.support.waiting import eventually

_CONNECTIONS = 1500
_ENDPOINTS = 100
_STRANGERS = 4000
_STRANGERS_LIMIT_MIB = 350
_LIMIT_MIB = 400
"""50 for the process, 64 for the bodies, the rest for copies on their way to NATS and for sockets."""

_ROOT = Path(__file__).parents[3]


@pytest.mark.soak
@pytest.mark.timeout(180)
@pytest.mark.parametrize("excess", [0, MAX_PAYLOAD_BYTES], ids=["bodies", "bodies and what is no HTTP"])
async def test_a_flood_while_nats_is_frozen_stays_within_memory(
    own_nats: NatsServer, tmp_path: Path, excess: int
) -> None:
    bus = await Bus.connect(url=own_nats.url, service="endpoint-register", replica="owners")
    owners = Owners(bus, bus)
    await owners.serve()
    tokens = [owners.new_token(endpoint_id=f"ep{number}") for number in range(_ENDPOINTS)]
    async with running_service(own_nats, tmp_path) as (pid, port):
        for token in tokens:
            assert await post(port, token, b"{}", excess=0) == b"200"

        await own_nats.pause()
        async with asyncio.TaskGroup() as devices:
            calls = [
                devices.create_task(
                    post(port, tokens[n % _ENDPOINTS], b"x" * MAX_PAYLOAD_BYTES, excess=excess)
                )
                for n in range(_CONNECTIONS)
            ]
            peak_mib = devices.create_task(watch_memory(pid, calls))
        await own_nats.resume()

        async def served() -> bool:
            return await post(port, tokens[0], b"{}", excess=0) == b"200"

        await eventually(served, what="devices are served again")
    await bus.close()
    outcomes = Counter(call.result() for call in calls)
    assert set(outcomes) <= {b"503", b"504"}
    assert peak_mib.result() < _LIMIT_MIB


async def watch_memory(pid: int, calls: list[asyncio.Task[bytes]]) -> float:
    peak_mib = 0.0
    while not all(call.done() for call in calls):
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])  # noqa: ASYNC240 - no disk is read
        peak_mib = max(peak_mib, pages * os.sysconf("SC_PAGE_SIZE") / 2**20)
        await asyncio.sleep(0.02)
    return peak_mib


async def post(port: int, token: str, body: bytes, *, excess: int, missing: int = 0) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        length = len(body) + missing
        head = f"POST /kp1/{VERSION}/epmx/{token}/get HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n"
        writer.write(head.encode() + body + b"x" * excess)
        return (await reader.readuntil(b"\r\n"))[9:12]
    finally:
        writer.close()


@pytest.mark.soak
@pytest.mark.timeout(180)
async def test_a_flood_of_strangers_nobody_can_identify_stays_within_memory(
    own_nats: NatsServer, tmp_path: Path
) -> None:
    async with running_service(own_nats, tmp_path) as (pid, port):
        await own_nats.pause()
        async with asyncio.TaskGroup() as strangers:
            calls = [
                strangers.create_task(
                    post(port, f"stranger{n}", b"x" * (MAX_PAYLOAD_BYTES - 144), excess=0, missing=144)
                )
                for n in range(_STRANGERS)
            ]
            peak_mib = strangers.create_task(watch_memory(pid, calls))
        await own_nats.resume()

    assert {call.result() for call in calls} <= {b"503", b"504"}
    assert peak_mib.result() < _STRANGERS_LIMIT_MIB


@asynccontextmanager
async def running_service(nats: NatsServer, directory: Path) -> AsyncIterator[tuple[int, int]]:
    port_file = directory / "ports.json"

    async def serving() -> bool:
        return await asyncio.to_thread(port_file.exists)

    with (directory / "service.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "services.http_transport"),
            cwd=_ROOT,
            env={
                "GROVE_NATS_URL": nats.url_for("http-transport"),
                "GROVE_NATS_DURABILITY": "synced",
                "GROVE_HTTP_PORT": "0",
                "GROVE_PORT_FILE": str(port_file),
            },
            stdout=log,
        )
    try:
        await eventually(serving, what="the service serves")
        yield process.pid, json.loads(port_file.read_text())["ports"]["http"]
    finally:
        process.terminate()
        await process.wait()
