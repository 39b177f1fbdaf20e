"""Store points that an operator writes, as samples from which the configuration extracts exactly these.

A point becomes a sample of its own whose id is made from what it says: the same request twice stores it once.
Its points are told of as those of devices are, again when the request is repeated.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from libs.contracts.api_keys import check_limits
from libs.contracts.errors import BadRequestError, NotFoundError, PayloadTooLargeError
from libs.contracts.ids import application_of, check_endpoint_id
from libs.contracts.instants import unix_ms
from libs.contracts.kp1 import MAX_PAYLOAD_BYTES
from libs.contracts.payload import check_value
from libs.contracts.time_series import Point, WriteData
from services.data_collection.domain.batches import Taken
from services.data_collection.domain.configuration import Path, TimeSeriesConfiguration
from services.data_collection.domain.extraction import AUTO, VALUE, points_of
from services.data_collection.domain.samples import Sample
from services.data_collection.domain.series import date_ms
from services.data_collection.ports.collecting import DataEvents, Derived, SampleRepository
from services.data_collection.ports.querying import Applications, Clock, Configurations
from services.data_collection.usecases.telling import point_events

MAX_POINTS: Final = 1_000
"""Points of one request: what one insert takes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WritingParts:
    """What writing needs.

    Attributes:
        samples: Where points are stored.
        derived: Hears of what was stored.
        events: Told of its points.
        configurations: Which series versions have.
        applications: Which versions and endpoints there are.
        clock: The time.
        point_events: Whether points are told of at all.
    """

    samples: SampleRepository
    derived: Derived
    events: DataEvents
    configurations: Configurations
    applications: Applications
    clock: Clock
    point_events: bool = True


async def write_data(request: WriteData, *, parts: WritingParts) -> None:
    """Store points; returns when they are durable.

    Raises:
        ForbiddenError: The key may not touch the application.
        NotFoundError: There is no such version, or no such endpoint in its application.
        BadRequestError: A point is of a series that the version does not have, or cannot be stored.
        PayloadTooLargeError: A point is larger than what a device may send.
        UnavailableError: They may be stored, and not told of; the same request again is no harm.
    """
    application = application_of(request.app_version)
    if application is None:
        raise NotFoundError(f"there is no application version {request.app_version[:64]!a}")
    check_limits(request.applications, application)
    await parts.applications.check(application, request.app_version)
    config = await parts.configurations.of(request.app_version)
    received_ms = unix_ms(parts.clock.now())
    if sum(len(points) for series in request.body.values() for points in series.values()) > MAX_POINTS:
        raise BadRequestError(f"$: has more than {MAX_POINTS} points")
    for endpoint_id in request.body:
        if await parts.applications.application_of_endpoint(check_endpoint_id(endpoint_id)) != application:
            raise NotFoundError(f"application {application!a} has no endpoint {endpoint_id[:64]!a}")
    found = [
        _written(endpoint_id, name, point, where=f"$.{endpoint_id}.{name}[{position}]", config=config)
        for endpoint_id, series in request.body.items()
        for name, points in series.items()
        for position, point in enumerate(points)
    ]
    # Who says the same point twice in a request has said one.
    samples = {
        identity: Sample(identity, endpoint_id, request.app_version, time_ms, received_ms, text)
        for identity, endpoint_id, time_ms, text in found
    }
    if not samples:
        return
    outcome = await parts.samples.insert(list(samples.values()))
    if outcome.refused:
        raise BadRequestError(next(iter(outcome.refused.values())))
    taken = [Taken(0, 0, each, points_of(each.value, config=config)) for each in samples.values()]
    parts.derived.note([each.derivable() for each in taken])
    if parts.point_events:
        await parts.events.tell(iter(()), point_events([("", taken)]))


def _written(
    endpoint_id: str, series: str, point: Point, *, where: str, config: TimeSeriesConfiguration
) -> tuple[bytes, str, int, bytes]:
    """Make the sample of a point, if the configuration reads it back as it was."""
    time_ms = date_ms(point.timestamp, name=f"{where}.timestamp")
    check_value(point.values)
    if not point.values:
        raise BadRequestError(f"{where}.values: is empty")
    sample: dict[str, Any] = {}
    paths = _paths_of(series, config)
    for name, value in point.values.items():
        if name not in paths or not _place(sample, paths[name], value):
            raise BadRequestError(
                f"{where}.values: the version has no series {series[:64]!a} with {name[:64]!a}"
            )
    if points_of(sample, config=config).get(series) != point.values:
        raise BadRequestError(f"{where}.values: are not of the types series {series[:64]!a} has")
    text = msgspec.json.encode(sample)
    if len(text) > MAX_PAYLOAD_BYTES:
        raise PayloadTooLargeError(f"{where}.values: have more than {MAX_PAYLOAD_BYTES} bytes")
    said = msgspec.json.encode([endpoint_id, series, time_ms, sorted(point.values.items())])
    return hashlib.blake2b(said, digest_size=16).digest(), endpoint_id, time_ms, text


def _paths_of(series: str, config: TimeSeriesConfiguration) -> Mapping[str, Path]:
    if series.startswith(AUTO):
        return {VALUE: (series.removeprefix(AUTO),)}
    return {value.name: value.path for name, values in config.series if name == series for value in values}


def _place(sample: dict[str, Any], path: Path, value: object) -> bool:
    """Put a value at a path of members; arrays cannot be made from one of their elements."""
    if not path or not all(isinstance(step, str) for step in path):
        return False
    at = sample
    for step in path[:-1]:
        below = at.setdefault(str(step), {})
        if not isinstance(below, dict):
            return False
        at = below
    at[str(path[-1])] = value
    return True
