"""Composition root of data-collection: production by default, every part can be another."""

import secrets
from collections.abc import Mapping, Sequence

from libs.bus import Bus, connect_bus
from libs.contracts.streams import collect_consumer, ingest_stream, rejected_stream
from libs.process import Process, SystemClock
from libs.store import Store, open_store
from services.data_collection.bus_api import (
    ApplicationHandlers,
    BusDataEvents,
    BusReplies,
    IngestHandlers,
    StreamIngest,
    StreamRejections,
    collect_batches,
    follow_applications,
    follow_removals,
)
from services.data_collection.bus_api.queries import (
    BusAnnouncements,
    BusApplications,
    CachedConfigurations,
    SeriesHandlers,
    serve_queries,
)
from services.data_collection.domain.configuration import DEFAULT, TimeSeriesConfiguration
from services.data_collection.domain.samples import Derivable
from services.data_collection.mongo import MongoRemovalRepository, MongoSampleRepository
from services.data_collection.mongo.configurations import MongoConfigurationRepository
from services.data_collection.mongo.queries import MongoLastRepository, MongoSeriesRepository
from services.data_collection.mongo.rollups import MongoRollupRepository
from services.data_collection.ports import Configurations, Derived, Retentions, SampleRepository
from services.data_collection.settings import Settings
from services.data_collection.usecases.collecting import Collecting
from services.data_collection.usecases.configuring import ConfigurationParts
from services.data_collection.usecases.expiring import Expiring, keep_expiring
from services.data_collection.usecases.forgetting import keep_forgetting
from services.data_collection.usecases.marking import MarkedSamples
from services.data_collection.usecases.orphans import OrphanWatch
from services.data_collection.usecases.querying import QueryParts
from services.data_collection.usecases.rollups import Derivation, DerivationParts
from services.data_collection.usecases.writing import WritingParts


class Unconfigured:
    """Defaults for every application, until there is something that can be configured."""

    async def of(self, app_version: str) -> TimeSeriesConfiguration:
        del app_version
        return DEFAULT

    async def retentions(self) -> Mapping[str, int]:
        return {}


class Underived:
    """Computes nothing from samples."""

    def note(self, samples: Sequence[Derivable]) -> None:
        del samples


async def build(process: Process) -> None:
    """Wait for NATS and the store, then drain the stream until told to stop."""
    settings = process.load(Settings)
    store = await open_store(process)
    bus = await connect_bus(process)
    await bus.ensure_stream(ingest_stream(bus.subjects))
    await bus.ensure_stream(rejected_stream(bus.subjects))
    await bus.ensure_consumer(collect_consumer(bus.subjects))
    configurations, derivation, samples = await derive(store, bus)
    collecting, handlers = await assemble(
        store, bus, settings=settings, configurations=configurations, derived=derivation, samples=samples
    )
    watch = OrphanWatch(
        StreamIngest(bus), handlers.on_orphan, clock=SystemClock(), every_s=settings.watch_every_s
    )
    expiring = _expiring(store, collecting, configurations, watch)
    process.supervise("orphans", watch.run())
    process.supervise(
        "expiring",
        keep_expiring(
            expiring,
            removals_every_s=settings.removals_every_s,
            retention_every_s=settings.retention_every_s,
        ),
    )
    process.supervise("deriving", derivation.run())
    process.supervise("rolling up", derivation.compute())
    process.on_stop("deriving", derivation.flush)
    queries = await query_handlers(
        store, bus, settings=settings, configurations=configurations, derivation=derivation, samples=samples
    )
    await serve_queries(bus, queries)
    for number in range(settings.loops):
        process.supervise(f"collecting {number}", collect_batches(bus, handlers, batches=settings.batches))
    process.supervise("removals", follow_removals(bus, handlers))
    forgetting = configuration_parts(store, bus, BusApplications(bus))
    process.supervise("applications", follow_applications(bus, ApplicationHandlers(forgetting)))
    process.supervise("forgetting", keep_forgetting(forgetting, every_s=settings.retention_every_s))
    process.on_stop("collecting", bus.stop_consuming)
    process.on_stop("bus requests", bus.stop_serving)


async def assemble(
    store: Store,
    bus: Bus,
    *,
    settings: Settings,
    configurations: Configurations,
    derived: Derived | None = None,
    samples: SampleRepository | None = None,
) -> tuple[Collecting, IngestHandlers]:
    """Put the production parts of collecting together."""
    stored = MongoSampleRepository(store)
    await stored.prepare()
    parts = Collecting(
        samples=samples or stored,
        configurations=configurations,
        events=BusDataEvents(bus),
        replies=BusReplies(bus),
        rejections=StreamRejections(bus),
        derived=derived or Underived(),
        point_events=settings.point_events,
    )
    return parts, IngestHandlers(parts, MongoRemovalRepository(store))


async def derive(store: Store, bus: Bus) -> tuple[CachedConfigurations, Derivation, SampleRepository]:
    """Put together what is computed from samples, and the samples whose hours are marked for it."""
    documents, samples = MongoConfigurationRepository(store), MongoSampleRepository(store)
    rollups, lasts, series = (
        MongoRollupRepository(store),
        MongoLastRepository(store),
        MongoSeriesRepository(store),
    )
    for repository in (documents, samples, rollups, lasts, series):
        await repository.prepare()
    configurations = CachedConfigurations(documents)
    await configurations.follow(bus)
    parts = DerivationParts(
        samples=samples,
        rollups=rollups,
        lasts=lasts,
        series=series,
        configurations=configurations,
        retentions=configurations,
        clock=SystemClock(),
        new_stamp=_draw,
    )
    derivation = Derivation(parts)
    return configurations, derivation, MarkedSamples(samples, derivation)


async def query_handlers(
    store: Store,
    bus: Bus,
    *,
    settings: Settings,
    configurations: CachedConfigurations,
    derivation: Derivation,
    samples: SampleRepository,
) -> SeriesHandlers:
    """Put together what answers operators."""
    applications = BusApplications(bus)
    await applications.follow(bus)
    queries = QueryParts(
        samples=samples,
        rollups=MongoRollupRepository(store),
        lasts=MongoLastRepository(store),
        series=MongoSeriesRepository(store),
        configurations=configurations,
        documents=MongoConfigurationRepository(store),
        applications=applications,
    )
    writing = WritingParts(
        samples=samples,
        derived=derivation,
        events=BusDataEvents(bus),
        configurations=configurations,
        applications=applications,
        clock=SystemClock(),
        point_events=settings.point_events,
    )
    return SeriesHandlers(
        queries=queries, writing_parts=writing, configuration=configuration_parts(store, bus, applications)
    )


def configuration_parts(store: Store, bus: Bus, applications: BusApplications) -> ConfigurationParts:
    """Put together what changes documents of configuration."""
    return ConfigurationParts(
        documents=MongoConfigurationRepository(store),
        applications=applications,
        announcements=BusAnnouncements(bus, new_id=_draw),
    )


def _draw() -> str:
    return secrets.token_hex(8)


def _expiring(store: Store, parts: Collecting, retentions: Retentions, watch: OrphanWatch) -> Expiring:
    return Expiring(
        samples=parts.samples,
        rollups=MongoRollupRepository(store),
        retentions=retentions,
        removals=MongoRemovalRepository(store),
        clock=SystemClock(),
        oldest_ms=lambda: watch.oldest_ms,
    )
