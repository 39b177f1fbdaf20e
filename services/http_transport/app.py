"""Composition root of http-transport: the only file that knows all others."""

from libs.bus import connect_bus
from libs.bus.device_secrets import DeviceSecrets
from libs.bus.extensions import TelemetryExtension, WaitingCallers, extensions
from libs.bus.front_door import FrontDoor
from libs.bus.identity import Identity
from libs.bus.ingest import Ingest
from libs.bus.seen import SeenReporter
from libs.bus.token_buckets import TokenBuckets
from libs.process import Process, SystemClock
from libs.process.budget import Budget
from libs.process.connection_limits import ConnectionLimits
from libs.process.descriptors import room_for
from libs.process.free_space import has_room
from libs.process.http_connections import BoundedServer
from services.http_transport import metrics
from services.http_transport.http_api import DeviceApi
from services.http_transport.responses import complain
from services.http_transport.settings import Settings
from services.http_transport.usecases import Packs

_TELEMETRY_STOP_S = 5.0


async def build(process: Process) -> None:
    """Open everything, and return when devices are served."""
    settings = process.load(Settings)
    bus = await connect_bus(process)
    identity = Identity(
        bus,
        max_entries=settings.identity_entries,
        timeout_s=settings.owner_s,
        grace_s=settings.identity_grace_s,
    )
    await identity.start()
    clock = SystemClock()
    seen = SeenReporter(bus, transport="HTTP", now=clock.now)
    process.supervise("telling who was seen", seen.run())
    process.on_stop("who was seen", seen.report)
    ingest = Ingest(
        bus,
        run_id=process.run_id,
        owners=WaitingCallers(),
        wait_when_full=False,
        deadline_s=settings.durable_s,
        has_room=has_room(process),
    )
    process.on_stop("telemetry", lambda: ingest.stop(within_s=_TELEMETRY_STOP_S))
    secrets = DeviceSecrets(bus)
    await secrets.start()
    buckets = TokenBuckets(samples_per_s=settings.endpoint_samples_per_s, burst=settings.endpoint_burst)
    packs = Packs(secrets, ingest, buckets, seen, now=clock.now)
    telemetry = TelemetryExtension(ingest, buckets, clock.now)
    table = extensions(bus, now=clock.now, telemetry=telemetry, owner_timeout_s=settings.owner_s)
    door = FrontDoor(
        identity,
        table,
        heard=lambda path, caller: seen.note(caller.endpoint_id, path.app_version),
        queue_wait_s=settings.queue_s,
    )
    budget = Budget(settings.body_budget_bytes)
    metrics.BODY_BYTES.set_function(lambda: budget.held_bytes)
    await process.serve_http(
        "http", device_server(door, packs, settings, budget, process), port=settings.port
    )
    tls = process.tls()
    if tls is not None:
        server = device_server(door, packs, settings, budget, process, listener="httpTls")
        await process.serve_http("httpTls", server, port=settings.tls_port, tls=tls)


def device_server(
    door: FrontDoor,
    packs: Packs,
    settings: Settings,
    budget: Budget,
    process: Process,
    *,
    listener: str = "http",
) -> BoundedServer:
    """Put the HTTP side of a listener together; all of them share the budget."""
    api = DeviceApi(door, packs, body_s=settings.body_s, stopping=lambda: process.stopping)
    limits = ConnectionLimits(
        max_connections=room_for(settings.max_connections),
        head_s=settings.head_s,
        idle_s=settings.idle_s,
        stall_s=settings.stall_s,
    )
    return BoundedServer(api.answer, listener=listener, limits=limits, budget=budget, complain=complain)
