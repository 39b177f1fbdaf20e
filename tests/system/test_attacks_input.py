"""Requests that once stopped everybody else: each of these was a real hole."""

import asyncio
import time
import zlib
from collections.abc import Awaitable, Callable
from typing import TypeVar
from urllib.parse import urlsplit

from tests.support.rest import Operator
from tests.support.stack import Stack

T = TypeVar("T")

_MIB = 1024 * 1024
_FELT_S = 1.0
"""A bystander waits milliseconds; each of these attacks cost seconds."""


async def test_compressed_body_of_a_stranger_delays_nobody(rest: Operator, suite: Stack) -> None:
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    bomb = b"".join(packer.compress(bytes(_MIB)) for _ in range(300)) + packer.flush()

    attack = asyncio.gather(*(_post_nowhere(suite.api, bomb) for _ in range(5)))
    waited_s = await _longest_wait_s(lambda: rest.call("GET", "/openapi.json"), until=attack)

    assert waited_s < _FELT_S


async def test_conditions_made_of_commas_delay_no_device(rest: Operator) -> None:
    twin = await rest.new_twin()
    path = f"/epr/api/v1/endpoints/{twin.endpoint_id}/metadata"
    commas = '"a"' + "," * 7900 + "x"

    attack = asyncio.gather(*(rest.call("GET", path, If_None_Match=commas) for _ in range(30)))
    waited_s = await _longest_wait_s(twin.get, until=attack)

    assert waited_s < _FELT_S
    assert {answer.status for answer in await attack} == {400}


async def test_what_follows_a_declined_upgrade_is_not_quoted_in_the_log(suite: Stack) -> None:
    upgrade = (
        "POST /kp1/a-v1/epmx/t/get HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
    )
    secret = "behind-an-upgrade"

    answer = await _talk(suite.http, f"{upgrade}POST /kp1/{secret} HTTP/1.1\nHost: x\n\n".encode())

    assert b"malformed HTTP" in answer
    assert secret not in (suite.data / "logs" / "http-transport-0.log").read_text()


async def _longest_wait_s(ask: Callable[[], Awaitable[object]], *, until: "asyncio.Future[list[T]]") -> float:
    longest_s = 0.0
    while True:
        began = time.perf_counter()
        await ask()
        longest_s = max(longest_s, time.perf_counter() - began)
        if until.done():
            return longest_s


async def _post_nowhere(api: str, body: bytes) -> bytes:
    head = (
        "POST /nowhere HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
        f"Content-Encoding: gzip\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return await _talk(api, head.encode() + body)


async def _talk(url: str, data: bytes) -> bytes:
    """Send bytes and return all that comes back until the other side closes."""
    parts = urlsplit(url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    try:
        writer.write(data)
        async with asyncio.timeout(30):
            return await reader.read()
    finally:
        writer.close()
