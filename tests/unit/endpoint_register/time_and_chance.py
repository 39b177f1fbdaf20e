"""Time and chance as tests decide them, and a moment to let others in."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count

from libs.contracts.ids import EndpointId

Hook = Callable[[], Awaitable[None]]

START = datetime(2026, 11, 21, 4, 0, tzinfo=UTC)


async def nothing() -> None:
    """Happen, and change nothing."""


@dataclass
class ManualClock:
    """Stands still until it is moved."""

    at: datetime = START

    def now(self) -> datetime:
        return self.at

    def pass_s(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)


class CountingEntropy:
    """Chance that is none: everything is numbered."""

    def __init__(self) -> None:
        self._numbers = count(1)
        self.octet = 0

    def attempt(self) -> str:
        return f"attempt{next(self._numbers)}"

    def endpoint_id(self) -> EndpointId:
        return EndpointId(f"generated-{next(self._numbers)}")

    def token_value(self) -> str:
        return f"token{next(self._numbers):019}"

    def octets(self, count: int) -> bytes:
        self.octet += 1
        return bytes([self.octet]) * count

    def pause_s(self, attempt: int) -> float:
        return 0.0
