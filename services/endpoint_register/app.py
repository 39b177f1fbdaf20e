"""Composition root of endpoint-register: production by default, every part can be another."""

import random
import secrets
import uuid
from datetime import timedelta
from typing import Final

from prometheus_client import Gauge

from libs.bus import Bus, KeyedQueue, connect_bus
from libs.contracts.ids import AppVersionName, EndpointId
from libs.contracts.streams import events_stream, presence_consumer
from libs.process import Process, SettingsError, SystemClock, token_value
from libs.store import Store, open_store
from services.endpoint_register.bus_api import (
    BusCredentials,
    BusEventPublisher,
    CachedWhitelists,
    follow_presence,
    serve,
)
from services.endpoint_register.domain.configuration import EPMX
from services.endpoint_register.domain.sealing import SealingBox, SealingKeyError
from services.endpoint_register.domain.whitelist import Whitelist, whitelist_of
from services.endpoint_register.mongo import (
    LandmarkListing,
    MongoApplicationRepository,
    MongoBatchRepository,
    MongoConfigurationRepository,
    MongoConnectivityRepository,
    MongoEndpointListing,
    MongoEndpointRepository,
    MongoFilterRepository,
    MongoRelationRepository,
    MongoRunRepository,
)
from services.endpoint_register.ports import Parts
from services.endpoint_register.settings import Settings
from services.endpoint_register.usecases.announcing import Announcer
from services.endpoint_register.usecases.batch_work import BatchPace, BatchWorker
from services.endpoint_register.usecases.changing import EndpointChanges
from services.endpoint_register.usecases.evaluating import FilterWork
from services.endpoint_register.usecases.giving_up import Patience, SilenceWatch
from services.endpoint_register.usecases.matching import Judge
from services.endpoint_register.usecases.sorting import MAX_WAITING
from services.endpoint_register.usecases.sweeping import Pace, Sweeper

_MAX_IN_LINE: Final = 2048
_FIRST_PAUSE_S: Final = 0.002
_LONGEST_PAUSE_S: Final = 0.1
_CHANCE: Final = random.SystemRandom()

_WAITING = Gauge("grove_endpoint_register_outboxes", "Endpoints whose events are about to be published.")


class SystemEntropy:
    """Chance from the operating system."""

    def attempt(self) -> str:
        return secrets.token_hex(8)

    def endpoint_id(self) -> EndpointId:
        return EndpointId(str(uuid.uuid4()))

    def token_value(self) -> str:
        return token_value()

    def octets(self, count: int) -> bytes:
        return secrets.token_bytes(count)

    def pause_s(self, attempt: int) -> float:
        return _CHANCE.uniform(0, min(_FIRST_PAUSE_S * 2**attempt, _LONGEST_PAUSE_S))


async def build(process: Process) -> None:
    """Wait for NATS and the store, serve, publish what happens, and finish what others left."""
    settings = process.load(Settings)
    box = _box(process.settings.secrets_key)
    store = await open_store(process)
    bus = await connect_bus(process, max_in_flight=settings.max_in_flight)
    await bus.ensure_stream(events_stream(bus.subjects))
    await bus.ensure_consumer(presence_consumer(bus.subjects))
    listing = await open_listing(store)
    parts, announcer = await assemble(store, bus, box=box, listing=listing, active_s=settings.active_s)
    if isinstance(listing, LandmarkListing):
        process.supervise("landmarks", listing.run())
    _WAITING.set_function(lambda: len(announcer))
    process.supervise("announcing", announcer.run())
    process.on_stop("announcing", announcer.stop)
    pace = Pace(
        every_s=settings.sweep_every_s,
        outbox_after_s=settings.outbox_after_s,
        creating_after_s=settings.creating_after_s,
    )
    process.supervise("sweeping", Sweeper(parts, pace=pace).run())
    process.supervise("batches", BatchWorker(parts, pace=BatchPace()).run())
    process.supervise("judging endpoints", FilterWork(parts).run())
    watch = SilenceWatch(parts, patience=Patience(silent_after_s=settings.silent_after_s))
    bus.on_cut(watch.forget)
    process.supervise("watching transports", watch.run())
    process.supervise("presence", follow_presence(bus, parts))
    process.on_stop("presence", bus.stop_consuming)
    await serve(bus, parts)
    process.on_stop("bus requests", bus.stop_serving)


async def open_listing(store: Store) -> MongoEndpointListing | LandmarkListing:
    """Choose how lists are read: as the store does it, or in small ranges where it reads whole ones."""
    if await store.reads_whole_ranges():
        return LandmarkListing(MongoEndpointListing(store, by_match=True), store)
    return MongoEndpointListing(store)


async def assemble(
    store: Store,
    bus: Bus,
    *,
    box: SealingBox,
    listing: MongoEndpointListing | LandmarkListing,
    active_s: float = Settings.active_s,
) -> tuple[Parts, Announcer]:
    """Put the production parts together, and the task that publishes for them."""
    clock = SystemClock()
    endpoints = MongoEndpointRepository(store, clock=clock)
    applications = MongoApplicationRepository(store, clock=clock)
    configurations = MongoConfigurationRepository(store, clock=clock)
    connectivity, relations = MongoConnectivityRepository(store), MongoRelationRepository(store)
    batches, filters = MongoBatchRepository(store, box=box), MongoFilterRepository(store)
    kept = (endpoints, listing, connectivity, applications, configurations, batches, relations, filters)
    for repository in kept:
        await repository.prepare()

    async def load(version: AppVersionName) -> Whitelist:
        return whitelist_of(await configurations.effective(version, service=EPMX))

    whitelists = CachedWhitelists(load)
    await whitelists.follow(bus)
    events = BusEventPublisher(bus)
    judging = Judge(endpoints=endpoints, filters=filters)
    announcer = Announcer(endpoints=endpoints, listing=listing, events=events, judging=judging)
    entropy = SystemEntropy()
    changing = EndpointChanges(
        endpoints=endpoints,
        turns=KeyedQueue[str](max_waiting_per_key=_MAX_IN_LINE),
        announcing=announcer,
        entropy=entropy,
        judging=judging,
    )
    parts = Parts(
        endpoints=endpoints,
        listing=listing,
        connectivity=connectivity,
        runs=MongoRunRepository(store),
        applications=applications,
        configurations=configurations,
        batches=batches,
        relations=relations,
        filters=filters,
        judging=judging,
        credentials=BusCredentials(bus),
        events=events,
        whitelists=whitelists,
        changing=changing,
        announcing=announcer,
        clock=clock,
        entropy=entropy,
        sorting=KeyedQueue[str](max_waiting_per_key=MAX_WAITING),
        active_for=timedelta(seconds=active_s),
    )
    return parts, announcer


def _box(secrets_key: str) -> SealingBox:
    try:
        return SealingBox(secrets_key)
    except SealingKeyError as error:
        raise SettingsError((f"GROVE_SECRETS_KEY {error}",)) from error
