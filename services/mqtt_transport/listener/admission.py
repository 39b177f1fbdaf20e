"""Who is let in: clients at the pace of all of them, devices of SenML with their secret."""

import asyncio
import secrets
from typing import Final, Protocol

import structlog

from libs.mqtt import ConnectReceived, ReasonCode, SessionState
from services.mqtt_transport import metrics
from services.mqtt_transport.listener.parts import Parts
from services.mqtt_transport.usecases import clients, things

_LONGEST_S: Final = 8.0
"""A CONNECT that would wait longer is told to come back: clients give up after about 10 s."""
_log = structlog.get_logger()


class Entrant(things.Client, clients.Client, Protocol):
    """A connection whose CONNECT is here."""

    @property
    def number(self) -> int:
        """Its number; never used twice by this process."""

    @property
    def gone(self) -> bool:
        """Whether nothing can be said to the client any more."""

    def accept(self, state: SessionState | None, *, assigned_client_id: str | None) -> None:
        """Let the client in, with the session it has left."""

    def refuse(self, reason: ReasonCode) -> None:
        """Answer the CONNECT, and close."""


def admit(client: Entrant, received: ConnectReceived, parts: Parts) -> None:
    """Answer a CONNECT now or in a while."""
    delay_s = parts.pace.delay_s(at_most_s=_LONGEST_S)
    if delay_s is None:
        metrics.CONNECTS.labels("too many").inc()
        client.refuse(ReasonCode.SERVER_BUSY)
    elif delay_s > 0:
        asyncio.get_running_loop().call_later(delay_s, _let_in, client, received, parts)
    else:
        _let_in(client, received, parts)


def _let_in(client: Entrant, received: ConnectReceived, parts: Parts) -> None:
    if client.gone:
        return
    if parts.things.are_meant_by(received.username):
        parts.tasks.spawn(_log_in(client, received, parts), name="log a device in")
    else:
        _accept(client, received, parts)


async def _log_in(client: Entrant, received: ConnectReceived, parts: Parts) -> None:
    reason = await parts.things.log_in(client, received.username or "", received.password)
    if client.gone:
        parts.things.leave(client)
    elif reason is ReasonCode.SUCCESS:
        _accept(client, received, parts)
    else:
        metrics.CONNECTS.labels("refused").inc()
        client.refuse(reason)


def _accept(client: Entrant, received: ConnectReceived, parts: Parts) -> None:
    assigned = None if received.client_id else f"grove-{secrets.token_hex(8)}"
    if received.has_will:
        _log.info("mqtt_will_discarded", connection=client.number)
    state = parts.clients.enter(assigned or received.client_id, client, clean_start=received.clean_start)
    metrics.CONNECTS.labels("accepted" if state is None else "resumed").inc()
    client.accept(state, assigned_client_id=assigned)
