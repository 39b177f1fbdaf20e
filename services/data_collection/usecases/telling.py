"""Events about stored samples and their points, whoever stored them: a batch, or an operator.

They are generators, because most of the time nobody listens to them.
"""

import itertools
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Final, TypeAlias

from libs.contracts.data_events import DataPoint, DataSamplesEvent, TimeSeriesEvent
from services.data_collection.domain.batches import Taken

_EVENT_BYTES: Final = 320 * 1024
_POINT_BYTES: Final = 64

Stored: TypeAlias = tuple[str, Sequence[Taken]]
"""The id of a batch, empty where an operator wrote, and its samples that are stored."""
_Place: TypeAlias = tuple[str, Taken]
_Group: TypeAlias = tuple[str, str, str]


def sample_events(batches: Sequence[Stored]) -> Iterator[DataSamplesEvent]:
    """Make an event for each endpoint of a batch, or several where its samples are too large for one."""
    for batch_id, stored in batches:
        for (endpoint_id, version), those in _by_endpoint(stored).items():
            for part in _fitting(those):
                yield DataSamplesEvent(
                    app_version_name=version,
                    endpoint_id=endpoint_id,
                    data_samples=[taken.sample.text for taken in part],
                    batch_id=batch_id,
                    position=part[0].position,
                )


def point_events(batches: Sequence[Stored]) -> dict[str, Iterator[TimeSeriesEvent]]:
    """Make the same of points: events by series."""
    found: dict[str, list[_Place]] = defaultdict(list)
    for batch_id, stored in batches:
        for taken in stored:
            for series in taken.points:
                found[series].append((batch_id, taken))
    return {series: _events_of(series, places) for series, places in found.items()}


def _events_of(series: str, places: Sequence[_Place]) -> Iterator[TimeSeriesEvent]:
    groups: dict[_Group, list[Taken]] = defaultdict(list)
    for batch_id, taken in places:
        groups[batch_id, taken.sample.endpoint_id, taken.sample.app_version].append(taken)
    for (batch_id, endpoint_id, version), those in groups.items():
        for part in _fitting(those):
            yield TimeSeriesEvent(
                app_version_name=version,
                endpoint_id=endpoint_id,
                time_series_name=series,
                data_points=[_point(series, taken) for taken in part],
                batch_id=batch_id,
                position=part[0].position,
            )


def _point(series: str, taken: Taken) -> DataPoint:
    sample = taken.sample
    return DataPoint(sample.time_ms, dict(taken.points[series]), sample.received_ms)


def _by_endpoint(stored: Sequence[Taken]) -> dict[tuple[str, str], list[Taken]]:
    groups: dict[tuple[str, str], list[Taken]] = defaultdict(list)
    for taken in stored:
        groups[taken.sample.endpoint_id, taken.sample.app_version].append(taken)
    return groups


def _fitting(those: Sequence[Taken]) -> Iterator[Sequence[Taken]]:
    """Cut samples into parts that fit into an event, which may have one of 256 KiB too many."""
    sizes = itertools.accumulate(len(taken.sample.text) + _POINT_BYTES for taken in those)
    start, before = 0, 0
    for position, size in enumerate(sizes):
        if size - before > _EVENT_BYTES and position > start:
            yield those[start:position]
            start, before = position, size - len(those[position].sample.text) - _POINT_BYTES
    yield those[start:]
