"""What the baseline starts: stores that can be killed, Mosquitto, and the paho script behind it."""

import asyncio
import shutil
import socket
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final, Self

from pymongo import AsyncMongoClient
from pymongo.errors import PyMongoError

from deploy.local.store_server import store_argv, store_url

_START_S: Final = 30.0
_LOOK_EVERY_S: Final = 0.5
_QUIET_LOOKS: Final = 4
_PATH: Final = "/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin:/opt/homebrew/sbin"

Place = tuple[str, str]
"""A database and a collection."""


def find_mosquitto() -> str | None:
    """Where Mosquitto is, if it is installed."""
    return shutil.which("mosquitto", path=_PATH)


def free_port() -> int:
    """Find a port that nobody uses now."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


class Store:
    """An embedded store of our own, for either side: nobody else starts it again."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._port = free_port()
        self._process: asyncio.subprocess.Process | None = None
        self.url = store_url(self._port)
        self._client = AsyncMongoClient[dict[str, Any]](self.url, serverSelectionTimeoutMS=1000)

    @classmethod
    @asynccontextmanager
    async def running(cls, directory: Path) -> AsyncIterator[Self]:
        """Start one and end it."""
        await asyncio.to_thread(directory.mkdir, parents=True)
        store = cls(directory)
        try:
            await store._start()
            yield store
        finally:
            await store._client.close()
            await store._kill()

    async def killed_for(self, seconds: float) -> None:
        """Kill it, and start it again after a while."""
        await self._kill()
        await asyncio.sleep(seconds)
        await self._start()

    async def count(self, place: Place) -> int:
        """Documents of a collection; waits for a store that is away."""
        database, collection = place
        while True:
            try:
                documents = self._client.get_database(database).get_collection(collection)
                return await documents.estimated_document_count()
            except PyMongoError:
                await asyncio.sleep(_LOOK_EVERY_S)

    async def settled(self, place: Place) -> int:
        """Documents of a collection, once their number stands still."""
        last, quiet = -1, 0
        while quiet < _QUIET_LOOKS:
            now = await self.count(place)
            quiet, last = (quiet + 1, last) if now == last else (0, now)
            await asyncio.sleep(_LOOK_EVERY_S)
        return last

    async def reached(self, place: Place, count: int, *, within_s: float) -> tuple[int, float]:
        """Documents when there are so many, or when none has come for a while; and when the last had come."""
        last, moved_at = -1, time.perf_counter()
        while True:
            now, at = await self.count(place), time.perf_counter()
            if now != last:
                last, moved_at = now, at
            if now >= count or at - moved_at > within_s:
                return now, moved_at
            await asyncio.sleep(_LOOK_EVERY_S)

    async def _start(self) -> None:
        log = await asyncio.to_thread((self._directory / "log").open, "ab")
        argv = store_argv(self._directory, port=self._port)
        self._process = await asyncio.create_subprocess_exec(*argv, stdout=log, stderr=log)
        log.close()
        ends_at = time.monotonic() + _START_S
        while time.monotonic() < ends_at:
            try:
                await self._client.admin.command("ping")
            except PyMongoError:
                await asyncio.sleep(_LOOK_EVERY_S)
            else:
                return
        raise SystemExit(f"the store did not start; see {self._directory}/log")

    async def _kill(self) -> None:
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
            await self._process.wait()


@asynccontextmanager
async def mosquitto(directory: Path) -> AsyncIterator[int]:
    """Run Mosquitto on a free port with its defaults, which is what people do; gives the port."""
    port = free_port()
    config = directory / "mosquitto.conf"
    config.write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\n")
    process = await asyncio.create_subprocess_exec(
        find_mosquitto() or "mosquitto", "-c", str(config), stderr=asyncio.subprocess.DEVNULL
    )
    try:
        ends_at = time.monotonic() + _START_S
        while time.monotonic() < ends_at:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(_LOOK_EVERY_S)
            else:
                writer.close()
                break
        yield port
    finally:
        process.terminate()
        await process.wait()


@asynccontextmanager
async def paho_script(port: int, store_url: str) -> AsyncIterator[None]:
    """Run the script until the block ends."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tools.bench.paho_store", str(port), store_url, stdout=asyncio.subprocess.PIPE
    )
    try:
        assert process.stdout is not None  # noqa: S101 - it is a pipe
        async with asyncio.timeout(_START_S):
            await process.stdout.readline()
        yield
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
