"""What mqtt-transport says and hears on the bus: presence, pushes, confirmations."""

import itertools
from collections.abc import Mapping, Sequence
from typing import Final

from libs.bus import Bus
from libs.contracts.connectivity import (
    CONNECTED,
    DISCONNECTED,
    REPORT_ALIVE,
    AliveReport,
    ConnectedEvent,
    DisconnectedEvent,
    generation,
)
from libs.contracts.ingest import replies_subject
from libs.contracts.pushes import DeliveredReport, Push, delivered_operation, push_subject
from services.mqtt_transport.domain.bindings import Ending
from services.mqtt_transport.usecases.collecting import Collecting
from services.mqtt_transport.usecases.presence import Presence
from services.mqtt_transport.usecases.pushing import Pushing

_TIMEOUT_S: Final = 2.0


class BusConnectivity:
    """Announces bindings to the stream of events."""

    def __init__(self, bus: Bus, *, run_id: str, replica: str) -> None:
        """Speak as one run of the process."""
        self._bus = bus
        self._run_id = run_id
        self._replica = replica
        self._numbers = itertools.count(1)

    async def connected(self, endpoints: Mapping[str, str]) -> str:
        """Announce bindings; the place where they are stored is their generation."""
        event = ConnectedEvent(endpoints=dict(endpoints), run_id=self._run_id)
        subject = CONNECTED.subject(self._bus.subjects)
        announced = await self._bus.announce(subject, event, msg_id=self._message_id())
        # Asked after it was stored: a stream that was made again in between starts at 1 again.
        created_ms = await self._bus.stream_created_ms(announced.stream)
        return generation(stream_created_ms=created_ms, sequence=announced.sequence)

    async def restated(self, endpoints: Mapping[str, str], generations: Mapping[str, str]) -> None:
        """Announce bindings again."""
        event = ConnectedEvent(endpoints=dict(endpoints), run_id=self._run_id, generations=dict(generations))
        await self._bus.announce(CONNECTED.subject(self._bus.subjects), event, msg_id=self._message_id())

    async def disconnected(self, endings: Sequence[Ending]) -> None:
        """Announce the end of bindings."""
        event = DisconnectedEvent(
            endpoints={ending.endpoint_id: ending.app_version for ending in endings},
            run_id=self._run_id,
            generations={ending.endpoint_id: ending.generation for ending in endings},
        )
        subject = DISCONNECTED.subject(self._bus.subjects)
        await self._bus.announce(subject, event, msg_id=self._message_id())

    async def alive(self, *, bindings: int, leaving: bool = False) -> bool:
        """Say that this replica lives."""
        report = AliveReport(run_id=self._run_id, bindings=bindings, leaving=leaving)
        subject = REPORT_ALIVE.subject(self._bus.subjects)
        reply = await self._bus.request(subject, report, REPORT_ALIVE.reply, timeout_s=_TIMEOUT_S)
        return reply.restate

    def _message_id(self) -> str:
        return f"{self._replica}-presence-{next(self._numbers)}"


class BusConfirmations:
    """Tells owners that their pushes have arrived."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    async def confirm(self, instance: str, report: DeliveredReport) -> None:
        """Tell one."""
        operation = delivered_operation(instance)
        subject = operation.subject(self._bus.subjects)
        await self._bus.request(subject, report, operation.reply, timeout_s=_TIMEOUT_S)


async def hear_replies(bus: Bus, *, run_id: int, collecting: Collecting) -> None:
    """Hear what data-collection makes of the batches of this run."""
    await bus.hear(replies_subject(bus.subjects, run_id), collecting.on_replies)


async def serve(bus: Bus, *, run_id: str, replica: str, presence: Presence, pushing: Pushing) -> None:
    """Take pushes for this run, and hear what other replicas announce."""

    def on_connected(event: ConnectedEvent) -> None:
        if event.originator_replica_id != replica:
            presence.announced_elsewhere(event.endpoints.keys() - event.generations.keys())

    bus.on_cut(presence.cut)
    subject = bus.subjects.events_of(CONNECTED.entity, CONNECTED.group, kind=CONNECTED.name)
    await bus.listen(subject, ConnectedEvent, on_connected)
    await bus.serve(push_subject(bus.subjects, run_id), Push, pushing.push, queue=run_id)
