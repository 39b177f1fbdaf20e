"""Telemetry of topics that were let in before: from what arrived together to a batch, in one loop.

A topic that was let in once is remembered with whom it speaks for, as long as the identity cache would
remember it and no event took it back (delivery rule 17). Messages of such topics that stand side by side
share a ticket, the look at the clock and, while their topic is the same, the question whom it speaks for.
"""

import time
from collections.abc import Sequence
from itertools import islice
from typing import Final, NamedTuple

from libs.bus.identity import Identity
from libs.bus.ingest import Ingest, resource_bytes
from libs.bus.seen import SeenReporter
from libs.bus.token_buckets import TokenBuckets
from libs.contracts.dcx import check_message
from libs.contracts.errors import GroveError
from libs.contracts.ingest import MAX_BATCH_BYTES, MAX_BATCH_SAMPLES, IngestMessage
from libs.contracts.kp1 import MAX_PAYLOAD_BYTES
from libs.mqtt import Event, PublishReceived
from services.mqtt_transport.domain.speaking import Spoken
from services.mqtt_transport.ports import TelemetryChannel
from services.mqtt_transport.usecases.presence import Presence

_NS_PER_MS: Final = 1_000_000
_SEEN_EVERY_S: Final = 1.0
_OVERHEAD_BYTES: Final = 1024
"""What a message takes beside its own bytes: its place in a batch, and the batch's encoded copy."""


class Ticket(NamedTuple):
    """Messages of one connection on their way into the stream, side by side in a batch.

    Attributes:
        channel: Of the connection.
        numbers: Those that will be acknowledged.
        messages: How many they are, QoS 0 included.
        held: Bytes that are held for them.
        reply: The message, if there is one and it wants to know what became of it.
    """

    channel: TelemetryChannel
    numbers: list[int]
    messages: int
    held: int
    reply: PublishReceived | None


class Gathering:
    """Puts telemetry into batches."""

    def __init__(
        self, identity: Identity, presence: Presence, seen: SeenReporter, buckets: TokenBuckets
    ) -> None:
        self._identity = identity
        self._buckets = buckets
        self._presence = presence
        self._seen = seen
        self._ingest: Ingest | None = None

    def put_into(self, ingest: Ingest) -> None:
        """Begin: the stream's batches tell their owners, who gather here."""
        self._ingest = ingest

    def take(self, channel: TelemetryChannel, events: Sequence[Event], start: int) -> tuple[int, int]:
        """Take messages of topics that were let in before, as many as stand side by side from ``start`` on.

        Returns how many were taken, and the bytes held for them; the next one has to go the ordinary way.
        """
        now, held, at = time.monotonic(), 0, start
        while at < len(events):
            taken, more = self._take_run(channel, events, at, now)
            if not taken:
                break
            at, held = at + taken, held + more
        return at - start, held

    def _take_run(  # noqa: C901, PLR0915 - one flat loop: a call for each message would cost a sixth of the speed
        self, channel: TelemetryChannel, events: Sequence[Event], start: int, now: float
    ) -> tuple[int, int]:
        """Take what fits into the batch that is being filled, with one ticket."""
        assert self._ingest is not None  # noqa: S101 - put_into comes first; for the type checker
        received_ms = time.time_ns() // _NS_PER_MS
        messages: list[IngestMessage] = []
        numbers: list[int] = []
        size = samples = held = weight = 0
        topic, spoken = "", None
        reply = None
        for event in islice(events, start, start + self._ingest.room):
            if type(event) is not PublishReceived:
                break
            number, named, payload, _, _, _, response_topic, _ = event
            if named is not topic:  # the session gives equal topics as the same object, mostly
                spoken = self._let_in(channel, named, now)
                topic = named
                weight = 0 if spoken is None else resource_bytes(spoken.resource)
            if spoken is None:
                break
            wants = spoken.wants_reply or response_topic is not None
            length = len(payload)
            if length > MAX_PAYLOAD_BYTES or (wants and messages):
                break
            try:
                count = check_message(spoken.resource, payload)
            except GroveError:
                break
            if messages and (size + length + weight > MAX_BATCH_BYTES or samples + count > MAX_BATCH_SAMPLES):
                break
            if not self._buckets.take(spoken.endpoint_id, count):
                break
            size += length + weight
            samples += count
            messages.append(
                IngestMessage(
                    spoken.endpoint_id, spoken.app_version, spoken.resource, payload, received_ms, wants
                )
            )
            if number:
                numbers.append(number)
            held += len(named)
            if wants:
                reply = event
                break
        taken = len(messages)
        if taken:
            held += size + taken * _OVERHEAD_BYTES
            ticket = Ticket(channel, numbers, taken, held, reply)
            self._ingest.put_all(messages, ticket, size=size, samples=samples)
        return taken, held

    def _let_in(self, channel: TelemetryChannel, topic: str, now: float) -> Spoken | None:
        """Whom a topic speaks for, if that is remembered and nothing has taken it back."""
        spoken = channel.topics.get(topic)
        if spoken is None:
            return None
        if spoken.epoch != self._identity.epoch or now > spoken.until:
            del channel.topics[topic]
            return None
        if channel.on_the_way and spoken.token in channel.on_the_way:
            return None  # one that came before is not in a batch yet: this one may not overtake it
        if not self._presence.is_current(spoken.binding):
            return None  # somebody else has spoken for it meanwhile, or may have
        if now - spoken.seen_at > _SEEN_EVERY_S:
            spoken.seen_at = now
            self._seen.note(spoken.endpoint_id, spoken.app_version)
        return spoken

    def put_one(
        self,
        channel: TelemetryChannel,
        message: PublishReceived,
        spoken: Spoken,
        *,
        samples: int,
        held: int,
    ) -> None:
        """Put one message of a topic that was let in into the batch."""
        stored = IngestMessage(
            spoken.endpoint_id,
            spoken.app_version,
            spoken.resource,
            message.payload,
            time.time_ns() // _NS_PER_MS,
            spoken.wants_reply or message.response_topic is not None,
        )
        self.put(channel, message, stored, samples=samples, held=held)

    def put(
        self,
        channel: TelemetryChannel,
        message: PublishReceived,
        stored: IngestMessage,
        *,
        samples: int,
        held: int,
    ) -> None:
        """Put what is to be stored of one message into the batch."""
        assert self._ingest is not None  # noqa: S101 - put_into comes first; for the type checker
        numbers = [message.number] if message.number else []
        reply = message if stored.wants_reply else None
        self._ingest.put(stored, Ticket(channel, numbers, 1, held, reply), samples=samples)
