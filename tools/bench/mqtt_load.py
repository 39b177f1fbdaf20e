"""A light MQTT 3.1.1 client: prebuilt packets on raw sockets, so that we time the server."""

import asyncio
from typing import Final, NamedTuple
from urllib.parse import urlsplit

_CONNACK: Final = 0x20
_PUBLISH: Final = 0x30
_PUBACK: Final = 0x40
_KIND: Final = 0xF0
_MORE: Final = 0x80
_QOS: Final = 0x06
_ANSWER_ID_AT: Final = 2

PING: Final = b"\xc0\x00"
"""A PINGREQ."""


class Told(NamedTuple):
    """What the server published to us."""

    topic: str
    payload: bytes


class MqttConnection:
    """One client: :meth:`exchange` for one request at a time, :meth:`send` and :meth:`received` for many."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def open(cls, url: str, client_id: str) -> "MqttConnection":
        """Connect to the host and port of ``url``, with a clean session and a keep alive of 60 s.

        Raises:
            OSError: Nobody is there, or the server does not let us in.
            EOFError: The server closed the connection.
        """
        parts = urlsplit(url)
        connection = cls(*await asyncio.open_connection(parts.hostname, parts.port))
        try:
            await connection._enter(client_id)
        except BaseException:
            connection.drop()
            raise
        return connection

    async def _enter(self, client_id: str) -> None:
        body = b"\x00\x04MQTT\x04\x02\x00\x3c" + _text(client_id.encode())
        self._writer.write(b"\x10" + _length(len(body)) + body)
        kind, _, answer = await self._packet()
        if kind != _CONNACK or answer[1]:
            raise ConnectionRefusedError(f"the suite refused an MQTT client: {answer.hex()}")

    async def exchange(self, request: bytes) -> Told:
        """Send a prebuilt PUBLISH; returns the answer once the PUBACK is here too."""
        self.send(request)
        acknowledged, told = False, None
        while not acknowledged or told is None:
            packet = await self.received()
            if isinstance(packet, Told):
                told = packet
            elif packet is not None:
                acknowledged = True
        return told

    @property
    def lost(self) -> bool:
        """Whether nothing can be sent any more; :meth:`received` says why."""
        return self._writer.is_closing()

    def send(self, packet: bytes) -> None:
        """Send a prebuilt packet, unless the connection is lost.

        Whoever sends many limits how many wait for a PUBACK.
        """
        if not self.lost:  # uvloop raises RuntimeError for a write after the end
            self._writer.write(packet)

    async def received(self) -> int | Told | None:
        """Return the packet id of the next PUBACK or what the server publishes; None for anything else.

        Raises:
            OSError: The connection is lost.
            EOFError: The server closed it.
        """
        kind, flags, body = await self._packet()
        if kind == _PUBACK:
            return int.from_bytes(body[:2], "big")
        return self._take(flags, body) if kind == _PUBLISH else None

    def drop(self) -> None:
        """Close without a word, as a device that loses its network."""
        self._writer.close()

    async def acknowledged(self, request: bytes) -> None:
        """Send a prebuilt PUBLISH; returns when its PUBACK is here.

        Raises:
            OSError: The connection is lost.
            EOFError: The server closed it.
        """
        self.send(request)
        while not isinstance(await self.received(), int):
            pass

    async def close(self) -> None:
        self.send(b"\xe0\x00")
        self._writer.close()
        await self._writer.wait_closed()

    def _take(self, flags: int, body: bytes) -> Told:
        end = 2 + int.from_bytes(body[:2], "big")
        topic = body[2:end].decode()
        if flags & _QOS:
            self.send(b"\x40\x02" + body[end : end + _ANSWER_ID_AT])
            end += _ANSWER_ID_AT
        return Told(topic, body[end:])

    async def _packet(self) -> tuple[int, int, bytes]:
        head = (await self._reader.readexactly(1))[0]
        size = shift = 0
        while True:
            byte = (await self._reader.readexactly(1))[0]
            size |= (byte & ~_MORE) << shift
            shift += 7
            if byte < _MORE:
                return head & _KIND, head & ~_KIND, await self._reader.readexactly(size)


def publish(topic: str, payload: bytes, *, packet_id: int = 1, again: bool = False) -> bytes:
    """Build a PUBLISH of QoS 1; ``again`` marks one that was sent before."""
    body = _text(topic.encode()) + packet_id.to_bytes(2, "big") + payload
    return (b"\x3a" if again else b"\x32") + _length(len(body)) + body


def _text(value: bytes) -> bytes:
    return len(value).to_bytes(2, "big") + value


def _length(size: int) -> bytes:
    encoded = bytearray()
    while True:
        size, digit = divmod(size, _MORE)
        encoded.append(digit | (_MORE if size else 0))
        if not size:
            return bytes(encoded)
