"""MQTT in TLS: the same device, certificates that are renewed, and clients that never finish a handshake."""

import asyncio
import logging
import ssl
from pathlib import Path

import aiomqtt
import pytest
from cryptography import x509
from structlog.testing import capture_logs

from tests.component.mqtt_transport.conftest import StartTransport, Transport
from tests.support.certificates import Certificate, new_certificate
from tests.support.mqtt_packets import Connect
from tests.support.mqtt_raw import raw_client
from tests.support.mqtt_witness import undisturbed
from tests.support.waiting import eventually


@pytest.fixture
def certificate(tmp_path: Path) -> Certificate:
    return new_certificate(tmp_path)


@pytest.fixture
async def secure(start: StartTransport, certificate: Certificate) -> Transport:
    return await start(environ=certificate.environ)


@pytest.mark.parametrize("version", [3, 4, 5], ids=["3.1", "3.1.1", "5.0"])
async def test_paho_is_answered_in_tls(secure: Transport, certificate: Certificate, version: int) -> None:
    topic = secure.topic(secure.owners.new_token(), "get/0")

    told = await secure.with_device(
        lambda device: device.ask(topic, b"x" * 200_000),
        port=_tls_port(secure),
        tls_ca=str(certificate.certificate),
        version=version,
        client_id="tree",
    )

    assert told == (f"{topic}/status", b"x" * 200_000)


async def test_aiomqtt_is_answered_in_tls(secure: Transport, certificate: Certificate) -> None:
    topic = secure.topic(secure.owners.new_token(), "get/0")
    context = ssl.create_default_context(cafile=certificate.certificate)

    async with (
        asyncio.timeout(5),
        aiomqtt.Client("127.0.0.1", _tls_port(secure), tls_context=context) as client,
    ):
        await client.publish(topic, b"{}", qos=1)
        message = await anext(aiter(client.messages))

    assert (str(message.topic), message.payload) == (f"{topic}/status", b"{}")


async def test_the_plain_port_stays_open_beside_tls(secure: Transport) -> None:
    topic = secure.topic(secure.owners.new_token(), "get/0")

    assert await secure.with_device(lambda device: device.ask(topic, b"1")) == (f"{topic}/status", b"1")


async def test_a_renewed_certificate_is_shown_to_newcomers_and_old_connections_stay(
    secure: Transport, certificate: Certificate
) -> None:
    topic = secure.topic(secure.owners.new_token(), "get/1")
    before = ssl.create_default_context(cafile=certificate.certificate)

    async with aiomqtt.Client("127.0.0.1", _tls_port(secure), tls_context=before) as client:
        serial = certificate.renew()
        await eventually(lambda: _shows(secure, serial), what="the new certificate is shown")
        await client.publish(topic, b"1", qos=1)
        message = await asyncio.wait_for(anext(aiter(client.messages)), 5)

    assert message.payload == b"1"


@pytest.mark.parametrize(
    ("file", "content"),
    [
        pytest.param("certificate.pem", b"nonsense", id="no certificate"),
        pytest.param("key.pem", b"", id="empty key"),
        pytest.param("key.pem", None, id="no key"),
    ],
)
async def test_a_bad_replacement_is_told_and_the_old_certificate_stays(
    secure: Transport, certificate: Certificate, file: str, content: bytes | None
) -> None:
    serial = await _serial(secure)
    path = certificate.certificate.with_name(file)

    with capture_logs() as logs:
        if content is None:
            path.unlink()
        else:
            path.write_bytes(content)

        async def told() -> bool:
            return any(line["event"] == "tls.not_read" for line in logs)

        await eventually(told, what="the bad files were told")

    assert await _serial(secure) == serial


async def test_a_key_of_another_certificate_is_told_and_the_old_one_stays(
    secure: Transport, certificate: Certificate, tmp_path: Path
) -> None:
    serial = await _serial(secure)
    other_directory = tmp_path / "other"
    other_directory.mkdir()
    other = new_certificate(other_directory)

    with capture_logs() as logs:
        other.key.replace(certificate.key)

        async def told() -> bool:
            return any(line["event"] == "tls.not_read" for line in logs)

        await eventually(told, what="the key that does not fit was told")

    assert await _serial(secure) == serial


@pytest.mark.parametrize(
    "said",
    [
        pytest.param(Connect(client_id="SECRET").encode(), id="plain CONNECT"),
        pytest.param(b"GET /SECRET HTTP/1.1\r\n\r\n", id="plain HTTP"),
        pytest.param(b"\x16\x03\x01\x00\x05\x01\x00\x00\x01SECRET", id="half a handshake, wrong"),
    ],
)
async def test_what_is_no_tls_is_dropped_at_once_and_quietly(
    secure: Transport, caplog: pytest.LogCaptureFixture, said: bytes
) -> None:
    with capture_logs() as logs, caplog.at_level(logging.INFO):
        async with raw_client(_tls_port(secure), deadline_s=5) as raw:
            await raw.send(said)
            answered = await raw.closed()

    assert b"SECRET" not in answered
    assert "SECRET" not in caplog.text + str(logs)
    assert "Traceback" not in caplog.text


async def test_stalled_handshakes_delay_nobody(secure: Transport, certificate: Certificate) -> None:
    topic = secure.topic(secure.owners.new_token(), "get")
    stalled = [await asyncio.open_connection("127.0.0.1", _tls_port(secure)) for _ in range(200)]
    for number, (_, writer) in enumerate(stalled):
        writer.write(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"[: number % 12])

    async with undisturbed(secure.port, topic):
        context = ssl.create_default_context(cafile=certificate.certificate)
        for _ in range(5):
            async with (
                asyncio.timeout(2),
                aiomqtt.Client("127.0.0.1", _tls_port(secure), tls_context=context) as client,
            ):
                await client.publish(f"{topic}/1", b"1", qos=1)
                await anext(aiter(client.messages))
    for _, writer in stalled:
        writer.transport.abort()


async def test_a_stalled_handshake_is_dropped(secure: Transport) -> None:
    async with raw_client(_tls_port(secure)) as raw:
        await raw.send(b"\x16\x03\x01")
        began = asyncio.get_running_loop().time()
        await raw.closed()
        took_s = asyncio.get_running_loop().time() - began

    assert took_s < 12


async def _serial(transport: Transport) -> int:
    pem = await asyncio.to_thread(ssl.get_server_certificate, ("127.0.0.1", _tls_port(transport)))
    return x509.load_pem_x509_certificate(pem.encode()).serial_number


async def _shows(transport: Transport, serial: int) -> bool:
    return await _serial(transport) == serial


def _tls_port(transport: Transport) -> int:
    return transport.process.ports["mqttTls"]
