"""When endpoints were heard: gathered, and told to endpoint-register every few seconds.

Both transports note every request that was let in. What is told is one line per endpoint however often it
spoke, so a fleet costs endpoint-register a handful of messages per replica and period. It may be lost
with the process (protocol/delivery.md, presence): the next request of the endpoint says it again.
"""

import asyncio
import secrets
from collections.abc import Callable
from datetime import datetime
from typing import Final

import structlog
from prometheus_client import Counter

from libs.bus.identity import IdentityBus
from libs.contracts.connectivity import MAX_ENDPOINTS, REPORT_SEEN, Seen, SeenReport, Transport
from libs.contracts.errors import GroveError
from libs.contracts.instants import unix_ms

EVERY_S: Final = 10.0
MAX_NOTED: Final = 100_000
"""Endpoints noted between two reports; more are not."""

_TIMEOUT_S: Final = 5.0
_LOST = Counter("grove_seen_lost_total", "Endpoints whose being seen was not told, by reason.", ["reason"])
_FULL, _UNTOLD = _LOST.labels("too many"), _LOST.labels("not taken")
_log = structlog.get_logger()


class SeenReporter:
    """Notes who was heard; :meth:`run` is its root task."""

    def __init__(
        self,
        bus: IdentityBus,
        *,
        transport: Transport,
        now: Callable[[], datetime],
        every_s: float = EVERY_S,
    ) -> None:
        self._bus = bus
        self._transport = transport
        self._now = now
        self._every_s = every_s
        self._noted: dict[str, Seen] = {}

    def note(self, endpoint_id: str, app_version: str) -> None:
        """Remember that an endpoint was heard just now."""
        if len(self._noted) >= MAX_NOTED and endpoint_id not in self._noted:
            _FULL.inc()
            return
        self._noted[endpoint_id] = Seen(unix_ms(self._now()), app_version)

    async def run(self) -> None:
        """Report until cancelled; replicas that start together do not report together."""
        await asyncio.sleep(self._every_s * (0.5 + secrets.randbelow(500) / 1000))
        while True:
            await self.report()
            await asyncio.sleep(self._every_s)

    async def report(self) -> None:
        """Tell what was noted; what cannot be told now is noted again unless it was heard since."""
        noted, self._noted = self._noted, {}
        waiting = list(noted.items())
        while waiting:
            part, waiting = dict(waiting[:MAX_ENDPOINTS]), waiting[MAX_ENDPOINTS:]
            try:
                await self._bus.request(
                    REPORT_SEEN.subject(self._bus.subjects),
                    SeenReport(transport=self._transport, endpoints=part),
                    REPORT_SEEN.reply,
                    timeout_s=_TIMEOUT_S,
                )
            except GroveError as error:
                _log.warning("seen_not_told", endpoints=len(part) + len(waiting), reason=error.reason_phrase)
                self._note_again({**part, **dict(waiting)})
                return

    def _note_again(self, untold: dict[str, Seen]) -> None:
        """Keep what was not told, as far as there is room: the newer note of an endpoint stands."""
        merged = untold | self._noted
        excess = len(merged) - MAX_NOTED
        if excess > 0:
            _UNTOLD.inc(excess)
            for endpoint_id in list(untold)[:excess]:
                merged.pop(endpoint_id, None)
        self._noted = merged
