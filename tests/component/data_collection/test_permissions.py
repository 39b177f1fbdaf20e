"""data-collection with the NATS user that production gives it, and no more."""

import asyncio
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from libs.bus import Bus, Delivery
from libs.contracts.data_events import DATA_SAMPLES_RECEIVED, DataSamplesEvent, RejectedMessage
from libs.contracts.ingest import IngestReplies, ingest_subject, rejected_subject, replies_subject
from libs.contracts.lifecycle import (
    CONFIGURATION_DELETED,
    UNREGISTERED,
    ConfigurationUpdatedEvent,
    UnregisteredEvent,
)
from libs.contracts.streams import (
    applications_consumer,
    collect_consumer,
    events_stream,
    ingest_stream,
    rejected_stream,
    removals_consumer,
)
from services.data_collection.bus_api import BusDataEvents, BusReplies, StreamIngest, StreamRejections
from tests.component.data_collection.conftest import Transport, message
from tests.component.data_collection.test_collecting import hear, until
from tests.support.servers import NatsServer, nats_process


@pytest.fixture
def root() -> str:
    return "grove.v1"


@pytest.fixture
def nats(tmp_path: Path) -> Iterator[NatsServer]:
    with nats_process(tmp_path) as server:
        yield server


async def test_its_user_may_drain_its_streams(nats: NatsServer, transport: Transport) -> None:
    owner = await Bus.connect(url=nats.url, service="tester", replica="tester-1")
    await owner.ensure_stream(events_stream(owner.subjects))
    bus = await Bus.connect(url=nats.url_for("data-collection"), service="data-collection", replica="d-1")
    await bus.ensure_stream(ingest_stream(bus.subjects))
    seen: list[str] = []

    async def see(batch: Sequence[Delivery]) -> None:
        seen.extend(each.subject for each in batch)

    async with asyncio.TaskGroup() as tasks:
        for consumer in (collect_consumer, removals_consumer, applications_consumer):
            tasks.create_task(bus.consume(consumer(bus.subjects), see), name="consume")
        await transport.publish(transport.batch([message()]))
        gone = UnregisteredEvent(app_version_name="grove-v1", endpoint_id="tree")
        await owner.announce(UNREGISTERED.subject(owner.subjects), gone, msg_id="gone")
        deleted = ConfigurationUpdatedEvent(app_name="grove")
        await owner.announce(CONFIGURATION_DELETED.subject(owner.subjects), deleted, msg_id="deleted")
        await until(lambda: len(seen) == 3, "a batch and both removals")
        await bus.stop_consuming()

    expected = [kind.subject(bus.subjects) for kind in (UNREGISTERED, CONFIGURATION_DELETED)]
    assert sorted(seen) == sorted([ingest_subject(bus.subjects), *expected])
    await bus.close()
    await owner.close()


async def test_its_user_may_do_all_that_collecting_does(nats: NatsServer, transport: Transport) -> None:
    owner = await Bus.connect(url=nats.url, service="tester", replica="tester-1")
    await owner.ensure_stream(events_stream(owner.subjects))
    bus = await Bus.connect(url=nats.url_for("data-collection"), service="data-collection", replica="d-1")
    subjects = transport.subjects
    heard = await hear(transport, DATA_SAMPLES_RECEIVED.subject(subjects), DataSamplesEvent)
    heard_replies = await hear(transport, replies_subject(subjects, 1), IngestReplies)
    rejected = await hear(transport, rejected_subject(subjects), RejectedMessage)

    for stream in (ingest_stream, rejected_stream):
        await bus.ensure_stream(stream(subjects))
    for consumer in (collect_consumer, removals_consumer, applications_consumer):
        await bus.ensure_consumer(consumer(subjects))
    await transport.publish(transport.batch([message()]))
    ingest = StreamIngest(bus)
    kept = await ingest.find(from_sequence=1)
    deleted = await ingest.delete(1)
    event = DataSamplesEvent(app_version_name="grove-v1", endpoint_id="tree", data_samples=[b"1"])
    await BusDataEvents(bus).tell(iter([event]), {"auto~unheard": iter([])})
    await BusReplies(bus).reply(1, IngestReplies(counter=1, stored=[0]))
    await StreamRejections(bus).reject(RejectedMessage(reason="no"), msg_id="a")

    await until(lambda: (len(heard), len(heard_replies), len(rejected)) == (1, 1, 1), "all three")
    assert kept is not None
    assert deleted
    assert (await ingest.backlog()).messages == 0
    await bus.close()
    await owner.close()
