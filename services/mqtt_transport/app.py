"""Composition root of mqtt-transport: the only file that knows all others."""

import asyncio
from typing import Final

from libs.bus import Bus, KeyedQueue, connect_bus
from libs.bus.device_secrets import DeviceSecrets
from libs.bus.extensions import ElsewhereExtension, extensions
from libs.bus.front_door import FrontDoor
from libs.bus.identity import Identity
from libs.bus.ingest import Ingest
from libs.bus.seen import SeenReporter
from libs.bus.tasks import TaskSet
from libs.bus.token_buckets import TokenBuckets
from libs.contracts.kp1 import DCX
from libs.mqtt import Limits, SessionStore
from libs.process import Process, SystemClock
from libs.process.budget import Budget
from libs.process.connection_limits import ConnectionLimits
from libs.process.descriptors import room_for
from libs.process.free_space import has_room
from libs.process.http_connections import BoundedServer
from services.mqtt_transport import metrics
from services.mqtt_transport.bus_api import BusConfirmations, BusConnectivity, hear_replies, serve
from services.mqtt_transport.domain.bindings import Bindings
from services.mqtt_transport.listener.connection import MAX_UNSENT_BYTES
from services.mqtt_transport.listener.connections import Connections
from services.mqtt_transport.listener.intake import Intake
from services.mqtt_transport.listener.parts import Parts
from services.mqtt_transport.listener.tcp import TcpListener
from services.mqtt_transport.listener.websocket import WebSocketListener
from services.mqtt_transport.settings import Settings
from services.mqtt_transport.usecases.clients import Clients, Pace
from services.mqtt_transport.usecases.collecting import Collecting
from services.mqtt_transport.usecases.gathering import Gathering
from services.mqtt_transport.usecases.presence import Presence
from services.mqtt_transport.usecases.pushing import Pushing
from services.mqtt_transport.usecases.requests import Requests, Telemetry
from services.mqtt_transport.usecases.things import Things

_MAX_TASKS: Final = 100_000
"""Far above what the budget of bytes lets through; only pushes' confirmations ever meet it."""
_TELEMETRY_STOP_S: Final = 5.0
_EXPIRE_EVERY_S: Final = 30.0
_MAX_IN_FLIGHT: Final = 1_000
"""Messages of one connection answered at the same time (protocol/kp1.md, connection rules)."""
_EARLY_BYTES: Final = 16 * 1024
"""Sent behind a CONNECT that is not accepted yet: parsed in one go later, so it may not be much."""
_IN_FLIGHT_SHARE: Final = 0.6
"""Of the stop deadline that messages in flight may take; the rest is for what they need."""


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
    door = FrontDoor(
        identity,
        extensions(bus, now=clock.now, owner_timeout_s=settings.owner_s) | {DCX: ElsewhereExtension()},
        queue_wait_s=settings.patience_s,
    )
    seen = SeenReporter(bus, transport="MQTT", now=clock.now)
    process.supervise("telling who was seen", seen.run())
    process.on_stop("who was seen", seen.report)
    presence = await _presence(process, bus, settings)
    identity.on_revoked(presence.revoked)
    connections = Connections(max_connections=room_for(settings.max_connections))
    tasks = TaskSet(limit=_MAX_TASKS)
    pushing = Pushing(door, presence, connections, BusConfirmations(bus), tasks=tasks)
    await serve(bus, run_id=run_id_of(process), replica=process.replica, presence=presence, pushing=pushing)
    process.on_stop("bus requests", bus.stop_serving)
    clients = _clients(process, settings)
    buckets = TokenBuckets(samples_per_s=settings.endpoint_samples_per_s, burst=settings.endpoint_burst)
    gathering = Gathering(identity, presence, seen, buckets)
    collecting = Collecting(gathering, presence, connections, buckets)
    ingest = Ingest(
        bus, run_id=process.run_id, owners=collecting, wait_when_full=True, has_room=has_room(process)
    )
    gathering.put_into(ingest)
    await hear_replies(bus, run_id=process.run_id, collecting=collecting)
    process.on_stop("telemetry", lambda: ingest.stop(within_s=_TELEMETRY_STOP_S))
    secrets = DeviceSecrets(bus)
    await secrets.start()
    things = Things(secrets, gathering, seen, buckets, now=clock.now)
    bus.on_cut(things.cut)
    requests = Requests(
        door,
        presence,
        seen,
        patience_s=settings.patience_s,
        order=KeyedQueue(),
        telemetry=Telemetry(collecting, things),
    )
    parts = Parts(
        requests=requests,
        gathering=gathering,
        things=things,
        presence=presence,
        pushing=pushing,
        clients=clients,
        limits=Limits(
            connect_s=settings.connect_s,
            max_session_expiry_s=int(settings.session_expiry_s),
            early_bytes=_EARLY_BYTES,
            max_queued_bytes=2 * MAX_UNSENT_BYTES,  # whoever lets half of it lie is cut off
        ),
        intake=Intake(settings.held_bytes),
        pace=Pace(per_s=settings.connects_per_s, burst=settings.connects_per_s),
        tasks=tasks,
        max_in_flight=_MAX_IN_FLIGHT,
        repeat_after_s=settings.repeat_after_s,
    )
    metrics.HELD_BYTES.set_function(lambda: parts.intake.held_bytes)
    await _listen(process, settings, connections, parts)


def run_id_of(process: Process) -> str:
    """Spell the run id as the bus knows it: pushes go there."""
    return f"{process.run_id:016x}"


def _clients(process: Process, settings: Settings) -> Clients:
    sessions = SessionStore(settings.max_sessions, settings.session_bytes, int(settings.session_expiry_s))
    metrics.SESSIONS.set_function(lambda: len(sessions))
    clients = Clients(sessions)
    process.supervise("expiring sessions", _expire(clients))
    return clients


async def _presence(process: Process, bus: Bus, settings: Settings) -> Presence:
    bindings = Bindings(max_per_connection=settings.max_bindings, max_endings=settings.identity_entries)
    metrics.BINDINGS.set_function(lambda: len(bindings))
    metrics.UNBOUND.set_function(lambda: bindings.refused)
    metrics.UNTOLD.set_function(lambda: bindings.forgotten)
    told = BusConnectivity(bus, run_id=run_id_of(process), replica=process.replica)
    presence = Presence(bindings, told)
    process.supervise("presence", presence.run())
    process.supervise("being alive", presence.say_alive())
    process.on_stop("presence", presence.stop)
    return presence


async def _listen(process: Process, settings: Settings, connections: Connections, parts: Parts) -> None:
    bind = process.settings.bind
    limits = ConnectionLimits(max_connections=settings.max_connections)
    web_sockets = WebSocketListener("mqttWs", connections, parts)
    server = BoundedServer(
        web_sockets.answer, listener="mqttWs", limits=limits, budget=Budget(settings.held_bytes)
    )
    await process.serve_http("mqttWs", server, port=settings.ws_port)
    listeners = [TcpListener("mqtt", connections, parts)]
    process.ports["mqtt"] = await listeners[0].start(bind=bind, port=settings.port)
    tls = process.tls()
    if tls is not None:
        listeners.append(TcpListener("mqttTls", connections, parts))
        process.ports["mqttTls"] = await listeners[1].start(bind=bind, port=settings.tls_port, tls=tls)

    async def leave() -> None:
        for listener in listeners:
            await listener.stop()
        await connections.leave(within_s=process.settings.stop_deadline_s * _IN_FLIGHT_SHARE)

    process.on_stop("mqtt connections", leave)


async def _expire(clients: Clients) -> None:
    while True:
        await asyncio.sleep(_EXPIRE_EVERY_S)
        clients.expire()
