import asyncio
import time

from prometheus_client import REGISTRY
from structlog.testing import capture_logs

from libs.process.loop_lag import sample_loop_lag
from tests.support.waiting import eventually


def samples_above_50_ms() -> float:
    name = "grove_event_loop_lag_seconds"
    count = REGISTRY.get_sample_value(f"{name}_count") or 0.0
    return count - (REGISTRY.get_sample_value(f"{name}_bucket", {"le": "0.05"}) or 0.0)


async def test_a_blocked_loop_is_measured_and_told() -> None:
    before = samples_above_50_ms()
    with capture_logs() as logs:
        sampling = asyncio.get_running_loop().create_task(sample_loop_lag(interval_s=0.01, late_s=0.08))
        await asyncio.sleep(0)
        time.sleep(0.15)  # noqa: ASYNC251 - the offence is the point

        async def measured() -> bool:
            return samples_above_50_ms() > before

        await eventually(measured, what="a late sample")
        sampling.cancel()

    assert [(each["event"], each["lag_s"] >= 0.1) for each in logs] == [("event_loop.late", True)]
