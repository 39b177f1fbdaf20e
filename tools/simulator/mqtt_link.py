"""Samples over one MQTT connection, QoS 1, for one tree or for all of them."""

import asyncio
import time
from collections.abc import Mapping
from typing import Final

from tools.bench.mqtt_load import PING, MqttConnection, Told, publish
from tools.simulator.ledger import Ledger
from tools.simulator.links import FIRST_PAUSE_S, LONGEST_PAUSE_S, Message, is_final, refusal
from tools.simulator.problem import words

_PACKET_IDS: Final = 65_535
_WINDOW: Final = 500
"""Unacknowledged samples of one connection; the suite stops reading at 1,000."""
_CONNECT_S: Final = 10.0
_PING_S: Final = 15.0
_SILENCE_S: Final = 45.0
_ERROR: Final = "/error"


class MqttLink:
    """See :class:`tools.simulator.links.Link`.

    Each sample is a request with its number as request id, so that a refusal names the sample it is about.

    Args:
        url: Of the suite.
        client_id: Of this connection.
        ledger: Where acknowledgements go.
        trees: Tree by topic, of all that this connection speaks for.
    """

    def __init__(self, url: str, *, client_id: str, ledger: Ledger, trees: Mapping[str, int]) -> None:
        self._url = url
        self._client_id = client_id
        self._ledger = ledger
        self._trees = trees
        self._connection: MqttConnection | None = None
        self._waiting: dict[int, Message] = {}
        self._room = asyncio.Semaphore(_WINDOW)
        self._packet_id = 0

    async def room(self) -> None:
        """Wait for an acknowledgement when too many are due."""
        await self._room.acquire()

    def send(self, message: Message) -> None:
        """Send now, or as soon as there is a connection."""
        packet_id = self._packet_id % _PACKET_IDS + 1
        while packet_id in self._waiting:
            packet_id = packet_id % _PACKET_IDS + 1
        self._packet_id = packet_id
        self._waiting[packet_id] = message
        self._write(packet_id, message)

    async def run(self) -> None:
        """Connect again and again, more slowly while it does not help."""
        pause_s, known = FIRST_PAUSE_S, False
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._ping(), name=f"pings of {self._client_id}")
            while True:
                try:
                    async with asyncio.timeout(_CONNECT_S):
                        connection = await MqttConnection.open(self._url, self._client_id)
                    self._ledger.reconnects += known
                    pause_s, known = FIRST_PAUSE_S, True
                    await self._converse(connection)
                except (OSError, EOFError) as error:
                    self._ledger.trouble = f"connection: {words(error)}"
                await asyncio.sleep(pause_s)
                pause_s = min(2 * pause_s, LONGEST_PAUSE_S)

    async def _converse(self, connection: MqttConnection) -> None:
        self._connection = connection
        self._ledger.connected += 1
        try:
            for packet_id, message in self._waiting.items():
                self._write(packet_id, message)
            async with asyncio.timeout(_SILENCE_S) as silence:
                while True:
                    self._take(await connection.received())
                    silence.reschedule(asyncio.get_running_loop().time() + _SILENCE_S)
        finally:
            self._ledger.connected -= 1
            self._connection = None
            connection.drop()

    async def _ping(self) -> None:
        while True:
            await asyncio.sleep(_PING_S)
            if self._connection is not None:
                self._connection.send(PING)

    def _write(self, packet_id: int, message: Message) -> None:
        if self._connection is None or self._connection.lost:
            return
        topic = f"{message.topic}/{message.n}"
        again = message.tries > 0
        self._connection.send(publish(topic, message.payload, packet_id=packet_id, again=again))
        message.tries += 1
        self._ledger.sent_again += again

    def _take(self, packet: int | Told | None) -> None:
        if isinstance(packet, Told):
            if packet.topic.endswith(_ERROR):
                self._refused(packet)
        elif packet is not None and (message := self._waiting.pop(packet, None)):
            self._room.release()
            took_s = time.monotonic() - message.published_s
            self._ledger.acknowledge(message.tree, message.n, took_s=took_s)

    def _refused(self, told: Told) -> None:
        """A refusal for good is acknowledged as well; any other will be sent again, when we connect again."""
        topic, _, n = told.topic.removesuffix(_ERROR).rpartition("/")
        status, reason = refusal(told.payload)
        self._ledger.trouble = reason
        if is_final(status) and topic in self._trees:
            self._ledger.refuse(self._trees[topic], int(n), reason)
