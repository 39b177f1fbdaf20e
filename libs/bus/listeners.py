"""Tell everyone, without the cost of telling where nobody listens.

Data events are as many as the data. The server says of a message that asks for an answer whether anybody was
there to hear it ("no responders"); so the first message of each subject asks, one round trip later what was
unheard is known, and the rest of a subject that nobody hears is not sent. Who begins to listen in between is
as if they had begun after it. Whoever hears the first message need not answer.
"""

import asyncio
import secrets
from collections.abc import Iterator, Mapping

from nats.aio.msg import Msg

from libs.bus import metrics
from libs.bus.broadcasts import Broadcasts
from libs.bus.connection import Connection
from libs.bus.requests import NO_RESPONDERS
from libs.contracts.messages import Event


class Listeners:
    """Knows at each moment who listens, by asking."""

    def __init__(self, connection: Connection, broadcasts: Broadcasts) -> None:
        self._connection = connection
        self._broadcasts = broadcasts
        self._inbox = f"{connection.inbox_prefix}.{secrets.token_urlsafe(12)}."
        self._subscribed = asyncio.Lock()
        self._is_subscribed = False
        self._unheard: dict[str, bool] = {}
        self._number = 0

    async def tell(self, events: Mapping[str, Iterator[Event]]) -> int:
        """Broadcast the events of each subject, in order; those that nobody hears are not even made.

        Returns how many were sent.

        Raises:
            UnavailableError: There is no connection; some of them may have been heard.
            PayloadTooLargeError: One is larger than anything on the bus may be.
        """
        await self._subscribe()
        tokens: dict[str, str] = {}
        try:
            for subject, those in events.items():
                first = next(those, None)
                if first is None:
                    continue
                self._number += 1
                token = tokens[subject] = str(self._number)
                self._unheard[token] = False
                await self._broadcasts.broadcast(subject, first, reply=self._inbox + token)
            if tokens:
                await self._connection.round_trip(timeout_s=2.0)
            await asyncio.sleep(0)  # what arrived before the answer may still be in its queue
            heard = [subject for subject, token in tokens.items() if not self._unheard[token]]
        finally:
            for token in tokens.values():
                del self._unheard[token]
        sent = len(tokens)
        for subject in heard:
            for event in events[subject]:
                await self._broadcasts.broadcast(subject, event)
                sent += 1
        metrics.UNHEARD.inc(len(tokens) - len(heard))
        return sent

    async def _subscribe(self) -> None:
        async with self._subscribed:
            if not self._is_subscribed:
                await self._connection.subscribe(f"{self._inbox}*", self._on_answer)
                self._is_subscribed = True

    async def _on_answer(self, msg: Msg) -> None:
        token = msg.subject[len(self._inbox) :]
        if token in self._unheard and msg.headers is not None and msg.headers.get("Status") == NO_RESPONDERS:
            self._unheard[token] = True
