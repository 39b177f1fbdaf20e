"""Composition root of the gateway."""

import secrets
from datetime import UTC, datetime

from libs.bus import Bus
from libs.process import Process
from services.api_gateway.bus_api import BusKeys, BusOwners
from services.api_gateway.http_api import Limits, RestApi, World
from services.api_gateway.routes import ROUTES
from services.api_gateway.settings import Settings

_CORRELATION_ID_BYTES = 8


class SystemClock:
    """The time of this machine."""

    def now(self) -> datetime:
        return datetime.now(UTC)


async def build(process: Process) -> None:
    """Connect to the bus, hear revocations, then listen."""
    settings = process.load(Settings)
    bus = await _connect(process)
    owners = BusOwners(bus, timeout_s=settings.owner_timeout_s)
    keys = BusKeys(owners, max_entries=settings.key_cache_entries)
    await keys.start(bus)
    world = World(owners=owners, keys=keys, clock=SystemClock(), new_correlation_id=_new_correlation_id)
    limits = Limits(body_timeout_s=settings.body_timeout_s, max_in_flight=settings.max_in_flight)
    await process.serve_http("http", RestApi(ROUTES, world=world, limits=limits).app(), port=settings.port)


async def _connect(process: Process) -> Bus:
    bus = await Bus.connect(
        url=process.settings.nats_url,
        service=process.name,
        replica=process.replica,
        root=process.settings.subject_root,
    )
    process.on_stop("bus", bus.close)
    process.health.add("nats", bus.ping)
    process.supervise("bus connection", bus.watch())
    return bus


def _new_correlation_id() -> str:
    return secrets.token_hex(_CORRELATION_ID_BYTES)
