"""Batches on their way from the stream to the store, on real NATS and a real store."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import msgspec
import pytest

from libs.bus import Bus
from libs.bus.inspecting import Backlog
from libs.contracts.data_events import (
    DATA_POINTS_RECEIVED,
    DATA_SAMPLES_RECEIVED,
    DataSamplesEvent,
    RejectedMessage,
    TimeSeriesEvent,
)
from libs.contracts.ingest import (
    FORMAT,
    IngestReplies,
    batch_id,
    rejected_subject,
    replies_subject,
    sample_id,
)
from libs.contracts.instants import unix_ms
from libs.contracts.lifecycle import UNREGISTERED, UnregisteredEvent
from libs.contracts.streams import ingest_stream
from libs.process import SystemClock
from services.data_collection.bus_api import StreamIngest
from services.data_collection.domain.configuration import TimeSeriesConfiguration, configuration_of
from services.data_collection.domain.durations import DAY_MS, HOUR_MS, start_of
from services.data_collection.domain.rollups import Rollup
from services.data_collection.mongo.rollups import MongoRollupRepository
from services.data_collection.usecases.expiring import SLICE, expire, remove_gone
from services.data_collection.usecases.orphans import OrphanWatch
from tests.component.data_collection.conftest import RECEIVED_MS, Replica, Start, Transport, message
from tests.support.waiting import eventually

Heard = list[Any]


async def hear(transport: Transport, subject: str, kind: type[Any]) -> Heard:
    heard: Heard = []

    async def keep(msg: Any) -> None:  # noqa: ANN401 - nats-py's callback
        heard.append((msg.subject, msgspec.msgpack.decode(msg.data, type=kind)))

    await transport.client.subscribe(subject, cb=keep)
    await transport.client.flush()
    return heard


async def until(condition: Callable[[], bool], what: str) -> None:
    async def look() -> bool:
        return condition()

    await eventually(look, what=what)


async def test_a_sample_is_stored_as_the_batch_says(transport: Transport, replica: Replica) -> None:
    batch = await transport.send({"temperature": 23.5}, [{"a": 1}, {"b": 2}])

    await replica.holds(3)
    samples = await replica.stored()
    assert [each.value for each in samples] == [{"temperature": 23.5}, {"a": 1}, {"b": 2}]
    assert [each.id for each in samples] == [sample_id(batch.run_id, batch.counter, n) for n in range(3)]
    assert {(each.received_ms, each.time_ms, each.app_version) for each in samples} == {
        (RECEIVED_MS, RECEIVED_MS, "grove-v1")
    }


async def test_the_same_batch_published_twice_is_stored_once(transport: Transport, replica: Replica) -> None:
    batch = transport.batch([message({"n": number}) for number in range(256)])

    await transport.publish(batch)
    await transport.publish(batch, msg_id="as if the window had passed")

    await replica.holds(256)


async def test_samples_of_a_stream_that_was_made_again_are_new_samples(
    transport: Transport, replica: Replica
) -> None:
    await transport.send(*({"n": number} for number in range(100)))
    await replica.holds(100)
    stream = transport.client.jetstream()
    name = ingest_stream(transport.subjects).name

    await stream.delete_stream(name)
    await replica.bus.ensure_stream(ingest_stream(replica.bus.subjects))
    await transport.send(*({"n": number} for number in range(100)))

    await replica.holds(200, deadline_s=30)


async def test_transports_hear_what_became_of_the_messages_that_want_to_know(
    transport: Transport, replica: Replica
) -> None:
    subject = replies_subject(transport.subjects, transport.run_id)
    heard = await hear(transport, subject, IngestReplies)

    batch = transport.batch([message({"n": 1}), message({"n": 2}, wants_reply=True), message({"n": 3})])
    await transport.publish(batch)

    await until(lambda: bool(heard), "replies")
    assert heard[0][1] == IngestReplies(counter=batch.counter, stored=[1])


async def test_one_poison_message_is_isolated_and_255_others_are_stored(
    transport: Transport, replica: Replica
) -> None:
    rejected = await hear(transport, rejected_subject(transport.subjects), RejectedMessage)
    poisons = [
        b'{"n":1' + b"0" * 30 + b"}",
        b'{"a\\u0000":1}',
        b'{"a":"\\ud800"}',
        b"[" * 150 + b"]" * 150,
        b"\xff",
    ]

    for poison in poisons:
        good = [message({"n": number}) for number in range(255)]
        await transport.publish(transport.batch([*good[:100], message(poison), *good[100:]]))

    await replica.holds(255 * len(poisons))
    await until(lambda: len(rejected) == len(poisons), "rejections")
    assert sorted(each.payload for _, each in rejected) == sorted(poisons)
    assert {each.position for _, each in rejected} == {100}


async def test_what_is_no_batch_is_kept_in_rejected_and_stops_nothing(
    transport: Transport, replica: Replica
) -> None:
    rejected = await hear(transport, rejected_subject(transport.subjects), RejectedMessage)

    await transport.publish_raw(b"\xc1 nothing", msg_id="strange")
    await transport.send({"n": 1})

    await replica.holds(1)
    await until(lambda: len(rejected) == 1, "the rejection")
    assert rejected[0][1].payload == b"\xc1 nothing"


async def test_a_batch_of_a_newer_format_waits_for_a_newer_replica(
    transport: Transport, replica: Replica
) -> None:
    rejected = await hear(transport, rejected_subject(transport.subjects), RejectedMessage)
    await transport.publish(transport.batch([message()], format=FORMAT + 1))
    await transport.send({"n": 1})

    async def only_the_newer_one_is_left() -> bool:
        backlog = await StreamIngest(replica.bus).backlog()
        return await replica.count() == 1 and backlog.messages == 1

    await eventually(only_the_newer_one_is_left, what="the batch that is understood is stored and gone")
    assert rejected == []


async def test_everyone_hears_of_samples_and_points_one_event_for_each_endpoint_of_a_batch(
    transport: Transport, replica: Replica
) -> None:
    samples = await hear(transport, DATA_SAMPLES_RECEIVED.subject(transport.subjects), DataSamplesEvent)
    points = await hear(transport, DATA_POINTS_RECEIVED.subject(transport.subjects) + ".*", TimeSeriesEvent)
    trees = ["oak", "elm", "oak", "oak"]

    batch = transport.batch([message({"t": n}, endpoint_id=tree) for n, tree in enumerate(trees)])
    await transport.publish(batch)
    await until(lambda: len(samples) == 2 and len(points) == 2, "four events")

    oak = next(event for _, event in samples if event.endpoint_id == "oak")
    assert (oak.batch_id, oak.position) == (batch_id(batch.run_id, batch.counter), 0)
    assert [json.loads(each) for each in oak.data_samples] == [{"t": 0}, {"t": 2}, {"t": 3}]
    assert oak.originator_replica_id == "data-collection-1"
    subject, series = next(each for each in points if each[1].endpoint_id == "elm")
    assert subject.endswith(".data-points-received.auto~t")
    assert [(each.timestamp, each.values) for each in series.data_points] == [(RECEIVED_MS, {"value": 1})]


async def test_what_is_computed_from_samples_is_told_of_stored_ones(
    transport: Transport, replica: Replica
) -> None:
    await transport.send({"t": 5})

    await replica.holds(1)
    assert [(each.endpoint_id, each.points) for each in replica.noted.samples] == [
        ("tree", {"auto~t": {"value": 5}})
    ]


class Strict:
    """Wants a timestamp, and knows messages by their id."""

    async def of(self, app_version: str) -> TimeSeriesConfiguration:
        del app_version
        timestamp: dict[str, Any] = {"path": "at", "fallback-strategy": "fail"}
        return configuration_of({"time-series": {"timestamp": timestamp}}, {"message-id": {"path": "id"}})


async def test_a_sample_without_the_time_its_application_wants_is_refused_alone(
    transport: Transport, start: Start
) -> None:
    replica = await start(configurations=Strict())
    heard = await hear(transport, replies_subject(transport.subjects, transport.run_id), IngestReplies)

    await transport.send({"at": RECEIVED_MS}, {"temperature": 1}, wants_reply=True)

    await replica.holds(1)
    await until(lambda: bool(heard), "replies")
    assert heard[0][1].stored == [0]
    assert [(number, code) for number, code, _ in heard[0][1].refused] == [(1, 400)]


async def test_a_message_sent_again_with_its_configured_id_is_stored_once(
    transport: Transport, start: Start
) -> None:
    replica = await start(configurations=Strict())

    for _ in range(3):
        await transport.send({"at": RECEIVED_MS, "id": "a"}, {"at": RECEIVED_MS, "id": "b"})

    await replica.holds(2)


class Forgetful(StreamIngest):
    """A stream whose server was killed before it removed what had been acknowledged."""

    def __init__(self, bus: Bus, *, floor: int) -> None:
        super().__init__(bus)
        self._floor = floor

    async def backlog(self) -> Backlog:
        return replace(await super().backlog(), floor=self._floor)


async def test_batches_below_the_floor_are_stored_and_deleted(transport: Transport, start: Start) -> None:
    replica = await start(collecting=False)
    batches = [await transport.send({"n": number}) for number in range(5)]
    await transport.publish(transport.batch([message()], format=FORMAT + 1))
    forgetful = Forgetful(replica.bus, floor=6)
    watch = OrphanWatch(forgetful, replica.handlers.on_orphan, clock=SystemClock(), every_s=1)

    adopted = await watch.look()

    assert adopted == 5
    assert [each.id for each in await replica.stored()] == [
        sample_id(each.run_id, each.counter, 0) for each in batches
    ]
    backlog = await StreamIngest(replica.bus).backlog()
    assert (backlog.messages, backlog.first_sequence) == (1, 6)


async def test_what_the_consumer_has_yet_to_give_out_is_no_orphan(transport: Transport, start: Start) -> None:
    replica = await start(collecting=False)
    await transport.send({"n": 1})

    assert await replica.watch().look() == 0
    assert (await StreamIngest(replica.bus).backlog()).messages == 1


async def test_stopping_finishes_and_acknowledges_what_is_in_hand(transport: Transport, start: Start) -> None:
    first = await start()
    for _ in range(20):
        await transport.send(*({"n": number} for number in range(100)))

    await first.bus.stop_consuming()

    second = await start(collecting=False)
    left = (await StreamIngest(second.bus).backlog()).messages
    assert await second.count() == (20 - left) * 100


async def test_samples_of_an_endpoint_that_is_gone_are_deleted_and_no_others(
    transport: Transport, replica: Replica
) -> None:
    bus: Bus = replica.bus
    await transport.send(*({"n": number} for number in range(600)[:256]))
    await transport.send({"n": 1}, endpoint_id="oak")
    await transport.send({"n": 2}, received_ms=RECEIVED_MS + 10**12)
    await replica.holds(258)

    event = UnregisteredEvent(app_version_name="grove-v1", endpoint_id="tree")
    await bus.announce(UNREGISTERED.subject(bus.subjects), event, msg_id="gone")
    await eventually(replica.removals.all, what="the removal")
    deleted = await remove_gone(replica.expiring())

    assert deleted == 256
    assert [each.value for each in await replica.stored()] == [{"n": 2}]
    assert len(await replica.stored("oak")) == 1


async def test_samples_older_than_their_application_keeps_them_are_deleted(
    transport: Transport, replica: Replica
) -> None:
    await transport.send({"n": 1, "timestamp": RECEIVED_MS - 400 * 86_400_000}, {"n": 2})
    await transport.send(
        {"n": 3, "timestamp": RECEIVED_MS - 400 * 86_400_000}, app_version="other-v1", endpoint_id="oak"
    )
    await replica.holds(3)
    replica.retentions["grove"] = 300 * 86_400_000

    deleted = await expire(replica.expiring())

    assert deleted == 1
    assert [each.value for each in await replica.stored()] == [{"n": 2}]
    assert len(await replica.stored("oak")) == 1


async def test_what_hours_came_to_goes_with_their_samples(transport: Transport, replica: Replica) -> None:
    rollups, now_ms = MongoRollupRepository(replica.store), unix_ms(SystemClock().now())
    horizon = start_of(now_ms - 300 * DAY_MS, HOUR_MS)
    for number in range(SLICE + 3):  # more than one slice; the last two begin behind the horizon
        hour_ms = horizon + (number - SLICE) * HOUR_MS
        await rollups.put(Rollup("tree", hour_ms, {"grove-v1": "f00"}, {}))
    await rollups.put(Rollup("oak", horizon - HOUR_MS, {"other-v1": "f00"}, {}))
    await transport.send({"n": 1, "timestamp": horizon - 1}, {"n": 2, "timestamp": horizon + HOUR_MS})
    await transport.send({"n": 3, "timestamp": horizon - 1}, app_version="other-v1", endpoint_id="oak")
    await replica.holds(3)
    replica.retentions["grove"] = 300 * DAY_MS

    deleted = await expire(replica.expiring())

    async def left(endpoint: str) -> list[int]:
        found = await rollups.hours(endpoint, 0, 2**53, minutes=False, limit=9, newest_first=False)
        return [each.hour_ms for each in found]

    assert deleted == 1
    assert await left("tree") == [horizon + HOUR_MS, horizon + 2 * HOUR_MS]
    assert await left("oak") == [horizon - HOUR_MS]


@pytest.mark.parametrize("count", [300], ids=["many"])
async def test_order_within_a_batch_is_the_order_of_receipt(
    transport: Transport, replica: Replica, count: int
) -> None:
    await transport.send(*({"n": number} for number in range(256)))
    await transport.send(*({"n": number} for number in range(256, count)))

    await replica.holds(count)
    await asyncio.sleep(0)
    assert [each.value for each in await replica.stored()] == [{"n": number} for number in range(count)]
