"""A light HTTP/1.1 client: prebuilt requests on kept-alive sockets, so that we time the server."""

import asyncio
from urllib.parse import urlsplit

_HEADER_END = b"\r\n\r\n"
_LENGTH = b"content-length:"


class HttpConnection:
    """One kept-alive connection; one request at a time."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def open(cls, url: str) -> "HttpConnection":
        """Connect to the host and port of ``url``."""
        parts = urlsplit(url)
        return cls(*await asyncio.open_connection(parts.hostname, parts.port))

    async def exchange(self, request: bytes) -> tuple[int, bytes]:
        """Send prebuilt bytes and read one response; returns status and body."""
        self._writer.write(request)
        head = await self._reader.readuntil(_HEADER_END)
        body = await self._reader.readexactly(_content_length(head))
        return int(head[9:12]), body

    async def close(self) -> None:
        self._writer.close()
        await self._writer.wait_closed()


def post(url: str, path: str, body: bytes) -> bytes:
    """Build a POST as curl sends it."""
    head = (
        f"POST {path} HTTP/1.1\r\nHost: {urlsplit(url).netloc}\r\n"
        f"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def _content_length(head: bytes) -> int:
    for line in head.lower().split(b"\r\n"):
        if line.startswith(_LENGTH):
            return int(line[len(_LENGTH) :])
    return 0
