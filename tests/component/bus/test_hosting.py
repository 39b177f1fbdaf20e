"""A service takes its place on a bus of which somebody has said whether it keeps what it acknowledges."""

import pytest
import structlog

from libs.bus.hosting import connect_bus
from libs.process import Process, ProcessSettings, SettingsError
from tests.support.servers import NatsServer


def host(nats: NatsServer, durability: str | None) -> Process:
    settings = ProcessSettings(nats_url=nats.url, nats_durability=durability)
    return Process("tester", settings=settings)


async def test_a_bus_of_which_nobody_says_whether_it_syncs_is_refused(nats: NatsServer) -> None:
    with pytest.raises(SettingsError, match="GROVE_NATS_DURABILITY"):
        await connect_bus(host(nats, None))


@pytest.mark.parametrize(
    ("durability", "warnings"), [pytest.param("synced", 0), pytest.param("volatile-accepted", 1)]
)
async def test_a_bus_that_may_forget_is_used_with_a_loud_line(
    nats: NatsServer, durability: str, warnings: int
) -> None:
    process = host(nats, durability)

    with structlog.testing.capture_logs() as logs:
        async with process.tasks:
            bus = await connect_bus(process)
            await bus.ping()
            await bus.close()

    loud = [line for line in logs if line["event"] == "bus.volatile"]
    assert [line["log_level"] for line in loud] == ["error"] * warnings
