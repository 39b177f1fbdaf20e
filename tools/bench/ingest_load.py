"""A light QoS 1 load in a process of its own: prebuilt PUBLISH frames on raw sockets, PUBACKs counted.

``python -m tools.bench.ingest_load`` reads a :class:`Plan` from its first line of standard input, connects,
sends every topic once, says ``ready``, and for each further line, a number of messages, sends as many, of all
topics in turn, and answers with a :class:`Result`. Every connection keeps a window of messages outstanding
and sends half of it again when half of it was acknowledged. Latency is that of the last message of such a
half, from the write to its PUBACK, so it counts the whole wait behind the others; all other messages are
only counted.
"""

import asyncio
import itertools
import math
import sys
import time
from collections import deque
from collections.abc import Callable, Sequence
from statistics import quantiles
from typing import Final, cast

import msgspec
import uvloop

from tools.bench.mqtt_load import publish

_PUBACK_BYTES: Final = 4
_PACKET_IDS: Final = 65_535
_CONNACK: Final = b"\x20\x02\x00\x00"
_CONNECTING_AT_ONCE: Final = 50
_LEAST_LATENCIES: Final = 2
_MS: Final = 1000.0


class Plan(msgspec.Struct):
    """What to send.

    Attributes:
        host: Where to, with ``port``.
        topics: Of each connection.
        window: Messages a connection may have outstanding.
        payload: Of every message.
        patience_s: How long a round may take; then it ends with what was acknowledged.
    """

    host: str
    port: int
    topics: list[list[str]]
    window: int
    payload: str
    patience_s: float = 120.0


class Result(msgspec.Struct):
    """What came of a round.

    Attributes:
        acknowledged: PUBACKs.
        seconds: From the first write to the last PUBACK.
        p50_ms: Median of the sampled latencies, 0 if there are too few.
        p99_ms: Their 99th percentile.
        cpu_s: That this process took.
        lost_connections: Ended by the server, up to now.
    """

    acknowledged: int
    seconds: float
    p50_ms: float
    p99_ms: float
    cpu_s: float
    lost_connections: int


class Client(asyncio.Protocol):
    """One connection. Whatever arrives is a PUBACK: topics of the plan have no request id."""

    def __init__(self, plan: Plan, topics: Sequence[str], settled: Callable[[], None]) -> None:
        payload, half = plan.payload.encode(), max(1, plan.window // 2)
        self.hello = [publish(topic, payload) for topic in topics]
        count = half * max(2, math.ceil(len(topics) / half))
        frames = [
            publish(topic, payload, packet_id=number % _PACKET_IDS + 1)
            for number, topic in zip(range(count), itertools.cycle(topics), strict=False)
        ]
        self.halves = [b"".join(frames[start : start + half]) for start in range(0, count, half)]
        self.half = half
        self.acknowledged = 0
        self.taken: list[float] = []
        self.lost = False
        self._settled = settled
        self._transport: asyncio.WriteTransport | None = None
        self._connected = False
        self._blocks: Sequence[bytes] = ()
        self._size = self._left = self._unread = 0
        self._sent_at: deque[float] = deque()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Say who we are."""
        self._transport = cast("asyncio.WriteTransport", transport)
        name = b"load-%x" % id(self)
        body = b"\x00\x04MQTT\x04\x02\x00\x00" + len(name).to_bytes(2, "big") + name
        self._transport.write(bytes((0x10, len(body))) + body)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio.Protocol
        """Wait for nothing more."""
        self.lost = True
        if self._sent_at or not self._connected:
            self._settled()

    def data_received(self, data: bytes) -> None:
        """Count."""
        if not self._connected:
            if data != _CONNACK:
                raise SystemExit(f"a client of the load was refused: {data.hex()}")
            self._connected = True
            self._settled()
            return
        self._unread += len(data)
        if self._unread < _PUBACK_BYTES * self._size:
            return
        now = time.perf_counter()
        while self._sent_at and self._unread >= _PUBACK_BYTES * self._size:
            self._unread -= _PUBACK_BYTES * self._size
            self.acknowledged += self._size
            self.taken.append(now - self._sent_at.popleft())
            self._next()
        if not self._sent_at:
            self._settled()

    def send(self, blocks: Sequence[bytes], *, size: int, count: int, outstanding: int = 2) -> None:
        """Send ``count`` blocks of ``size`` messages in turn; settled when all are told."""
        self._blocks, self._size, self._left = blocks, size, count
        self.acknowledged, self.taken = 0, []
        for _ in range(outstanding):
            self._next()

    def _next(self) -> None:
        if self._left and self._transport is not None and not self.lost:
            self._transport.write(self._blocks[self._left % len(self._blocks)])
            self._sent_at.append(time.perf_counter())
            self._left -= 1


class Load:
    """All connections of a plan."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._waiting = 0
        self._done = asyncio.Event()
        self._clients = [Client(plan, topics, self._settle) for topics in plan.topics]

    async def connect(self) -> None:
        """Open all connections, and have every topic let in."""
        loop, plan = asyncio.get_running_loop(), self._plan
        for start in range(0, len(self._clients), _CONNECTING_AT_ONCE):
            clients = iter(self._clients[start : start + _CONNECTING_AT_ONCE])
            count = len(self._clients[start : start + _CONNECTING_AT_ONCE])
            self._expect(count)
            for _ in range(count):
                await loop.create_connection(clients.__next__, plan.host, plan.port)
            await self._finish()
        self._expect(len(self._clients))
        for client in self._clients:
            # One at a time: the first message of a topic costs writes, and waits for 10 s at most.
            client.send(client.hello, size=1, count=len(client.hello), outstanding=1)
        await self._finish()

    async def send(self, messages: int) -> Result:
        """Send about so many messages, the same number over each connection."""
        cpu, began = time.process_time(), time.perf_counter()
        self._expect(len(self._clients))
        for client in self._clients:
            count = max(2, round(messages / len(self._clients) / client.half))
            client.send(client.halves, size=client.half, count=count)
        await self._finish()
        seconds = time.perf_counter() - began
        taken = [each for client in self._clients for each in client.taken]
        cuts = quantiles(taken, n=100, method="inclusive") if len(taken) >= _LEAST_LATENCIES else [0.0] * 99
        return Result(
            acknowledged=sum(client.acknowledged for client in self._clients),
            seconds=seconds,
            p50_ms=cuts[49] * _MS,
            p99_ms=cuts[98] * _MS,
            cpu_s=time.process_time() - cpu,
            lost_connections=sum(client.lost for client in self._clients),
        )

    def _expect(self, count: int) -> None:
        self._waiting = count
        self._done.clear()

    def _settle(self) -> None:
        self._waiting -= 1
        if self._waiting <= 0:
            self._done.set()

    async def _finish(self) -> None:
        try:
            async with asyncio.timeout(self._plan.patience_s):
                await self._done.wait()
        except TimeoutError:
            print(f"{self._waiting} connections of the load wait for PUBACKs", file=sys.stderr)


async def _main() -> None:
    plan = msgspec.json.decode(await asyncio.to_thread(sys.stdin.readline), type=Plan)
    load = Load(plan)
    await load.connect()
    print("ready", flush=True)
    while line := await asyncio.to_thread(sys.stdin.readline):
        print(msgspec.json.encode(await load.send(int(line))).decode(), flush=True)


if __name__ == "__main__":
    uvloop.run(_main())
