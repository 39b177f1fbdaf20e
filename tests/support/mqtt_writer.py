"""A device that never stops updating its metadata over MQTT, and remembers what was acknowledged to it.

The counterpart of :class:`tests.support.load.Writer`: one QoS 1 message at a time, sent again after a lost
connection until its PUBACK is here, as any MQTT client does.
"""

import asyncio
from typing import Final
from urllib.parse import urlsplit

from libs.contracts.payload import encode_json
from tests.support.load import REFUSED, Writer
from tests.support.mqtt_packets import Connect, Received, ack, publish, read_publish
from tests.support.rest import Twin

_CONNACK, _PUBLISH, _PUBACK = 2, 3, 4
_PACKET_IDS: Final = 65_535
_SILENCE_S: Final = 30.0
NOT_ACKNOWLEDGED: Final = "error without acknowledgement"


class MqttWriter(Writer):
    """One twin whose device speaks MQTT."""

    def __init__(self, twin: Twin, url: str) -> None:
        super().__init__(twin)
        parts = urlsplit(url)
        self._address = (parts.hostname, parts.port)
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None
        self.connects = 0

    async def run(self) -> None:
        """Update until cancelled."""
        try:
            await super().run()
        finally:
            self._drop()

    async def update(self, key: str, number: int) -> int | str:
        """Send until it is acknowledged; an error that comes without acknowledgement is told as such."""
        try:
            async with asyncio.timeout(_SILENCE_S):
                await self._connect()
                return await self._exchange(key, number)
        except TimeoutError:
            self._drop()
            return "silence"
        except (OSError, asyncio.IncompleteReadError):
            self._drop()
            return REFUSED

    def message(self, key: str, number: int) -> tuple[str, bytes]:
        """Say what is published: topic and payload."""
        return f"kp1/{self.twin.app_version}/epmx/{self.twin.token}/update/keys", encode_json({key: number})

    async def _connect(self) -> None:
        if self._writer is not None:
            return
        self._reader, self._writer = await asyncio.open_connection(*self._address)
        self.connects += 1
        self._writer.write(Connect(client_id=f"device {self.twin.endpoint_id}", keep_alive_s=30).encode())
        received = await self._read()
        if received.kind != _CONNACK or received.code:
            raise ConnectionError(received)

    async def _exchange(self, key: str, number: int) -> int | str:
        assert self._writer is not None
        packet_id = number % _PACKET_IDS + 1
        topic, payload = self.message(key, number)
        self._writer.write(publish(topic, payload, qos=1, packet_id=packet_id))
        while True:
            received = await self._read()
            if received.kind == _PUBACK and received.packet_id == packet_id:
                return 200
            if received.kind == _PUBLISH:
                told = read_publish(received)
                self._writer.write(ack(_PUBACK, told.packet_id) if told.qos else b"")
                return NOT_ACKNOWLEDGED

    async def _read(self) -> Received:
        assert self._reader is not None
        head = await self._reader.readexactly(2)
        size, shift = head[1] & 127, 7
        while head[-1] & 128:
            head += await self._reader.readexactly(1)
            size |= (head[-1] & 127) << shift
            shift += 7
        body = await self._reader.readexactly(size)
        return Received(head[0] >> 4, head[0] & 15, body, head + body)

    def _drop(self) -> None:
        if self._writer is not None:
            self._writer.close()
        self._reader = self._writer = None
