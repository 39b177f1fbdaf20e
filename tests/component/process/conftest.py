"""Start the sample service as a real process and watch it from outside."""

import asyncio
import itertools
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from aiohttp import ClientSession

from tests.support.waiting import eventually

ROOT = Path(__file__).parents[3]


class Ended(NamedTuple):
    code: int
    events: list[dict[str, Any]]
    errors: str

    def event(self, name: str) -> dict[str, Any]:
        return next(each for each in self.events if each["event"] == name)


class Sample:
    """A running sample service, its ports and its log."""

    def __init__(self, process: asyncio.subprocess.Process, directory: Path, client: ClientSession) -> None:
        self._process = process
        self._directory = directory
        self.client = client
        self.port_file = directory / "ports.json"

    @property
    def pid(self) -> int:
        return self._process.pid

    def port(self, listener: str) -> int:
        port: int = json.loads(self.port_file.read_text())["ports"][listener]
        return port

    async def raw(self, listener: str, request: bytes) -> bytes:
        """Send bytes on a connection of their own; returns all that is said until it is closed."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port(listener))
        try:
            writer.write(request)
            async with asyncio.timeout(10):
                return await reader.read()
        finally:
            writer.close()

    @property
    def log(self) -> str:
        return (self._directory / "out.log").read_text()

    def url(self, listener: str, path: str) -> str:
        return f"http://127.0.0.1:{json.loads(self.port_file.read_text())['ports'][listener]}{path}"

    async def ready(self) -> tuple[int, dict[str, Any]]:
        async with self.client.get(self.url("health", "/ready")) as response:
            return response.status, await response.json()

    async def post(self, path: str) -> None:
        async with self.client.post(self.url("http", path)) as response:
            assert response.status == 200

    def send(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def release(self) -> None:
        (self._directory / "release").touch()

    async def until_logged(self, event: str) -> None:
        async def logged() -> bool:
            return f'"event": "{event}"' in self.log

        await eventually(logged, what=f"{event} in the log")

    async def ended(self, within_s: float = 15.0) -> Ended:
        async with asyncio.timeout(within_s):
            code = await self._process.wait()
        events = [json.loads(line) for line in self.log.splitlines()]
        return Ended(code, events, (self._directory / "err.log").read_text())

    async def discard(self) -> None:
        if self._process.returncode is None:
            self._process.kill()
            await self._process.wait()


Start = Callable[..., Awaitable[Sample]]


@pytest.fixture
async def start(tmp_path: Path) -> AsyncIterator[Start]:
    """Start samples; `serving=False` does not wait until one is ready, `open_files` is the soft limit."""
    async with AsyncExitStack() as stack:
        client = await stack.enter_async_context(ClientSession())

        numbers = itertools.count()

        def fresh_directory() -> Path:
            directory = tmp_path / f"sample{next(numbers)}"
            directory.mkdir()
            return directory

        async def start_sample(
            *, serving: bool = True, open_files: int | None = None, **environ: str
        ) -> Sample:
            sample = await stack.enter_async_context(
                _sample(fresh_directory(), client, environ, open_files=open_files)
            )

            async def is_serving() -> bool:
                return sample.port_file.exists()

            if serving:
                await eventually(is_serving, what="the sample serves")
            return sample

        yield start_sample


@asynccontextmanager
async def _sample(
    directory: Path, client: ClientSession, environ: dict[str, str], *, open_files: int | None
) -> AsyncIterator[Sample]:
    limited = ["sh", "-c", f'ulimit -S -n {open_files} && exec "$@"', "sh"] if open_files else []
    inherited = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}  # noqa: TID251 - for a child
    with (directory / "out.log").open("wb") as out, (directory / "err.log").open("wb") as err:
        process = await asyncio.create_subprocess_exec(
            *limited,
            sys.executable,
            "-m",
            "tests.support.sample_service",
            cwd=ROOT,
            env={
                **inherited,
                "GROVE_NATS_URL": "nats://user:hidden@127.0.0.1:1",
                "GROVE_PORT_FILE": str(directory / "ports.json"),
                "GROVE_SAMPLE_RELEASE_FILE": str(directory / "release"),
                **environ,
            },
            stdout=out,
            stderr=err,
        )
    sample = Sample(process, directory, client)
    try:
        yield sample
    finally:
        await sample.discard()
