"""A request in MQTT: ask as KP1 says, answer on the connection that asked, decide on its acknowledgement.

What may yet succeed (409, 429, 5xx) is asked again for a while and then never acknowledged, so that the
client sends it again; everything else is acknowledged, errors included, or it would be repeated for ever
(protocol/delivery.md rule 13). Requests of one token to one extension are taken one after the other in the
order in which this connection sent them, retries included (rule 16).
"""

import asyncio
from typing import NamedTuple

import structlog
from structlog.contextvars import bind_contextvars

from libs.bus import KeyedQueue
from libs.bus.codec import new_correlation_id
from libs.bus.front_door import Answer, Caller, FrontDoor, may_yet_succeed
from libs.bus.seen import SeenReporter
from libs.contracts.errors import GroveError
from libs.contracts.kp1 import DCX, Kp1Path, parse_topic
from libs.mqtt import PublishReceived, ReasonCode
from services.mqtt_transport import metrics
from services.mqtt_transport.domain.answers import answer_topic, reason_of, token_named_by
from services.mqtt_transport.domain.bindings import Binding
from services.mqtt_transport.ports import Channel, TelemetryChannel
from services.mqtt_transport.usecases.collecting import Collecting
from services.mqtt_transport.usecases.presence import Presence
from services.mqtt_transport.usecases.things import PREFIX, Things

OrderKey = tuple[int, str, str]
"""Connection, extension, token."""

_log = structlog.get_logger()


class HandedOver:
    """A message that somebody else acknowledges."""


class Telemetry(NamedTuple):
    """Whom messages are handed over to."""

    collecting: Collecting
    things: Things


class Requests:
    """Answers what clients publish."""

    def __init__(
        self,
        door: FrontDoor,
        presence: Presence,
        seen: SeenReporter,
        *,
        patience_s: float,
        order: KeyedQueue[OrderKey],
        telemetry: Telemetry,
    ) -> None:
        """Ask for at most ``patience_s``, waiting behind earlier requests included."""
        self._door = door
        self._presence = presence
        self._seen = seen
        self._patience_s = patience_s
        self._order = order
        self._collecting, self._things = telemetry

    async def answer(
        self, channel: TelemetryChannel, message: PublishReceived, *, held: int
    ) -> ReasonCode | HandedOver | None:
        """Answer one message; returns how to acknowledge it, None for not at all.

        Telemetry is handed over: it is acknowledged with its batch, and ``held`` given back then.
        """
        bind_contextvars(correlation_id=new_correlation_id())
        deadline = asyncio.get_running_loop().time() + self._patience_s
        path: Kp1Path | None = None
        try:
            if message.topic.startswith(PREFIX):
                await self._things.take(channel, channel, message, held=held, deadline=deadline)
                return HandedOver()
            path = parse_topic(message.topic)
            if path.extension == DCX:
                let_in = await self._let_in_turn(channel, path)
                if isinstance(let_in, Caller):
                    await self._collecting.collect(
                        channel, message, path, let_in, held=held, deadline=deadline
                    )
                    return HandedOver()
                answer = let_in
            else:
                answer = await self._ask(channel, path, message.payload)
        except GroveError as error:
            answer = Answer.to(error)
            _log.info("mqtt_request", status=answer.status_code, reason=answer.reason_phrase)
        metrics.count_request(None if path is None else path.extension, answer.status_code)
        _tell(channel, message, path, answer)
        if may_yet_succeed(answer.status_code):
            return None
        at_fault = path is None and not message.topic.startswith(PREFIX)
        return reason_of(answer.status_code, path_at_fault=at_fault)

    async def bind_subscriber(self, channel: Channel, topic_filter: str) -> None:
        """Bind the endpoint whose token a subscription names; a token that is none is no error."""
        named = token_named_by(topic_filter)
        if named is None:
            return
        app_version, token = named
        try:
            caller = await self._door.identify(app_version, token)
        except GroveError as error:
            _log.info("mqtt_subscriber_unknown", status=error.status_code, reason=error.reason_phrase)
            return
        self._heard(channel, app_version, token, caller)

    async def _let_in_turn(self, channel: Channel, path: Kp1Path) -> Caller | Answer:
        """Let in one after the other: what comes while a token is looked up overtakes nothing that waits.

        Whoever returns from here puts his message into the batch before the next is woken.
        """

        async def let_in() -> Caller | Answer:
            return await self._door.let_in(
                path,
                heard=lambda path, caller: self._heard(channel, path.app_version, path.token, caller),
                persist_s=self._patience_s,
            )

        key = (channel.number, path.extension, path.token)
        return await self._order.run(key, let_in, wait_s=self._patience_s)

    async def _ask(self, channel: Channel, path: Kp1Path, payload: bytes) -> Answer:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._patience_s

        async def ask() -> Answer:
            return await self._door.answer(
                path,
                payload,
                heard=lambda path, caller: self._heard(channel, path.app_version, path.token, caller),
                persist_s=max(0.001, deadline - loop.time()),
            )

        key = (channel.number, path.extension, path.token)
        return await self._order.run(key, ask, wait_s=self._patience_s)

    def _heard(self, channel: Channel, app_version: str, token: str, caller: Caller) -> None:
        self._seen.note(caller.endpoint_id, app_version)
        self._presence.heard(
            Binding(
                endpoint_id=caller.endpoint_id,
                connection=channel.number,
                app_version=app_version,
                token=token,
                token_id=caller.token_id,
            )
        )
        channel.show_owner(_owner(app_version, token))


def _tell(channel: Channel, message: PublishReceived, path: Kp1Path | None, answer: Answer) -> None:
    """Publish the answer, where one is due: errors always, successes to whoever asked for them."""
    asked = message.response_topic is not None or (path is not None and path.request_id is not None)
    if not (answer.is_error or asked):
        return
    topic = message.response_topic or answer_topic(message.topic, is_error=answer.is_error)
    channel.say(
        topic,
        answer.body,
        qos=min(message.qos, 1),
        owner=None if path is None else _owner(path.app_version, path.token),
        correlation_data=message.correlation_data,
    )


def _owner(app_version: str, token: str) -> str:
    """Name whom an answer belongs to: boards that share a client id must not get each other's."""
    return f"{app_version}/{token}"
