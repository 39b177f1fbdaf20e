"""An MQTT link against a server that loses connections and refuses samples."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from tests.support.mqtt_packets import Publish, Received, ack, packet, publish, read_publish
from tests.support.waiting import eventually
from tools.simulator.ledger import Ledger
from tools.simulator.links import Message
from tools.simulator.mqtt_link import MqttLink

_TOPIC = "kp1/olives-v1/dcx/token/json"
_CONNECT, _PUBLISH, _PUBACK = 1, 3, 4
_CONNACK = packet(0x20, b"\0\0")


class Server:
    """Lets everyone in, remembers what it is sent, and does with each sample what it is told to."""

    def __init__(self) -> None:
        self.heard: list[Publish] = []
        self.connections = 0
        self.acknowledges = True
        self.hangs_up = False
        self.refusal: bytes | None = None

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while not writer.is_closing():
                self._take(await self._packet(reader), writer)
        except asyncio.IncompleteReadError:
            pass
        finally:
            writer.close()

    def _take(self, received: Received, writer: asyncio.StreamWriter) -> None:
        if received.kind == _CONNECT:
            writer.write(_CONNACK)
        elif received.kind == _PUBLISH:
            heard = read_publish(received)
            self.heard.append(heard)
            if self.refusal is not None:
                writer.write(publish(f"{heard.topic}/error", self.refusal, qos=1, packet_id=9))
            if self.acknowledges:
                writer.write(ack(_PUBACK, heard.packet_id))
            if self.hangs_up:
                writer.close()

    async def _packet(self, reader: asyncio.StreamReader) -> Received:
        head, size = await reader.readexactly(2)
        assert size < 128, "samples of these tests are short"
        body = await reader.readexactly(size)
        return Received(head >> 4, head & 15, body, bytes((head, size)) + body)


@asynccontextmanager
async def linked(server: Server) -> AsyncIterator[tuple[Callable[[], Awaitable[None]], Ledger]]:
    """Run a link to the server; gives what sends a sample, and the ledger."""
    ledger = Ledger(1)
    listening = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    port = listening.sockets[0].getsockname()[1]
    url = f"mqtt://127.0.0.1:{port}"
    link = MqttLink(url, client_id="tree", ledger=ledger, trees={_TOPIC: 0})

    async def send() -> None:
        await link.room()
        link.send(Message(0, ledger.next_number(0), _TOPIC, b"{}", time.monotonic()))

    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(link.run(), name="link")
        yield send, ledger
        running.cancel()
    listening.close()
    await listening.wait_closed()


async def settled(ledger: Ledger) -> None:
    async def all_settled() -> bool:
        return not ledger.waiting

    await eventually(all_settled, what="every sample is acknowledged or refused")


async def test_a_sample_is_a_request_with_its_number() -> None:
    server = Server()
    async with linked(server) as (send, ledger):
        await send()
        await settled(ledger)

    assert [(each.topic, each.payload, each.qos, each.dup) for each in server.heard] == [
        (f"{_TOPIC}/1", b"{}", 1, False)
    ]
    assert ledger.accounts[0].promised == {1}
    assert (ledger.sent_again, ledger.reconnects, ledger.connected) == (0, 0, 0)


async def test_what_was_not_acknowledged_is_sent_again_over_the_next_connection() -> None:
    server = Server()
    server.acknowledges, server.hangs_up = False, True
    async with linked(server) as (send, ledger):
        await send()

        async def lost() -> bool:
            return len(server.heard) == 1

        await eventually(lost, what="the first connection is lost")
        server.acknowledges, server.hangs_up = True, False
        await send()
        await settled(ledger)

    assert [(each.topic[-2:], each.dup) for each in server.heard] == [
        ("/1", False),
        ("/1", True),
        ("/2", False),
    ]
    assert ledger.accounts[0].promised == {1, 2}
    assert (ledger.sent_again, ledger.reconnects) == (1, 1)


async def test_a_refusal_for_good_is_no_promise_although_it_is_acknowledged() -> None:
    server = Server()
    server.refusal = b'{"statusCode": 403, "reasonPhrase": "token is suspended"}'
    async with linked(server) as (send, ledger):
        await send()
        await settled(ledger)

    assert (ledger.accounts[0].promised, ledger.refused) == (set(), 1)
    assert ledger.trouble == "403 token is suspended"


async def test_a_refusal_that_may_pass_leaves_the_sample_waiting() -> None:
    server = Server()
    server.refusal, server.acknowledges = b'{"statusCode": 503, "reasonPhrase": "away"}', False
    async with linked(server) as (send, ledger):
        await send()

        async def told() -> bool:
            return ledger.trouble == "503 away"

        await eventually(told, what="the error has come")

    assert (ledger.waiting, ledger.refused) == (1, 0)
