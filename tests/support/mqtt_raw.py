"""A client that writes what the test likes, byte by byte, and reads whole packets."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import cast

from tests.support import mqtt_packets as packets
from tests.support.mqtt_packets import V3_1_1, Connect, Publish, Received

_DEADLINE_S = 20.0


class Raw:
    """One connection; made and ended by :func:`raw_client`."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, version: int = V3_1_1
    ) -> None:
        self._reader = reader
        self.writer = writer
        self.version = version

    async def send(self, *data: bytes) -> None:
        self.writer.write(b"".join(data))
        await self.writer.drain()

    async def packet(self) -> Received:
        """Read one packet.

        Raises:
            IncompleteReadError: The other side has closed.
        """
        raw = await self._reader.readexactly(2)
        while raw[-1] & 0x80:
            raw += await self._reader.readexactly(1)
        size = sum((byte & 0x7F) << 7 * index for index, byte in enumerate(raw[1:]))
        return packets.read_packets(raw + await self._reader.readexactly(size))[0]

    async def packets(self, count: int) -> list[Received]:
        return [await self.packet() for _ in range(count)]

    async def connect(self, connect: Connect | None = None) -> Received:
        """Send a CONNECT and read its answer."""
        await self.send((connect or Connect(version=self.version, client_id="")).encode())
        return await self.packet()

    async def answer(self) -> Publish:
        """Read up to the next PUBLISH."""
        while True:
            received = await self.packet()
            if received.kind == 3:
                return packets.read_publish(received, version=self.version)

    async def closed(self) -> bytes:
        """Wait until the other side closes, however; what it still said."""
        said = b""
        try:
            while data := await self._reader.read(65_536):
                said += data
        except ConnectionError:
            pass
        return said

    def read_no_more(self) -> None:
        """Let what the other side says lie in its buffers."""
        cast("asyncio.Transport", self.writer.transport).pause_reading()

    def read_again(self) -> None:
        """Read on."""
        cast("asyncio.Transport", self.writer.transport).resume_reading()

    def abort(self) -> None:
        """Vanish."""
        self.writer.transport.abort()


@asynccontextmanager
async def raw_client(
    port: int, *, version: int = V3_1_1, deadline_s: float = _DEADLINE_S
) -> AsyncIterator[Raw]:
    """Open a TCP connection to a port of 127.0.0.1; all that is done with it has one deadline."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        async with asyncio.timeout(deadline_s):
            yield Raw(reader, writer, version=version)
    finally:
        writer.transport.abort()
