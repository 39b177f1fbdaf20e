"""Read back what is stored until nothing that was promised is missing, or time is up.

Acknowledged means durable in the stream; the series can be read a moment later.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final, Protocol

from tools.simulator import report
from tools.simulator.ledger import Ledger
from tools.simulator.problem import SimulatorError
from tools.simulator.rest import AwayError, Device

_TOGETHER: Final = 50
"""Endpoints of one query: a URL has its limits."""
_PAUSE_S: Final = 0.3
_AHEAD: Final = timedelta(minutes=1)


class Archive(Protocol):
    """Where stored samples can be read: :class:`tools.simulator.rest.Rest`."""

    async def stored(
        self, application: str, endpoint_ids: Sequence[str], *, since: datetime, until: datetime
    ) -> dict[str, Counter[int]]:
        """Count the numbers of all samples of these endpoints."""


class Verifier:
    """Asks for the samples of all devices.

    Args:
        archive: The API.
        devices: In the order of the ledger's accounts.
        since: No sample is older.
        deadline_s: How long to wait for what is missing.
    """

    def __init__(
        self, archive: Archive, devices: Sequence[Device], *, since: datetime, deadline_s: float
    ) -> None:
        self._archive = archive
        self._devices = devices
        self._since = since
        self._deadline_s = deadline_s

    async def found(self, ledger: Ledger) -> Sequence[Counter[int]] | str:
        """Count for each tree how often each number is there, or say why that cannot be told."""
        deadline_s = time.monotonic() + self._deadline_s
        stored: list[Counter[int]] = [Counter() for _ in self._devices]
        open_trees = list(range(len(self._devices)))
        away = ""
        while open_trees:
            try:
                await self._ask(open_trees, stored)
                away, open_trees = "", report.missing(ledger.accounts, stored)
            except AwayError as error:
                away = str(error)
            except SimulatorError as error:
                return str(error)
            if time.monotonic() > deadline_s:
                break
            if open_trees:
                await asyncio.sleep(_PAUSE_S)
        return away or stored

    async def _ask(self, trees: Sequence[int], stored: list[Counter[int]]) -> None:
        until = datetime.now(UTC) + _AHEAD
        for start in range(0, len(trees), _TOGETHER):
            asked = trees[start : start + _TOGETHER]
            ids = [self._devices[tree].endpoint_id for tree in asked]
            application = self._devices[0].application
            found = await self._archive.stored(application, ids, since=self._since, until=until)
            for tree, endpoint_id in zip(asked, ids, strict=True):
                stored[tree] = found[endpoint_id]
