"""Who answers which extension: its owner on the bus, the stream of telemetry, or the transport itself.

One table, :func:`extensions`; an extension that is missing from it is a 404 until its owner exists.
"""

import asyncio
import functools
import zoneinfo
from collections.abc import Callable, Sequence
from datetime import datetime

from libs.bus.front_door import Answer, Caller, DoorBus, Extension
from libs.bus.ingest import Ingest, Ticket
from libs.bus.token_buckets import TokenBuckets
from libs.contracts.dcx import check_message
from libs.contracts.errors import BadRequestError, GroveError, InternalError, NotFoundError, error_for
from libs.contracts.esp import EPMX, ClientData, ExtensionData
from libs.contracts.ingest import IngestMessage
from libs.contracts.instants import unix_ms
from libs.contracts.kp1 import DCX, Kp1Path
from libs.contracts.payload import decode_object, encode_json
from libs.contracts.subjects import Operation

OWNER_TIMEOUT_S = 5.0
"""How long an owner may take; protocol/kp1.md answers 504 after that."""


def extensions(
    bus: DoorBus,
    *,
    now: Callable[[], datetime],
    telemetry: "TelemetryExtension | None" = None,
    owner_timeout_s: float = OWNER_TIMEOUT_S,
) -> dict[str, Extension]:
    """Say who answers which extension; ``dcx`` is ``telemetry``, where this transport has it answered."""
    table: dict[str, Extension] = {
        "epmx": OwnedExtension(bus, EPMX, timeout_s=owner_timeout_s),
        "tsx": TimeExtension(now),
    }
    if telemetry is not None:
        table[DCX] = telemetry
    return table


class TelemetryExtension:
    """``dcx``: checked here, answered when it is durable; its order is sample time (protocol/kp1.md)."""

    ordered = False

    def __init__(self, ingest: Ingest, buckets: TokenBuckets, now: Callable[[], datetime]) -> None:
        self._ingest = ingest
        self._buckets = buckets
        self._now = now

    async def answer(self, path: Kp1Path, caller: Caller, payload: bytes) -> Answer:
        """Have it stored.

        Raises:
            GroveError: It cannot be, or the endpoint is over its rate.
        """
        samples = check_message(path.resource, payload)
        await self._buckets.admit(caller.endpoint_id, samples)
        message = IngestMessage(
            caller.endpoint_id, path.app_version, path.resource, payload, unix_ms(self._now())
        )
        durable: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._ingest.put(message, durable, samples=samples)
        await durable
        return Answer()


class ElsewhereExtension:
    """An extension that exists, and whose requests the transport takes on by itself once they are let in."""

    ordered = False

    async def answer(self, path: Kp1Path, caller: Caller, payload: bytes) -> Answer:  # noqa: ARG002 - Extension
        """Never asked."""
        raise InternalError


class WaitingCallers:
    """Those who wait in :class:`TelemetryExtension`; their tickets are futures."""

    def sent(self, counter: int, tickets: Sequence[Ticket]) -> None:
        """Nobody waits for more than durability."""

    def stored(self, counter: int, tickets: Sequence[Ticket]) -> None:  # noqa: ARG002 - Owners
        """Let them go on."""
        for ticket in tickets:
            if not ticket.done():
                ticket.set_result(None)

    def failed(self, counter: int, tickets: Sequence[Ticket], error: GroveError) -> None:  # noqa: ARG002 - Owners
        """Let them fail, each with an error of its own: one that is shared would gather their frames."""
        for ticket in tickets:
            if not ticket.done():
                ticket.set_exception(error_for(error.status_code, error.reason_phrase))


class OwnedExtension:
    """An extension that a service answers: the request goes to any replica of its owner."""

    ordered = True

    def __init__(
        self, bus: DoorBus, operation: Operation[ClientData, ExtensionData], *, timeout_s: float
    ) -> None:
        self._bus = bus
        self._subject = operation.subject(bus.subjects)
        self._reply = operation.reply
        self._timeout_s = timeout_s

    async def answer(self, path: Kp1Path, caller: Caller, payload: bytes) -> Answer:
        """Ask the owner."""
        message = ClientData(
            app_version_name=path.app_version,
            endpoint_id=caller.endpoint_id,
            resource_path=path.resource,
            request_id=path.request_id,
            payload=payload,
        )
        reply = await self._bus.request(
            self._subject, message, self._reply, timeout_s=self._timeout_s, check=caller.check
        )
        return Answer(reply.status_code, reply.reason_phrase or "", reply.payload)


class TimeExtension:
    """``tsx``: what time it is, and on request how far a time zone is from UTC."""

    ordered = False

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self._zones = _zone_names()

    async def answer(self, path: Kp1Path, caller: Caller, payload: bytes) -> Answer:  # noqa: ARG002 - Extension
        """Tell the time."""
        if path.resource:
            raise NotFoundError("tsx has no resources")
        now = self._now()
        told: dict[str, int] = {"timestamp": unix_ms(now)}
        zone = decode_object(payload).get("timezone")
        if zone is not None and (offset_s := self._utc_offset_s(zone, now)):
            told["offset"] = offset_s
        return Answer(payload=encode_json(told))

    def _utc_offset_s(self, zone: object, now: datetime) -> int:
        # Only names of the list reach the file system.
        if not isinstance(zone, str) or zone not in self._zones:
            raise BadRequestError("timezone must be an IANA time zone name")
        offset = now.astimezone(zoneinfo.ZoneInfo(zone)).utcoffset()
        return 0 if offset is None else int(offset.total_seconds())


@functools.cache
def _zone_names() -> frozenset[str]:
    """List the time zones of this machine or of the tzdata package; takes 40 ms."""
    return frozenset(zoneinfo.available_timezones())
