"""Store what transports acknowledged, tell of it, and only then let go of it (delivery.md rules 9, 10).

Everything here may be done twice: a batch whose acknowledgement is lost comes again, its samples are there,
its events and replies are said once more. What cannot be done now is raised, and comes again; only
what is wrong with one device message is about that message.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeAlias

import structlog

from libs.contracts.data_events import RejectedMessage
from libs.contracts.errors import GroveError
from libs.contracts.ingest import IngestBatch, IngestReplies
from services.data_collection import metrics
from services.data_collection.domain.batches import Taken, TakenApart, take_apart
from services.data_collection.domain.configuration import TimeSeriesConfiguration
from services.data_collection.domain.samples import Sample
from services.data_collection.domain.storing import Inserted, SliceSize, slices
from services.data_collection.ports import (
    Configurations,
    DataEvents,
    Derived,
    Rejections,
    Replies,
    SampleRepository,
)
from services.data_collection.usecases.telling import point_events, sample_events

_INSERTS_AT_ONCE: Final = 2

_Place: TypeAlias = tuple[TakenApart, Taken]

_log = structlog.get_logger()


@dataclass(frozen=True, kw_only=True)
class Collecting:
    """What collecting needs.

    Attributes:
        samples: Where they are stored.
        configurations: What applications say about them.
        events: Told of what is stored.
        replies: Told what became of messages.
        rejections: Where messages go that cannot be stored.
        derived: Hears of what was stored, off this way.
        point_events: Whether points of time series are told of, besides samples.
        size: Of the inserts; what one handful learns of the store holds for the next.
    """

    samples: SampleRepository
    configurations: Configurations
    events: DataEvents
    replies: Replies
    rejections: Rejections
    derived: Derived
    point_events: bool = True
    size: SliceSize = field(default_factory=SliceSize)


async def collect(batches: Sequence[IngestBatch], *, parts: Collecting) -> None:
    """Store batches and tell of them; they may be acknowledged when this returns.

    Raises:
        GroveError: Not all of it is done; all of it has to come again.
    """
    configurations = await _configurations(batches, parts)
    aparts: list[TakenApart] = []
    for batch in batches:
        aparts.append(take_apart(batch, configurations))
        await asyncio.sleep(0)  # a batch of 8,192 samples takes its time
    await _store(aparts, parts)
    for apart in aparts:
        for number, error in apart.refused.items():
            await _reject(apart, number, error, parts)
    stored = [(apart.id, apart.taken) for apart in aparts]
    await parts.events.tell(sample_events(stored), point_events(stored) if parts.point_events else {})
    for apart in aparts:
        await _reply(apart, parts)
    parts.derived.note([taken.derivable() for apart in aparts for taken in apart.taken])
    metrics.BATCHES.labels("stored").inc(len(aparts))


async def _configurations(
    batches: Sequence[IngestBatch], parts: Collecting
) -> Mapping[str, TimeSeriesConfiguration]:
    versions = {message.app_version for batch in batches for message in batch.messages}
    return {version: await parts.configurations.of(version) for version in versions}


async def _store(aparts: Sequence[TakenApart], parts: Collecting) -> None:
    """Insert all samples, in slices that know no batches; refuse the messages of those that cannot be."""
    places: list[_Place] = [(apart, taken) for apart in aparts for taken in apart.taken]
    waiting = slices(len(places), parts.size)
    refused: list[tuple[_Place, str]] = []

    async def work() -> None:
        for part in waiting:
            those = places[part]
            outcome = await _insert([taken.sample for _, taken in those], parts)
            refused.extend((those[position], reason) for position, reason in outcome.refused.items())
            metrics.STORED.labels("again").inc(outcome.again)
            metrics.STORED.labels("known").inc(len(outcome.known))
            others = outcome.again + len(outcome.known) + len(outcome.refused)
            metrics.STORED.labels("new").inc(len(those) - others)

    failures = await asyncio.gather(*(work() for _ in range(_INSERTS_AT_ONCE)), return_exceptions=True)
    for failure in failures:
        if failure is not None:
            raise failure
    for (apart, taken), reason in refused:
        apart.refuse(taken.message, reason)


async def _insert(samples: Sequence[Sample], parts: Collecting) -> Inserted:
    loop = asyncio.get_running_loop()
    began = loop.time()
    try:
        outcome = await parts.samples.insert(samples)
    except GroveError:
        parts.size.failed()
        raise
    parts.size.took(loop.time() - began)
    return outcome


async def _reject(apart: TakenApart, number: int, error: GroveError, parts: Collecting) -> None:
    message = apart.batch.messages[number]
    metrics.REJECTED.labels("content").inc()
    _log.warning(
        "collecting.rejected",
        batch=apart.id,
        position=number,
        endpoint=message.endpoint_id,
        reason=str(error),
    )
    await parts.rejections.reject(
        RejectedMessage(
            reason=error.reason_phrase,
            batch_id=apart.id,
            position=number,
            endpoint_id=message.endpoint_id,
            app_version_name=message.app_version,
            resource=message.resource,
            payload=message.payload,
            payload_bytes=len(message.payload),
            received_ms=message.received_ms,
        ),
        msg_id=f"{apart.id}/{number}",
    )


async def _reply(apart: TakenApart, parts: Collecting) -> None:
    wanting = [number for number, message in enumerate(apart.batch.messages) if message.wants_reply]
    if not wanting:
        return
    stored = [number for number in wanting if number not in apart.refused]
    refused = [
        (number, error.status_code, error.reason_phrase)
        for number, error in apart.refused.items()
        if apart.batch.messages[number].wants_reply
    ]
    replies = IngestReplies(counter=apart.batch.counter, stored=stored, refused=refused)
    await parts.replies.reply(apart.batch.run_id, replies)
