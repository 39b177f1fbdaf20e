"""Composition root of the gateway."""

import secrets

from libs.bus import connect_bus
from libs.bus.token_buckets import Buckets
from libs.process import Process, SystemClock
from services.api_gateway.answers import complain
from services.api_gateway.auditing import Auditing, Trail
from services.api_gateway.bus_api import BusAuditLog, BusEvents, BusKeys, BusOwners
from services.api_gateway.http_api import Limits, RestApi, World
from services.api_gateway.live.following import Pace
from services.api_gateway.live.streams import LiveLimits, LiveStreams
from services.api_gateway.routes import ROUTES
from services.api_gateway.settings import Settings

_CORRELATION_ID_BYTES = 8


async def build(process: Process) -> None:
    """Connect to the bus, hear revocations and events, then listen."""
    settings = process.load(Settings)
    bus = await connect_bus(process)
    owners = BusOwners(bus, timeout_s=settings.owner_timeout_s)
    keys = BusKeys(owners, max_entries=settings.key_cache_entries)
    await keys.start(bus)
    events = BusEvents(bus)
    live = LiveStreams(
        events,
        limits=LiveLimits(streams=settings.live_streams, per_key=settings.live_streams_per_key),
        pace=Pace(heartbeat_s=settings.live_heartbeat_s),
    )
    await events.start(live.on_control, live.on_cut)
    process.supervise("live data events", live.hear_data())
    trail = Trail(BusAuditLog(bus, replica=process.replica), patience_s=settings.audit_timeout_s)
    process.supervise("audit", trail.run())
    process.on_stop("audit", trail.finish)
    clock = SystemClock()
    world = World(
        owners=owners,
        keys=keys,
        clock=clock,
        buckets=Buckets(rate=settings.key_requests_per_s, burst=settings.key_burst),
        live=live,
        auditing=Auditing(trail, clock=clock),
        new_correlation_id=_new_correlation_id,
    )
    limits = Limits(body_timeout_s=settings.body_timeout_s, max_in_flight=settings.max_in_flight)
    rest = RestApi(ROUTES, world=world, limits=limits).app()
    await process.serve_http("http", rest, port=settings.port, complain=complain)


def _new_correlation_id() -> str:
    return secrets.token_hex(_CORRELATION_ID_BYTES)
