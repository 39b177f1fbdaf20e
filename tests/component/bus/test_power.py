"""What JetStream acknowledged is on the disk: counted in the system calls of the server (rule "Power").

Needs strace and the right to use it; CI has both.
"""

import asyncio
import contextlib
import shutil
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from statistics import median

import pytest

from libs.bus import Bus
from tests.component.bus.messages import announce, stream_of
from tests.support.servers import NatsServer

_SYNCS = "fsync,fdatasync,sync_file_range,msync"
_DELAY_MS = 5
_IDLE_GOAL_MS = 15
"""An idle path flushes at once: one sync, the way there and back, and what a shared machine takes."""


@asynccontextmanager
async def traced(server: NatsServer, log: Path, *options: str) -> AsyncIterator[None]:
    """Trace what a server syncs while the block runs; skips where that is not possible."""
    strace = shutil.which("strace")
    if strace is None:
        pytest.skip("strace is not installed here")
    process = await asyncio.create_subprocess_exec(
        strace,
        *("-f", "-p", str(server.pid), "-o", str(log), "-e", f"trace={_SYNCS}", *options),
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stderr is not None
    try:
        async with asyncio.timeout(10):
            said = await process.stderr.readline()
        if b"attached" not in said:
            pytest.skip(f"strace may not look at processes here: {said.decode().strip()}")
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        await process.communicate()


def syncs_in(log: Path) -> int:
    """Count calls that succeeded, and those of which two lines tell once."""
    lines = log.read_text(errors="replace").splitlines()
    return sum(line.rstrip().endswith("= 0") or "= 0 (DELAYED)" in line for line in lines)


async def test_every_acknowledged_event_was_synced(bus: Bus, nats: NatsServer, tmp_path: Path) -> None:
    await bus.ensure_stream(stream_of(bus))
    log = tmp_path / "syncs"

    async with traced(nats, log):
        for number in range(50):
            await announce(bus, number)

    assert syncs_in(log) >= 50


async def test_on_a_slow_disk_an_idle_path_waits_for_one_sync_and_no_more(
    bus: Bus, nats: NatsServer, tmp_path: Path
) -> None:
    await bus.ensure_stream(stream_of(bus))
    took_ms = []

    async with traced(nats, tmp_path / "syncs", "-e", f"inject={_SYNCS}:delay_exit={_DELAY_MS}ms"):
        for number in range(30):
            began = time.perf_counter()
            await announce(bus, number)
            took_ms.append(1000 * (time.perf_counter() - began))

    assert _DELAY_MS <= median(took_ms) <= _IDLE_GOAL_MS + _DELAY_MS
