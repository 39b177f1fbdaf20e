"""Thousands of broken requests from a printed seed: each is answered or cut off, and nothing else happens."""

import asyncio
import random
import re
from collections import Counter
from typing import Any

import structlog

from tests.component.http_transport.conftest import StartTransport, Transport
from tests.support.owners import VERSION
from tests.support.waiting import eventually

_ROUNDS = 12
_CONNECTIONS = 40
_PIPELINED = 5
_STATUS = re.compile(rb"HTTP/1\.[01] (\d{3}) ")
_PIECES = [
    *(
        b"\r\n",
        b"\n",
        b"\x00",
        b"%",
        b"%2F",
        b"//",
        b"..",
        b":",
        b" ",
        b"\t",
        b"\xff\xfe",
        b"http://",
        b"?",
        b"#",
    ),
    *(b"HTTP/1.1", b"HTTP/1.0", b"0\r\n\r\n", b"ffffffffff\r\n", b"x" * 9000, b"Host: b\r\n"),
    *(b"Content-Length: 5\r\n", b"Content-Length: 99999999999999999999\r\n"),
    *(b"Transfer-Encoding: chunked\r\n", b"Transfer-Encoding: gzip\r\n", b"Content-Encoding: gzip\r\n"),
    *(b"Connection: close\r\n", b"Upgrade: websocket\r\nConnection: upgrade\r\n"),
    *(b"Expect: 100-continue\r\n", b"Expect: a miracle\r\n", b"CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n"),
]


def corpus(token: str) -> list[bytes]:
    path = f"/kp1/{VERSION}/epmx/{token}/get".encode()
    return [
        b"POST %s HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}" % path,
        b"POST %s HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n" % path,
        b"POST %s HTTP/1.0\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n" % path,
        b"GET / HTTP/1.1\r\nHost: a\r\nCorrelation-ID: x\r\n\r\n",
        b"HEAD %s HTTP/1.1\r\nHost: a\r\n\r\n" % path,
        b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
    ]


def mutated(chance: random.Random, data: bytes) -> bytes:
    for _ in range(max(0, chance.randint(-5, 3))):
        at = chance.randrange(len(data) + 1)
        match chance.randrange(4):
            case 0:
                data = data[:at] + chance.choice(_PIECES) + data[at:]
            case 1:
                data = data[:at] + data[at + chance.randint(1, 10) :]
            case 2:
                data = data[:at] + bytes([chance.randrange(256)]) + data[at + 1 :]
            case _:
                data = data[:at] + data[max(0, at - 20) :]
    return data


async def test_mutated_requests_disturb_nobody(start: StartTransport, soak_seed: int) -> None:
    transport = await start(head_s=0.2, body_s=0.2, idle_s=0.2)
    chance = random.Random(soak_seed)
    failures: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: failures.append(context))
    valid = corpus(transport.owners.new_token())
    outcomes: Counter[bytes] = Counter()

    with structlog.testing.capture_logs() as logs:
        for _ in range(_ROUNDS):
            streams = [
                b"".join(mutated(chance, chance.choice(valid)) for _ in range(_PIPELINED))
                for _ in range(_CONNECTIONS)
            ]
            async with asyncio.timeout(30):
                for answered in await asyncio.gather(
                    *(_say(transport, stream, chance.randint(1, 400)) for stream in streams)
                ):
                    outcomes[answered] += 1

    assert failures == []
    assert [line for line in logs if line["log_level"] == "error"] == []
    assert set(outcomes) <= {b"", b"200", b"400", b"401", b"404", b"405", b"408", b"413", b"415", b"431"}
    assert outcomes[b""] < outcomes.total() / 20, "hardly anybody goes without an answer"
    await eventually(lambda: _holds_nothing(transport), what="all bytes are given back")
    assert (await transport.update(transport.owners.new_token())).status == 200


async def _holds_nothing(transport: Transport) -> bool:
    return transport.gauge("grove_http_body_bytes") == 0


async def _say(transport: Transport, stream: bytes, piece: int) -> bytes:
    """Send in pieces, hear everything, and return the status of the last answer."""
    reader, writer = await asyncio.open_connection("127.0.0.1", transport.port)
    try:
        for start in range(0, len(stream), piece):
            if writer.transport.is_closing():
                break
            writer.write(stream[start : start + piece])
            await asyncio.sleep(0)
        heard = await reader.read()
    except ConnectionError:
        return b""
    finally:
        writer.close()
    return _STATUS.findall(heard)[-1] if heard else b""
