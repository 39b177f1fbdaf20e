"""A batch of device messages, taken apart into samples.

Positions count the samples of the whole batch, those of refused messages too, so that a sample's id depends
on nothing but the batch. A message is stored whole or not at all.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

import msgspec

from libs.contracts.dcx import samples_of
from libs.contracts.errors import BadRequestError, GroveError
from libs.contracts.ingest import SENML_RESOURCE, IngestBatch, IngestMessage, batch_id, sample_id
from services.data_collection.domain.configuration import LATEST_MS, TimeSeriesConfiguration
from services.data_collection.domain.extraction import VALUE, Extracted, auto_series, extract
from services.data_collection.domain.samples import Derivable, Points, Sample

_MS: Final = 1000
_POSITIONS: Final = 2**24
_SERIES: Final = str.maketrans("./:", "___")
_JSON: Final = "/json"
_encode, _decode = msgspec.json.encode, msgspec.json.decode

Part = tuple[Any, bytes]
"""A sample's value and its text."""


class Taken(NamedTuple):
    """One sample of a batch.

    Attributes:
        message: Position of its message in the batch.
        position: Of the sample, among all of the batch.
        sample: As it is stored.
        points: What the configuration extracts from it.
    """

    message: int
    position: int
    sample: Sample
    points: Points

    def derivable(self) -> Derivable:
        """The same, for what is computed from it."""
        sample = self.sample
        return Derivable(sample.endpoint_id, sample.app_version, sample.time_ms, sample.id, self.points)


@dataclass(slots=True)
class TakenApart:
    """A batch in its parts.

    Attributes:
        batch: As the transport made it.
        id: Names it.
        taken: Samples of messages that are not refused.
        refused: Positions of messages that cannot be stored, and why.
    """

    batch: IngestBatch
    id: str
    taken: list[Taken] = field(default_factory=list)
    refused: dict[int, GroveError] = field(default_factory=dict)

    def refuse(self, message: int, reason: str) -> None:
        """Take a message out: it cannot be stored."""
        self.refused[message] = BadRequestError(reason)
        self.taken = [each for each in self.taken if each.message != message]


def take_apart(batch: IngestBatch, configurations: Mapping[str, TimeSeriesConfiguration]) -> TakenApart:
    """Find the samples of a batch, and the messages that cannot be stored.

    Args:
        batch: As it was published.
        configurations: Of every application version in it.
    """
    apart = TakenApart(batch, batch_id(batch.run_id, batch.counter))
    position = 0
    for number, message in enumerate(batch.messages):
        parts: list[Part] = []
        try:
            _check(message)
            parts = parts_of(message)
            config = configurations[message.app_version]
            apart.taken += list(_taken(batch, number, position, parts, config))
        except GroveError as error:
            apart.refused[number] = error
        position += len(parts)
    return apart


def parts_of(message: IngestMessage) -> list[Part]:
    """Split a message into samples, each with the text that is stored: as received, if it is one sample.

    Raises:
        GroveError: A transport would not have accepted it.
    """
    if message.resource == SENML_RESOURCE:
        return [(record, _encode(record)) for record in _decode(message.payload, type=list[dict[str, Any]])]
    values = samples_of(message.resource, message.payload)
    is_json = message.resource.startswith(_JSON)
    if is_json and not message.payload.lstrip(b" \t\r\n").startswith(b"["):
        return [(values[0], message.payload)]
    return [(value, _encode(value)) for value in values]


def _check(message: IngestMessage) -> None:
    if not 0 <= message.received_ms <= LATEST_MS or not message.endpoint_id:
        raise BadRequestError("the transport made an impossible message")


def _taken(
    batch: IngestBatch, number: int, position: int, parts: list[Part], config: TimeSeriesConfiguration
) -> Iterator[Taken]:
    message = batch.messages[number]
    endpoint_id, version, received_ms = message.endpoint_id, message.app_version, message.received_ms
    if position + len(parts) > _POSITIONS:
        raise BadRequestError("the batch has too many samples")
    find = _from_senml if message.resource == SENML_RESOURCE else extract
    for value, text in parts:
        found = find(value, config=config, received_ms=received_ms)
        key = None if found.message_id is None else f"{endpoint_id}/{found.message_id}"
        sample_key = sample_id(batch.run_id, batch.counter, position)
        sample = Sample(sample_key, endpoint_id, version, found.time_ms, received_ms, text, key)
        yield Taken(number, position, sample, found.values)
        position += 1


def _from_senml(record: dict[str, Any], *, config: TimeSeriesConfiguration, received_ms: int) -> Extracted:
    """Read a resolved SenML record; its time is its own, whatever the configuration says of others."""
    seconds, value = record.get("t"), record.get("v")
    time_ms = round(seconds * _MS) if isinstance(seconds, int | float) else received_ms
    if not 0 <= time_ms <= LATEST_MS:
        time_ms = received_ms
    series = auto_series(str(record.get("n", "")).translate(_SERIES)) if config.auto_extract else None
    if series is None or type(value) not in {int, float}:
        return Extracted(time_ms, {})
    return Extracted(time_ms, {series: {VALUE: value}})
