"""Events about stored samples and their points, whoever stored them: a batch, or an operator.

They are generators, because most of the time nobody listens to them.
"""

import itertools
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple, TypeAlias

from libs.contracts.data_events import DataPoint, DataSamplesEvent, TimeSeriesEvent
from services.data_collection.domain.samples import Points, Sample

_EVENT_BYTES: Final = 320 * 1024
_POINT_BYTES: Final = 64

_Group: TypeAlias = tuple[str, str, str]


class Told(NamedTuple):
    """A stored sample, with what is told of it.

    Attributes:
        batch_id: The batch that brought it; empty where an operator wrote it.
        position: Of the sample in that batch.
        sample: As it is stored.
        points: What the configuration extracts from it.
    """

    batch_id: str
    position: int
    sample: Sample
    points: Points


def sample_events(told: Sequence[Told]) -> Iterator[DataSamplesEvent]:
    """Make an event for each endpoint of a batch, or several where its samples are too large for one."""
    for (batch_id, endpoint_id, version), those in _groups(told).items():
        for part in _fitting(those):
            yield DataSamplesEvent(
                app_version_name=version,
                endpoint_id=endpoint_id,
                data_samples=[each.sample.text for each in part],
                batch_id=batch_id,
                position=part[0].position,
            )


def point_events(told: Sequence[Told]) -> dict[str, Iterator[TimeSeriesEvent]]:
    """Make the same of points: events by series."""
    found: dict[str, list[Told]] = defaultdict(list)
    for each in told:
        for series in each.points:
            found[series].append(each)
    return {series: _events_of(series, those) for series, those in found.items()}


def _events_of(series: str, told: Sequence[Told]) -> Iterator[TimeSeriesEvent]:
    for (batch_id, endpoint_id, version), those in _groups(told).items():
        for part in _fitting(those):
            yield TimeSeriesEvent(
                app_version_name=version,
                endpoint_id=endpoint_id,
                time_series_name=series,
                data_points=[_point(series, each) for each in part],
                batch_id=batch_id,
                position=part[0].position,
            )


def _point(series: str, told: Told) -> DataPoint:
    sample = told.sample
    return DataPoint(sample.time_ms, dict(told.points[series]), sample.received_ms)


def _groups(told: Sequence[Told]) -> dict[_Group, list[Told]]:
    groups: dict[_Group, list[Told]] = defaultdict(list)
    for each in told:
        groups[each.batch_id, each.sample.endpoint_id, each.sample.app_version].append(each)
    return groups


def _fitting(told: Sequence[Told]) -> Iterator[Sequence[Told]]:
    """Cut samples into parts that fit into an event, which may have one of 256 KiB too many."""
    sizes = itertools.accumulate(len(each.sample.text) + _POINT_BYTES for each in told)
    start, before = 0, 0
    for position, size in enumerate(sizes):
        if size - before > _EVENT_BYTES and position > start:
            yield told[start:position]
            start, before = position, size - len(told[position].sample.text) - _POINT_BYTES
    yield told[start:]
