"""One connection byte by byte, and what a transport holds meanwhile."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from prometheus_client import REGISTRY

from tests.component.http_transport.conftest import Transport
from tests.support.owners import VERSION
from tests.support.waiting import eventually


class Raw:
    """One connection on which the test writes what it likes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self.writer = writer

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def answer(self) -> tuple[int, dict[str, str], bytes]:
        """Read one response."""
        head = (await self._reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = {
            name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:] if line)
        }
        body = await self._reader.readexactly(int(headers.get("content-length", "0")))
        return int(head[0].split()[1]), headers, body

    async def closed(self) -> bytes:
        """Wait until the other side closes; returns what it still said."""
        return await self._reader.read()


@asynccontextmanager
async def connected(transport: Transport) -> AsyncIterator[Raw]:
    reader, writer = await asyncio.open_connection("127.0.0.1", transport.port)
    try:
        async with asyncio.timeout(20):
            yield Raw(reader, writer)
    finally:
        writer.close()


def post(path: str, body: bytes = b"", *headers: str) -> bytes:
    lines = [f"POST {path} HTTP/1.1", "Host: grove", *headers]
    if not any(line.startswith(("Content-Length", "Transfer-Encoding")) for line in headers):
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode() + body


def path_for(transport: Transport, *, endpoint_id: str = "ep") -> str:
    return f"/kp1/{VERSION}/epmx/{transport.owners.new_token(endpoint_id=endpoint_id)}/get"


async def send_dripping(raw: Raw, data: bytes) -> None:
    for byte in data:
        await raw.send(bytes([byte]))
        await asyncio.sleep(0.02)


async def is_asked(transport: Transport) -> bool:
    return bool(transport.owners.received)


async def holds(transport: Transport, count: int) -> bool:
    return transport.gauge("grove_http_body_bytes") > count


def refusals() -> float:
    found = REGISTRY.get_sample_value(
        "grove_http_cut_off_total", {"listener": "http", "reason": "too many bytes in flight"}
    )
    return found or 0.0


async def held(transport: Transport, count: int) -> None:
    async def holds() -> bool:
        return transport.gauge("grove_http_body_bytes") == count

    await eventually(holds, what=f"{count} bytes of bodies are held")
