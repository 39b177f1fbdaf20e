"""Composition root of data-collection: production by default, every part can be another."""

from collections.abc import Mapping, Sequence

from libs.bus import Bus, connect_bus
from libs.contracts.streams import collect_consumer, ingest_stream, rejected_stream
from libs.process import Process, SystemClock
from libs.store import Store, open_store
from services.data_collection.bus_api import (
    BusDataEvents,
    BusReplies,
    IngestHandlers,
    StreamIngest,
    StreamRejections,
    collect_batches,
    follow_removals,
)
from services.data_collection.domain.configuration import DEFAULT, TimeSeriesConfiguration
from services.data_collection.domain.samples import Derivable
from services.data_collection.mongo import MongoRemovalRepository, MongoSampleRepository
from services.data_collection.ports import Configurations, Derived, Retentions
from services.data_collection.settings import Settings
from services.data_collection.usecases.collecting import Collecting
from services.data_collection.usecases.expiring import Expiring, keep_expiring
from services.data_collection.usecases.orphans import OrphanWatch


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
    unconfigured = Unconfigured()
    collecting, handlers = await assemble(store, bus, settings=settings, configurations=unconfigured)
    watch = OrphanWatch(
        StreamIngest(bus), handlers.on_orphan, clock=SystemClock(), every_s=settings.watch_every_s
    )
    expiring = _expiring(store, collecting, unconfigured, watch)
    process.supervise("orphans", watch.run())
    process.supervise(
        "expiring",
        keep_expiring(
            expiring,
            removals_every_s=settings.removals_every_s,
            retention_every_s=settings.retention_every_s,
        ),
    )
    for number in range(settings.loops):
        process.supervise(f"collecting {number}", collect_batches(bus, handlers, batches=settings.batches))
    process.supervise("removals", follow_removals(bus, handlers))
    process.on_stop("collecting", bus.stop_consuming)


async def assemble(
    store: Store,
    bus: Bus,
    *,
    settings: Settings,
    configurations: Configurations,
    derived: Derived | None = None,
) -> tuple[Collecting, IngestHandlers]:
    """Put the production parts of collecting together."""
    samples = MongoSampleRepository(store)
    await samples.prepare()
    parts = Collecting(
        samples=samples,
        configurations=configurations,
        events=BusDataEvents(bus),
        replies=BusReplies(bus),
        rejections=StreamRejections(bus),
        derived=derived or Underived(),
        point_events=settings.point_events,
    )
    return parts, IngestHandlers(parts, MongoRemovalRepository(store))


def _expiring(store: Store, parts: Collecting, retentions: Retentions, watch: OrphanWatch) -> Expiring:
    return Expiring(
        samples=parts.samples,
        retentions=retentions,
        removals=MongoRemovalRepository(store),
        clock=SystemClock(),
        oldest_ms=lambda: watch.oldest_ms,
    )
