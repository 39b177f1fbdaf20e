"""Tells events as their services do, on the real bus."""

import time
from itertools import count

from libs.bus import Bus
from libs.contracts.connectivity import CONNECTED, ConnectedEvent
from libs.contracts.data_events import (
    DATA_POINTS_RECEIVED,
    DATA_SAMPLES_RECEIVED,
    DataPoint,
    DataSamplesEvent,
    TimeSeriesEvent,
)
from libs.contracts.lifecycle import METADATA_UPDATED, MetadataUpdatedEvent


class Teller:
    """One who knows it all."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._numbers = count()
        self._run = time.monotonic_ns()

    async def control(self, endpoint_id: str, version: str = "olives-v1") -> None:
        event = MetadataUpdatedEvent(endpoint_id=endpoint_id, app_version_name=version)
        await self._announce(METADATA_UPDATED.subject(self._bus.subjects), event)

    async def connected(self, endpoints: dict[str, str]) -> None:
        event = ConnectedEvent(endpoints=endpoints, run_id="run")
        await self._announce(CONNECTED.subject(self._bus.subjects), event)

    async def samples(self, endpoint_id: str, *samples: bytes, version: str = "olives-v1") -> None:
        event = DataSamplesEvent(
            endpoint_id=endpoint_id, app_version_name=version, data_samples=list(samples)
        )
        await self._bus.broadcast(DATA_SAMPLES_RECEIVED.subject(self._bus.subjects), event)

    async def point(self, endpoint_id: str, series: str, value: float) -> None:
        event = TimeSeriesEvent(
            endpoint_id=endpoint_id,
            app_version_name="olives-v1",
            time_series_name=series,
            data_points=[DataPoint(timestamp=1, values={"value": value})],
        )
        await self._bus.broadcast(DATA_POINTS_RECEIVED.subject(self._bus.subjects, series), event)

    async def tell_samples(self, endpoint_id: str, count: int) -> int:
        """Tell as data-collection does: one of a kind that nobody hears is all that is sent."""
        event = DataSamplesEvent(endpoint_id=endpoint_id, app_version_name="olives-v1", data_samples=[])
        subject = DATA_SAMPLES_RECEIVED.subject(self._bus.subjects)
        return await self._bus.tell({subject: iter([event] * count)})

    async def flushed(self) -> None:
        """Wait until the bus has it all."""
        await self._bus.ping()

    async def _announce(self, subject: str, event: MetadataUpdatedEvent | ConnectedEvent) -> None:
        await self._bus.announce(subject, event, msg_id=f"{self._run}-{next(self._numbers)}")
