"""Device HTTP in TLS: the same answers, renewed certificates, and nobody waits for a stalled handshake."""

import asyncio
import ssl
from pathlib import Path

import aiohttp
import pytest

from tests.component.http_transport.conftest import StartTransport, Transport
from tests.support.certificates import Certificate, new_certificate
from tests.support.owners import VERSION
from tests.support.waiting import eventually


@pytest.fixture
def certificate(tmp_path: Path) -> Certificate:
    return new_certificate(tmp_path)


@pytest.fixture
async def secure(start: StartTransport, certificate: Certificate) -> Transport:
    return await start(certificate=certificate)


async def test_a_device_is_answered_in_tls_and_in_the_clear(
    secure: Transport, certificate: Certificate
) -> None:
    token = secure.owners.new_token()

    in_tls = await _call(secure, certificate, token)
    in_the_clear = await secure.update(token, b"{}")

    assert in_tls == (200, b"{}")
    assert in_the_clear.status == 200


async def test_a_renewed_certificate_is_shown_to_newcomers(
    secure: Transport, certificate: Certificate
) -> None:
    token = secure.owners.new_token()
    certificate.renew()

    async def believed() -> bool:
        return await _call(secure, certificate, token) == (200, b"{}")

    assert await eventually(believed, what="the new certificate is believed")


async def test_plain_http_on_the_tls_port_is_dropped(secure: Transport) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", secure.process.ports["httpTls"])
    writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    async with asyncio.timeout(5):
        said = await reader.read()
    writer.close()

    assert b"HTTP/1.1 200" not in said


async def test_stalled_handshakes_delay_nobody(secure: Transport, certificate: Certificate) -> None:
    port = secure.process.ports["httpTls"]
    stalled = [await asyncio.open_connection("127.0.0.1", port) for _ in range(200)]
    for _, writer in stalled:
        writer.write(b"\x16\x03\x01")

    async with asyncio.timeout(5):
        answered = [await _call(secure, certificate, secure.owners.new_token()) for _ in range(5)]
    for _, writer in stalled:
        writer.transport.abort()

    assert answered == [(200, b"{}")] * 5


async def _call(transport: Transport, certificate: Certificate, token: str) -> tuple[int, bytes]:
    context = ssl.create_default_context(cafile=certificate.certificate)
    url = f"https://127.0.0.1:{transport.process.ports['httpTls']}/kp1/{VERSION}/epmx/{token}/update/keys"
    async with (
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=context)) as http,
        http.post(url, data=b"{}") as answer,
    ):
        return answer.status, await answer.read()
