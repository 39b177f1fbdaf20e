"""``dcx`` over MQTT: from a topic to a batch with as little in between as correctness allows.

This is the hot path of the product. Messages of a topic that was let in once are checked, put into a batch
and acknowledged with it, without a task of their own (:mod:`services.mqtt_transport.usecases.gathering`).
Everything else - a first message, a refusal, a payload that may not be stored - takes the ordinary way of
:mod:`services.mqtt_transport.usecases.requests`.

Telemetry is acknowledged when the stream has stored it. A device that gave a request id is told on
``/status`` once data-collection has stored it too, or on ``/error`` why it could not.
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any, Final

import msgspec
import structlog

from libs.bus.front_door import Answer, Caller, check_size
from libs.bus.token_buckets import TokenBuckets
from libs.contracts.dcx import check_message
from libs.contracts.errors import DeadlineError, GroveError
from libs.contracts.ingest import IngestReplies
from libs.contracts.kp1 import Kp1Path
from libs.mqtt import PublishReceived
from services.mqtt_transport import metrics
from services.mqtt_transport.domain.answers import answer_topic
from services.mqtt_transport.domain.bindings import Binding
from services.mqtt_transport.domain.speaking import Spoken
from services.mqtt_transport.ports import Channels, TelemetryChannel
from services.mqtt_transport.usecases.gathering import Gathering, Ticket
from services.mqtt_transport.usecases.presence import Presence

REMEMBERED_S: Final = 14.0
"""How long a topic is believed before the identity cache is asked again, which thus sees what of it is in
use: that is asked for again in the second half of its 30 s."""
MAX_TOPICS: Final = 1_000
"""Topics of one connection; a gateway that has more pays for letting them in again."""
REPLY_S: Final = 60.0
"""How long the reply to a batch is waited for."""
MAX_AWAITED: Final = 4_096
"""Batches whose reply is waited for."""

_decode_replies = msgspec.msgpack.Decoder(IngestReplies).decode
_log = structlog.get_logger()


class Collecting:
    """Takes telemetry of whoever has just been let in, and tells devices what became of all of it."""

    def __init__(
        self, gathering: Gathering, presence: Presence, channels: Channels, buckets: TokenBuckets
    ) -> None:
        self._gathering = gathering
        self._presence = presence
        self._channels = channels
        self._buckets = buckets
        self._awaited: OrderedDict[int, tuple[float, list[tuple[int, int, PublishReceived]]]] = OrderedDict()

    # --- into the stream ------------------------------------------------------------------------

    async def collect(
        self,
        channel: TelemetryChannel,
        message: PublishReceived,
        path: Kp1Path,
        caller: Caller,
        *,
        held: int,
        deadline: float,
    ) -> None:
        """Take a message of somebody who has just been let in, and remember its topic.

        Raises:
            GroveError: It may not be stored, or its endpoint is over its rate until ``deadline``, which is in
                seconds of the loop's clock, or whether it may still speak is not known then.
        """
        check_size(len(message.payload))
        samples = check_message(path.resource, message.payload)
        if await self._buckets.admit(caller.endpoint_id, samples, by=deadline):
            await _check_again(caller, deadline)
        binding = self._presence.find(caller.endpoint_id) or _unbound(channel, path, caller)
        spoken = Spoken(
            path,
            binding,
            epoch=caller.epoch,
            endpoint_id=caller.endpoint_id,
            until=time.monotonic() + REMEMBERED_S,
        )
        if message.response_topic is None and binding.connection == channel.number:
            # While another connection has the endpoint, each message has to say that this one claims it.
            if len(channel.topics) >= MAX_TOPICS:
                channel.topics.clear()
            channel.topics[message.topic] = spoken
        self._gathering.put_one(channel, message, spoken, samples=samples, held=held)

    # --- what became of it (libs.bus.ingest.Owners) ---------------------------------------------

    def sent(self, counter: int, tickets: Sequence[Any]) -> None:
        """Remember who wants to know what data-collection makes of a batch."""
        position, awaited = 0, []
        for ticket in tickets:
            if ticket.reply is not None:
                awaited.append((position, ticket.channel.number, ticket.reply))
            position += ticket.messages
        if awaited:
            self._awaited[counter] = (time.monotonic() + REPLY_S, awaited)
            self._forget_old()

    def stored(self, counter: int, tickets: Sequence[Any]) -> None:  # noqa: ARG002 - Owners
        """Acknowledge: each connection is told once for all of its messages."""
        by_channel: dict[TelemetryChannel, list[Ticket]] = {}
        for ticket in tickets:
            by_channel.setdefault(ticket.channel, []).append(ticket)
        messages = 0
        for channel, mine in by_channel.items():
            count = sum([ticket.messages for ticket in mine])
            channel.collected(
                [number for ticket in mine for number in ticket.numbers]
                if len(mine) > 1
                else mine[0].numbers,
                messages=count,
                held=sum([ticket.held for ticket in mine]),
            )
            messages += count
        metrics.COLLECTED.inc(messages)

    def failed(self, counter: int, tickets: Sequence[Any], error: GroveError) -> None:
        """Never acknowledge, and tell the device."""
        self._awaited.pop(counter, None)
        for ticket in tickets:
            ticket.channel.not_collected(ticket.numbers, messages=ticket.messages, held=ticket.held)
            if ticket.reply is not None:
                _say(ticket.channel, ticket.reply, Answer.to(error))
        metrics.NOT_COLLECTED.inc(sum([ticket.messages for ticket in tickets]))

    def on_replies(self, body: bytes) -> None:
        """Tell devices what data-collection made of a batch."""
        try:
            replies = _decode_replies(body)
        except msgspec.DecodeError as error:
            _log.error("dcx_replies_not_readable", exc_info=error)
            return
        _, awaited = self._awaited.pop(replies.counter, (0.0, []))
        refused = {position: (status, reason) for position, status, reason in replies.refused}
        stored = set(replies.stored)
        for position, number, message in awaited:
            channel = self._channels.find(number)
            if channel is None:
                metrics.DROPPED.labels("client is gone").inc()
            elif position in refused:
                _say(channel, message, Answer(*refused[position]))
            elif position in stored:
                _say(channel, message, Answer())

    def _forget_old(self) -> None:
        now = time.monotonic()
        while self._awaited:
            counter = next(iter(self._awaited))
            until, awaited = self._awaited[counter]
            if until > now and len(self._awaited) <= MAX_AWAITED:
                return
            del self._awaited[counter]
            metrics.DROPPED.labels("no reply in time").inc(len(awaited))


async def _check_again(caller: Caller, deadline: float) -> None:
    """Make sure that somebody who had to wait would still be let in."""
    try:
        async with asyncio.timeout_at(deadline):
            await caller.check()
    except TimeoutError:
        raise DeadlineError("no answer in time whether the token still holds") from None


def _unbound(channel: TelemetryChannel, path: Kp1Path, caller: Caller) -> Binding:
    """Stand for a binding that the connection has no room for."""
    return Binding(
        endpoint_id=caller.endpoint_id,
        connection=channel.number,
        app_version=path.app_version,
        token="",
        token_id=caller.token_id,
    )


def _say(channel: Any, message: PublishReceived, answer: Answer) -> None:  # noqa: ANN401 - either kind of channel
    channel.say(
        message.response_topic or answer_topic(message.topic, is_error=answer.is_error),
        answer.body,
        qos=min(message.qos, 1),
        correlation_data=message.correlation_data,
    )
