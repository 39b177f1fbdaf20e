"""A NATS proxy that misbehaves: loses acknowledgements, stops reading, greets with nonsense, cuts."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

_PUBACK = b'{"stream":'


class BadProxy:
    """Forwards everything between clients and the server, except as the test wishes."""

    def __init__(self, server_url: str) -> None:
        self._server = urlsplit(server_url)
        self.pubacks_to_lose = 0
        self.lost = 0
        self.port = 0
        self.rude = False
        self.greeted = 0
        self._clients: dict[asyncio.StreamWriter, asyncio.Event] = {}

    @property
    def clients(self) -> int:
        return len(self._clients)

    def freeze(self) -> None:
        """Read no more from those who are connected now."""
        for reading in self._clients.values():
            reading.clear()

    def cut(self) -> None:
        for writer, reading in self._clients.items():
            writer.transport.abort()
            reading.set()

    @property
    def url(self) -> str:
        return f"nats://{self._server.username}:{self._server.password}@127.0.0.1:{self.port}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        reading = self._clients[writer] = asyncio.Event()
        reading.set()
        try:
            if self.rude:
                self.greeted += 1
                writer.write(b"HELLO\r\n")
                await reader.read()
            else:
                await self._forward(reader, writer, reading)
        except* (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            del self._clients[writer]
            writer.transport.abort()

    async def _forward(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, reading: asyncio.Event
    ) -> None:
        back, forth = await asyncio.open_connection("127.0.0.1", self._server.port)
        try:
            async with asyncio.TaskGroup() as tasks:
                ways = [
                    tasks.create_task(self._questions(reader, forth, reading)),
                    tasks.create_task(self._answers(back, writer)),
                ]
                await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
                for way in ways:
                    way.cancel()
        finally:
            forth.transport.abort()

    async def _questions(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, reading: asyncio.Event
    ) -> None:
        while chunk := await reader.read(65536):
            await reading.wait()
            writer.write(chunk)
            await writer.drain()

    async def _answers(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            frame = line
            if line.startswith((b"MSG ", b"HMSG ")):
                payload = await reader.readexactly(int(line.split()[-1]) + 2)
                if payload.startswith(_PUBACK) and self.pubacks_to_lose > 0:
                    self.pubacks_to_lose -= 1
                    self.lost += 1
                    continue
                frame += payload
            writer.write(frame)
            await writer.drain()


@asynccontextmanager
async def bad_proxy(server_url: str) -> AsyncIterator[BadProxy]:
    proxy = BadProxy(server_url)
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    proxy.port = server.sockets[0].getsockname()[1]
    async with server:
        yield proxy
        proxy.cut()
