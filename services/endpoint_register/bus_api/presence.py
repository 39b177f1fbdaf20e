"""What transports say and report: events of bindings from the stream, and requests."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Final

import msgspec
import structlog

from libs.bus import Delivery
from libs.contracts import connectivity as contract
from libs.contracts.ids import AppVersionName, EndpointId
from services.endpoint_register import metrics
from services.endpoint_register.domain.connectivity import Statement, is_generation, is_run_id
from services.endpoint_register.ports import Parts
from services.endpoint_register.usecases import presence, reporting

BATCH: Final = 32
"""Events taken in together: each may name a thousand endpoints, and one alone names few."""

_MS_IN_S: Final = 1000
_log = structlog.get_logger()


class PresenceHandlers:
    """One method for each operation, and one for the stream."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def on_events(self, batch: Sequence[Delivery]) -> None:
        """Take in a batch; what cannot be read never could be."""
        statements: list[Statement] = []
        for delivery in batch:
            try:
                statements += _statements(delivery)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
                metrics.IGNORED.labels("not readable").inc()
                _log.error("presence.not_readable", sequence=delivery.sequence, reason=str(error))
                delivery.term("not readable")
        await presence.take_in(statements, parts=self._parts)

    async def on_seen(self, report: contract.SeenReport) -> contract.SeenReply:
        await reporting.report_seen(report, parts=self._parts)
        return contract.SeenReply()

    async def on_alive(self, report: contract.AliveReport) -> contract.AliveReply:
        return contract.AliveReply(restate=await reporting.report_alive(report, parts=self._parts))


def _statements(delivery: Delivery) -> Iterator[Statement]:
    connected = delivery.subject.endswith(f".{contract.CONNECTED.name}")
    kind = contract.CONNECTED.event if connected else contract.DISCONNECTED.event
    event = msgspec.msgpack.decode(delivery.body, type=kind)
    place = contract.generation(stream_created_ms=delivery.stream_created_ms, sequence=delivery.sequence)
    at = datetime.fromtimestamp(delivery.at_ms / _MS_IN_S, UTC)
    for endpoint_id, version in event.endpoints.items():
        generation = event.generations.get(endpoint_id, place if connected else "")
        if not is_generation(generation, place=place) or not is_run_id(event.run_id):
            metrics.IGNORED.labels("no such binding").inc()
            continue
        yield Statement(
            endpoint_id=EndpointId(endpoint_id),
            generation=generation,
            place=place,
            connected=connected,
            run_id=event.run_id,
            version=AppVersionName(version),
            transport=event.transport if isinstance(event, contract.ConnectedEvent) else "MQTT",
            at=at,
            heard_at=at if connected and generation == place else None,
        )
