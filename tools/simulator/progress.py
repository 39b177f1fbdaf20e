"""What a person sees while samples are on their way: one line that changes, or plain lines."""

import asyncio
import time
from typing import Final, TextIO

from tools.simulator.ledger import Ledger

_LIVE_S: Final = 0.25
_PLAIN_S: Final = 5.0
_CLEAR: Final = "\r\x1b[K"
_MINUTE_S: Final = 60


class Progress:
    """Shows a ledger.

    Args:
        ledger: What is shown.
        connections: How many there should be.
        out: A terminal, or anything else.
    """

    def __init__(self, ledger: Ledger, *, connections: int, out: TextIO) -> None:
        self._ledger = ledger
        self._connections = connections
        self._out = out
        self._live = out.isatty()
        self._began_s = time.monotonic()

    async def run(self) -> None:
        """Show until cancelled."""
        try:
            while True:
                await asyncio.sleep(_LIVE_S if self._live else _PLAIN_S)
                self._show()
        finally:
            if self._live:
                self._put(_CLEAR)

    def _show(self) -> None:
        passed_s = time.monotonic() - self._began_s
        text = line(self._ledger, passed_s=passed_s, connections=self._connections)
        self._put(f"{_CLEAR}{text}" if self._live else f"{text}\n")

    def _put(self, text: str) -> None:
        self._out.write(text)
        self._out.flush()


def line(ledger: Ledger, *, passed_s: float, connections: int) -> str:
    """Describe the run so far in one line."""
    minutes, seconds = divmod(int(passed_s), _MINUTE_S)
    parts = [
        f"{minutes:02d}:{seconds:02d}",
        f"sent {ledger.sent:,}",
        f"acknowledged {ledger.acknowledged:,}",
        f"waiting {ledger.waiting:,}",
    ]
    if taken := ledger.percentiles_ms(recent=True):
        parts.append(f"p50 {taken[0]:.0f} ms, p99 {taken[1]:.0f} ms")
    if ledger.sent_again:
        parts.append(f"sent again {ledger.sent_again:,}")
    if ledger.refused:
        parts.append(f"refused {ledger.refused:,}")
    if ledger.connected < connections:
        parts.append(f"connected {ledger.connected} of {connections}")
    return "  ".join(parts)
