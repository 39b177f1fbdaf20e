"""Whether a process may be given work: the pings of what it needs, really run.

Two questions are kept apart. *Alive* is answered by the event loop itself (a blocked loop cannot
answer) and means "do not restart me". *Ready* means "send me work": the process has been built, is
not stopping, and everything registered here answers. Asking often must not cost the store anything,
so results live 2 s behind a lock: any number of askers cause one round of pings.
"""

import asyncio
import enum
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import structlog

from libs.process.masking import mask_text

Ping = Callable[[], Awaitable[None]]

_log = structlog.get_logger()


class Phase(enum.StrEnum):
    """Where the process is in its life; it only ever moves down this list."""

    STARTING = "starting"
    SERVING = "serving"
    STOPPING = "stopping"


@dataclass(frozen=True, kw_only=True)
class Readiness:
    """The answer to /ready.

    Attributes:
        status: "ready", "unready" (a check failed), "starting" or "stopping".
        checks: Name to "ok" or what is wrong; empty while stopping, when everything is being closed.
    """

    status: str
    checks: dict[str, str] = field(default_factory=dict)

    @property
    def ready(self) -> bool:
        """Whether work may be sent here."""
        return self.status == "ready"


@dataclass(frozen=True, kw_only=True)
class _Check:
    name: str
    ping: Ping
    timeout_s: float


class Health:
    """The checks of one process and their latest results."""

    def __init__(self, *, cache_s: float = 2.0, clock: Callable[[], float] = time.monotonic) -> None:
        self._cache_s = cache_s
        self._clock = clock
        self._checks: list[_Check] = []
        self._lock = asyncio.Lock()
        self._results: dict[str, str] = {}
        self._stale_at = float("-inf")
        self._phase = Phase.STARTING
        self._failing: frozenset[str] = frozenset()

    @property
    def phase(self) -> Phase:
        """Set by the process itself, not by services."""
        return self._phase

    @phase.setter
    def phase(self, phase: Phase) -> None:
        self._phase = phase

    def add(self, name: str, ping: Ping, *, timeout_s: float = 2.0) -> None:
        """Make readiness depend on `ping`: it returns when all is well, and raises or hangs when not.

        Args:
            name: Shown in the answer: "nats", "mongodb".
            ping: Asks the other side; a constant would hide the failure it is there to show.
            timeout_s: Silence for this long is a failure.
        """
        self._checks.append(_Check(name=name, ping=ping, timeout_s=timeout_s))
        self._stale_at = float("-inf")

    async def readiness(self) -> Readiness:
        """Tell whether work may be sent here; never raises."""
        if self.phase is Phase.STOPPING:
            return Readiness(status="stopping")
        async with self._lock:
            if self._clock() >= self._stale_at:
                await self._run_checks()
            checks = self._results
        # The phase is read again: stop may have begun while the pings were out.
        return _readiness(self._phase, checks)

    async def _run_checks(self) -> None:
        checks = tuple(self._checks)
        results = await asyncio.gather(*(_result(check) for check in checks))
        self._results = {check.name: result for check, result in zip(checks, results, strict=True)}
        if len(self._checks) == len(checks):  # else one was added meanwhile: ask again next time
            self._stale_at = self._clock() + self._cache_s
        self._log_changes()

    def _log_changes(self) -> None:
        failing = frozenset(name for name, result in self._results.items() if result != "ok")
        for name in sorted(failing - self._failing):
            _log.warning("health.failing", check=name, result=self._results[name])
        for name in sorted(self._failing - failing):
            _log.info("health.recovered", check=name)
        self._failing = failing


def _readiness(phase: Phase, checks: dict[str, str]) -> Readiness:
    if phase is Phase.STOPPING:
        return Readiness(status="stopping")
    if phase is Phase.STARTING:
        return Readiness(status="starting", checks=checks)
    healthy = all(result == "ok" for result in checks.values())
    return Readiness(status="ready" if healthy else "unready", checks=checks)


async def _result(check: _Check) -> str:
    try:
        async with asyncio.timeout(check.timeout_s):
            await check.ping()
    except TimeoutError:
        return f"no answer within {check.timeout_s:g} s"
    except Exception as error:  # noqa: BLE001 - whatever a ping raises is the answer
        return mask_text(f"{type(error).__name__}: {error}").rstrip(": ")
    return "ok"
