"""The other end of :mod:`tools.bench.ingest_load`: a load process, and rounds of it."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final
from urllib.parse import urlsplit

import msgspec

from tools.bench.ingest_load import Plan, Result
from tools.bench.suite import Twin

_READY_S: Final = 60.0
_PATIENCE_S: Final = 120.0
_LET_IN_PER_S: Final = 100
"""The least that is expected of first messages: each writes that its token is in use."""
_OUTSTANDING: Final = 20_000
"""Messages of all connections together: more than a transport has on their way, less than it may hold."""
_MOST_OUTSTANDING: Final = 1_000


def plan(url: str, twins: list[Twin], connections: int, payload: str) -> Plan:
    """Plan ``/json`` messages for all twins, dealt out to the connections; each has at least one."""
    topics = [f"kp1/{twin.app_version}/dcx/{twin.token}/json" for twin in twins]
    return plan_topics(url, [topics[number::connections] for number in range(connections)], payload)


def plan_topics(url: str, topics: list[list[str]], payload: str, *, outstanding: int = _OUTSTANDING) -> Plan:
    """Plan messages for these topics of each connection, with the same number outstanding for any of them."""
    parts = urlsplit(url)
    return Plan(
        host=parts.hostname or "",
        port=parts.port or 0,
        topics=topics,
        window=min(_MOST_OUTSTANDING, outstanding // len(topics)),
        payload=payload,
        patience_s=_PATIENCE_S + sum(map(len, topics)) / _LET_IN_PER_S,
    )


class Loader:
    """A load process that is connected."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def send(self, messages: int) -> Result:
        """Send about so many messages, as fast as they are acknowledged."""
        await self._tell(b"%d\n" % messages)
        return msgspec.json.decode(await self._line(), type=Result)

    async def start(self, plan: Plan) -> None:
        """Connect; returns when every topic was let in."""
        await self._tell(msgspec.json.encode(plan) + b"\n")
        async with asyncio.timeout(_READY_S + plan.patience_s):
            await self._line()

    async def _tell(self, line: bytes) -> None:
        assert self._process.stdin is not None  # noqa: S101 - it is a pipe
        self._process.stdin.write(line)
        await self._process.stdin.drain()

    async def _line(self) -> bytes:
        assert self._process.stdout is not None  # noqa: S101 - it is a pipe
        line = await self._process.stdout.readline()
        if not line:
            raise SystemExit("the load process ended; see above")
        return line


@asynccontextmanager
async def loading(plan: Plan) -> AsyncIterator[Loader]:
    """Start a load process and end it again."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tools.bench.ingest_load",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        loader = Loader(process)
        await loader.start(plan)
        yield loader
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
