"""Which NATS servers will do, where they are, and whom to try next."""

from random import SystemRandom
from urllib.parse import unquote, urlsplit

from nats.aio.client import Server

from libs.bus.client import ResilientClient
from libs.bus.codec import MAX_MESSAGE_BYTES
from libs.contracts.errors import StartRefusedError

RECONNECT_WAIT_S = 0.2
"""Shortest wait before an attempt; the longest is twice that."""

_HEADER_ROOM_BYTES = 16 * 1024
_CHANCE = SystemRandom()


_SCHEMES = frozenset({"nats", "tls", "ws", "wss"})


class BusRefusedError(StartRefusedError):
    """The server or its configuration cannot carry the suite; one line says why."""


def servers_of(url: str) -> tuple[list[str], str | None, str | None]:
    """Split a list of URLs; the credentials of the first hold for all, discovered ones included."""
    servers = [part.strip() for part in url.split(",") if part.strip()]
    try:
        parts = [urlsplit(server) for server in servers]
        hosts = [part.hostname for part in parts if part.port != 0]
    except ValueError:
        parts, hosts = [], []
    schemes = {part.scheme for part in parts}
    if not parts or len(hosts) < len(parts) or not all(hosts) or not schemes <= _SCHEMES:
        raise BusRefusedError(
            "GROVE_NATS_URL must be nats://host:4222, with user and password of the service before the host"
        )
    user, password = parts[0].username, parts[0].password
    return servers, user and unquote(user), password and unquote(password)


def next_server(servers: list[Server], _info: dict[str, object]) -> tuple[Server | None, float]:
    """Choose whom to try next and after how long; by chance, so that processes spread out."""
    return _CHANCE.choice(servers), RECONNECT_WAIT_S * _CHANCE.uniform(1.0, 2.0)


def refusal_of(client: ResilientClient, *, allow_volatile: bool) -> str | None:
    """Say in one line why this server cannot carry the suite, if so."""
    needed = MAX_MESSAGE_BYTES + _HEADER_ROOM_BYTES
    if client.max_payload < needed:
        return (
            f"NATS accepts messages of {client.max_payload} bytes; its max_payload must be at least {needed}"
        )
    if not client.has_jetstream and not allow_volatile:
        return "this NATS server has no JetStream: what it acknowledges would not be durable"
    return None
