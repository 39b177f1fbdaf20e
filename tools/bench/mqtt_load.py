"""A light MQTT 3.1.1 client: prebuilt packets on raw sockets, so that we time the server."""

import asyncio
from typing import Final
from urllib.parse import urlsplit

_CONNACK: Final = 0x20
_PUBLISH: Final = 0x30
_PUBACK: Final = 0x40
_KIND: Final = 0xF0
_MORE: Final = 0x80
_QOS: Final = 0x06
_ANSWER_ID_AT: Final = 2


class MqttConnection:
    """One client; one request at a time."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def open(cls, url: str, client_id: str) -> "MqttConnection":
        """Connect to the host and port of ``url``, with a clean session."""
        parts = urlsplit(url)
        connection = cls(*await asyncio.open_connection(parts.hostname, parts.port))
        name = client_id.encode()
        body = b"\x00\x04MQTT\x04\x02\x00\x3c" + _text(name)
        connection._writer.write(b"\x10" + _length(len(body)) + body)
        kind, _, answer = await connection._packet()
        if kind != _CONNACK or answer[1]:
            raise SystemExit(f"the suite refused an MQTT client: {answer.hex()}")
        return connection

    async def exchange(self, request: bytes) -> tuple[str, bytes]:
        """Send a prebuilt PUBLISH; returns the answer's topic and payload once the PUBACK is here too."""
        self._writer.write(request)
        acknowledged, told = False, None
        while not acknowledged or told is None:
            kind, flags, body = await self._packet()
            if kind == _PUBACK:
                acknowledged = True
            elif kind == _PUBLISH:
                told = self._take(flags, body)
        return told

    async def close(self) -> None:
        self._writer.write(b"\xe0\x00")
        self._writer.close()
        await self._writer.wait_closed()

    def _take(self, flags: int, body: bytes) -> tuple[str, bytes]:
        end = 2 + int.from_bytes(body[:2], "big")
        topic = body[2:end].decode()
        if flags & _QOS:
            self._writer.write(b"\x40\x02" + body[end : end + _ANSWER_ID_AT])
            end += _ANSWER_ID_AT
        return topic, body[end:]

    async def _packet(self) -> tuple[int, int, bytes]:
        head = (await self._reader.readexactly(1))[0]
        size = shift = 0
        while True:
            byte = (await self._reader.readexactly(1))[0]
            size |= (byte & ~_MORE) << shift
            shift += 7
            if byte < _MORE:
                return head & _KIND, head & ~_KIND, await self._reader.readexactly(size)


def publish(topic: str, payload: bytes, *, packet_id: int = 1) -> bytes:
    """Build a PUBLISH of QoS 1."""
    body = _text(topic.encode()) + packet_id.to_bytes(2, "big") + payload
    return b"\x32" + _length(len(body)) + body


def _text(value: bytes) -> bytes:
    return len(value).to_bytes(2, "big") + value


def _length(size: int) -> bytes:
    encoded = bytearray()
    while True:
        size, digit = divmod(size, _MORE)
        encoded.append(digit | (_MORE if size else 0))
        if not size:
            return bytes(encoded)
