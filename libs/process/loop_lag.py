"""Measure how late the event loop is: the one number that shows that something blocks it."""

import asyncio

import structlog
from prometheus_client import Histogram

_LAG = Histogram(
    "grove_event_loop_lag_seconds",
    "How much later than asked a timer fired.",
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0),
)

_log = structlog.get_logger()


async def sample_loop_lag(*, interval_s: float = 0.5, late_s: float = 1.0) -> None:
    """Sample for ever; also log a lag of more than `late_s`, as that is long enough to lose a ping."""
    loop = asyncio.get_running_loop()
    while True:
        due = loop.time() + interval_s
        await asyncio.sleep(interval_s)
        lag_s = max(loop.time() - due, 0.0)
        _LAG.observe(lag_s)
        if lag_s > late_s:
            _log.warning("event_loop.late", lag_s=round(lag_s, 3))
