"""Samples of one tree over HTTP: one request after another, over a connection that is kept."""

import asyncio
import time
from http import HTTPStatus
from typing import Final

import aiohttp

from tools.simulator.ledger import Ledger
from tools.simulator.links import FIRST_PAUSE_S, LONGEST_PAUSE_S, Message, is_final, refusal
from tools.simulator.problem import words

_NOBODY: Final = 0
"""Status of a request that got no answer."""


class HttpLink:
    """See :class:`tools.simulator.links.Link`."""

    def __init__(self, url: str, *, ledger: Ledger, session: aiohttp.ClientSession) -> None:
        self._url = url
        self._ledger = ledger
        self._session = session
        self._queue: asyncio.Queue[Message] = asyncio.Queue()
        self._room = asyncio.Semaphore(1)
        self._connected = self._known = False

    async def room(self) -> None:
        """Wait until the sample before is acknowledged: requests of one device stay in order."""
        await self._room.acquire()

    def send(self, message: Message) -> None:
        """Post it."""
        self._queue.put_nowait(message)

    async def run(self) -> None:
        """Post each sample until it is acknowledged or refused for good."""
        while True:
            await self._deliver(await self._queue.get())
            self._room.release()

    async def _deliver(self, message: Message) -> None:
        pause_s = FIRST_PAUSE_S
        while True:
            self._ledger.sent_again += message.tries > 0
            message.tries += 1
            status, reason = await self._post(message)
            if status == HTTPStatus.OK:
                took_s = time.monotonic() - message.published_s
                self._ledger.acknowledge(message.tree, message.n, took_s=took_s)
                return
            if status != _NOBODY and is_final(status):
                self._ledger.refuse(message.tree, message.n, reason)
                return
            self._ledger.trouble = reason
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)

    async def _post(self, message: Message) -> tuple[int, str]:
        try:
            async with self._session.post(f"{self._url}/{message.topic}", data=message.payload) as answer:
                body = await answer.read()
        except (aiohttp.ClientError, TimeoutError) as error:
            self._seen(connected=False)
            return _NOBODY, f"connection: {words(error)}"
        self._seen(connected=True)
        return answer.status, "" if answer.ok else refusal(body)[1]

    def _seen(self, *, connected: bool) -> None:
        self._ledger.connected += connected - self._connected
        self._ledger.reconnects += connected and not self._connected and self._known
        self._known = self._known or connected
        self._connected = connected
