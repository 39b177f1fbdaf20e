"""Ports of collecting, in memory."""

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from libs.contracts.data_events import DataSamplesEvent, RejectedMessage, TimeSeriesEvent
from libs.contracts.errors import GroveError
from libs.contracts.ids import application_of
from libs.contracts.ingest import IngestReplies
from services.data_collection.domain.configuration import DEFAULT, TimeSeriesConfiguration
from services.data_collection.domain.samples import Derivable, Place, Sample
from services.data_collection.domain.storing import Inserted


class InMemorySampleRepository:
    def __init__(self) -> None:
        self.samples: dict[bytes, Sample] = {}
        self.failures: list[GroveError] = []
        self.refused_texts: set[bytes] = set()

    async def insert(self, samples: Sequence[Sample]) -> Inserted:
        if self.failures:
            raise self.failures.pop()
        keys = {each.message_key for each in self.samples.values()} - {None}
        again, known, refused = 0, [], {}
        for position, sample in enumerate(samples):
            if sample.id in self.samples:
                again += 1
            elif sample.message_key in keys:
                known.append(position)
            elif sample.text in self.refused_texts:
                refused[position] = "no"
            else:
                self.samples[sample.id] = sample
                keys |= {sample.message_key} - {None}
        return Inserted(again, tuple(known), refused)

    async def between(
        self,
        endpoint_ids: Sequence[str],
        from_ms: int,
        to_ms: int,
        *,
        after: Place | None = None,
        limit: int | None = None,
        newest_first: bool = False,
    ) -> AsyncIterator[Sample]:
        found: list[Sample] = []
        for endpoint_id in endpoint_ids:
            those = [each for each in self._of(endpoint_id) if from_ms <= each.time_ms < to_ms]
            found += reversed(those) if newest_first else those
        if after is not None:
            ids, there = list(endpoint_ids), (after.time_ms, after.id)
            at = ids.index(after.endpoint_id)

            def is_behind(each: Sample) -> bool:
                here = (each.time_ms, each.id)
                is_later = here < there if newest_first else here > there
                return is_later if each.endpoint_id == after.endpoint_id else ids.index(each.endpoint_id) > at

            found = [each for each in found if is_behind(each)]
        for each in found[:limit]:
            yield each

    async def endpoints_of(self, application: str) -> AsyncIterator[str]:
        those = {e.endpoint_id for e in self.samples.values() if application_of(e.app_version) == application}
        for each in sorted(those):
            yield each

    async def delete_older(
        self, endpoint_id: str, from_ms: int, before_ms: int, *, application: str
    ) -> AsyncIterator[int]:
        for each in self._of(endpoint_id):
            if from_ms <= each.time_ms < before_ms and application_of(each.app_version) == application:
                yield self._drop([each])

    async def delete_received(self, endpoint_id: str, until_ms: int) -> AsyncIterator[int]:
        for each in self._of(endpoint_id):
            if each.received_ms <= until_ms:
                yield self._drop([each])

    def _of(self, endpoint_id: str) -> list[Sample]:
        those = [each for each in self.samples.values() if each.endpoint_id == endpoint_id]
        return sorted(those, key=lambda each: (each.time_ms, each.id))

    def _drop(self, samples: Sequence[Sample]) -> int:
        for each in samples:
            del self.samples[each.id]
        return len(samples)


class Defaults:
    async def of(self, app_version: str) -> TimeSeriesConfiguration:
        del app_version
        return DEFAULT


@dataclass
class Recorder:
    """Events, replies, rejections and notes, in the order in which they came."""

    said: list[str] = field(default_factory=list)
    sample_events: list[DataSamplesEvent] = field(default_factory=list)
    point_events: list[TimeSeriesEvent] = field(default_factory=list)
    replies: list[IngestReplies] = field(default_factory=list)
    rejected: dict[str, RejectedMessage] = field(default_factory=dict)
    noted: list[Derivable] = field(default_factory=list)

    async def tell(
        self, samples: Iterator[DataSamplesEvent], points: Mapping[str, Iterator[TimeSeriesEvent]]
    ) -> None:
        self.said.append("events")
        self.sample_events += samples
        for those in points.values():
            self.point_events += those

    async def reply(self, run_id: int, replies: IngestReplies) -> None:
        del run_id
        self.said.append("replies")
        self.replies.append(replies)

    async def reject(self, message: RejectedMessage, *, msg_id: str) -> None:
        self.said.append("rejection")
        self.rejected[msg_id] = message

    def note(self, samples: Sequence[Derivable]) -> None:
        self.said.append("note")
        self.noted += samples
