"""Look into a stream: how far it is drained, and single messages that no consumer will give out any more.

A server that is killed may forget to remove what was acknowledged (protocol/delivery.md rule 11): such
messages stand below the acknowledgement floor of their consumer, for ever.
"""

import base64
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from libs.bus.jetstream import ApiAnswer, JetStreamApi
from libs.contracts.errors import UnavailableError
from libs.contracts.instants import unix_ms
from libs.contracts.streams import ConsumerSpec

_MESSAGE_NOT_FOUND = 10037
_NO_SUCH_SEQUENCE = 10043
_ATTEMPT_S = 2.0
_DEADLINE_S = 5.0


@dataclass(frozen=True, slots=True)
class Backlog:
    """How far a stream is drained.

    Attributes:
        messages: How many it holds.
        first_sequence: Of the oldest; one more than the last ever where it is empty.
        oldest_ms: When that was stored, Unix milliseconds; None where it is empty.
        floor: Everything up to this sequence was acknowledged.
        created_ms: When the stream was created, Unix milliseconds.
    """

    messages: int
    first_sequence: int
    oldest_ms: int | None
    floor: int
    created_ms: int


@dataclass(frozen=True, slots=True)
class Kept:
    """A message as it stands in a stream."""

    sequence: int
    subject: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Extent:
    """What a stream holds.

    Attributes:
        created_ms: When it was created, Unix milliseconds: sequences began then.
        first_sequence: Of the oldest message; one more than the last ever where it is empty.
        last_sequence: Of the newest message there ever was; 0 = none yet.
    """

    created_ms: int
    first_sequence: int
    last_sequence: int


class Inspector:
    """JetStream's API for single messages."""

    def __init__(self, api: JetStreamApi) -> None:
        self._api = api

    async def backlog(self, spec: ConsumerSpec) -> Backlog:
        """Tell how far a stream is drained by a consumer.

        Raises:
            UnavailableError: One of the two does not exist, or JetStream did not answer in time.
        """
        # The consumer first: what is acknowledged between the two questions is then above its floor.
        consumer = await self._ask("CONSUMER.INFO", f"{spec.stream}.{spec.name}")
        stream = await self._ask("STREAM.INFO", spec.stream)
        for answer, name in ((consumer, spec.name), (stream, spec.stream)):
            if answer.error is not None:
                raise UnavailableError(f"{name}: {answer.error.description}")
        messages = int(stream.state.get("messages", 0))
        first_at = str(stream.state.get("first_ts", ""))
        return Backlog(
            messages=messages,
            first_sequence=int(stream.state.get("first_seq", 0)),
            oldest_ms=unix_ms(datetime.fromisoformat(first_at)) if messages else None,
            floor=int(consumer.ack_floor.get("stream_seq", 0)),
            created_ms=unix_ms(datetime.fromisoformat(stream.created)),
        )

    async def extent(self, stream: str) -> Extent:
        """Tell from where to where a stream reaches.

        Raises:
            UnavailableError: It does not exist, or JetStream did not answer in time.
        """
        answer = await self._ask("STREAM.INFO", stream)
        if answer.error is not None:
            raise UnavailableError(f"stream {stream}: {answer.error.description}")
        last = int(answer.state.get("last_seq", 0))
        return Extent(
            created_ms=unix_ms(datetime.fromisoformat(answer.created)),
            first_sequence=int(answer.state.get("first_seq", 0)) or last + 1,
            last_sequence=last,
        )

    async def find(self, stream: str, subject: str, *, from_sequence: int) -> Kept | None:
        """Read the first message of a subject at or behind a sequence; None = there is none.

        Raises:
            UnavailableError: JetStream did not answer in time.
        """
        body = {"seq": from_sequence, "next_by_subj": subject}
        answer = await self._ask("STREAM.MSG.GET", stream, body)
        if answer.failed(_MESSAGE_NOT_FOUND):
            return None
        if answer.error is not None:
            raise UnavailableError(f"stream {stream}: {answer.error.description}")
        message = answer.message
        return Kept(int(message["seq"]), message["subject"], base64.b64decode(message.get("data", "")))

    async def delete(self, stream: str, sequence: int) -> bool:
        """Delete a message; whether it was still there.

        Raises:
            UnavailableError: JetStream did not answer in time.
        """
        answer = await self._ask("STREAM.MSG.DELETE", stream, {"seq": sequence})
        if answer.error is None:
            return True
        if answer.failed(_NO_SUCH_SEQUENCE) or answer.failed(_MESSAGE_NOT_FOUND):
            return False
        raise UnavailableError(f"stream {stream}: {answer.error.description}")

    async def _ask(self, verb: str, name: str, body: dict[str, Any] | None = None) -> ApiAnswer:
        return await self._api.ask(verb, name, body, attempt_s=_ATTEMPT_S, deadline_s=_DEADLINE_S)
