"""A NATS proxy that loses acknowledgements of JetStream on the way back."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

_PUBACK = b'{"stream":'


class LossyProxy:
    """Forwards everything between one client at a time and the server, less what is to be lost."""

    def __init__(self, server_url: str) -> None:
        self._server = urlsplit(server_url)
        self.pubacks_to_lose = 0
        self.lost = 0
        self.port = 0

    @property
    def url(self) -> str:
        return f"nats://{self._server.username}:{self._server.password}@127.0.0.1:{self.port}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        back, forth = await asyncio.open_connection("127.0.0.1", self._server.port)
        try:
            async with asyncio.TaskGroup() as tasks:
                up = tasks.create_task(_copy(reader, forth))
                down = tasks.create_task(self._answers(back, writer))
                await asyncio.wait([up, down], return_when=asyncio.FIRST_COMPLETED)
                up.cancel()
                down.cancel()
        finally:
            for end in (writer, forth):
                end.transport.abort()

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
async def lossy_proxy(server_url: str) -> AsyncIterator[LossyProxy]:
    proxy = LossyProxy(server_url)
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    proxy.port = server.sockets[0].getsockname()[1]
    async with server:
        yield proxy


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while chunk := await reader.read(65536):
        writer.write(chunk)
        await writer.drain()
