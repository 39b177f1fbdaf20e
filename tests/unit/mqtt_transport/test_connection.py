"""A connection on a wire of the test's own: what is said, dropped, and told when it was delivered."""

import asyncio
from typing import Any, cast

from libs.bus.tasks import TaskSet
from libs.contracts.pushes import DeliveredReport
from libs.mqtt import Limits, ReasonCode, SessionStore
from services.mqtt_transport.listener.connection import MAX_UNSENT_BYTES, QUIET_BYTES, Connection
from services.mqtt_transport.listener.intake import Intake
from services.mqtt_transport.listener.parts import Parts
from services.mqtt_transport.usecases.clients import Clients, Pace
from services.mqtt_transport.usecases.pushing import Delivery, Pushing
from tests.support import mqtt_packets as packets
from tests.support.mqtt_packets import Connect, ack, read_packets, subscribe

DELIVERY = Delivery("cex", DeliveredReport(endpoint_id="ep", generation="1", push_id="p"))


class FakeWire:
    """Keeps what was written."""

    def __init__(self) -> None:
        self.written = b""
        self.unsent_bytes = 0
        self.unread_bytes = 0
        self.reads = True
        self.closed = False
        self.aborted = False

    def write(self, data: bytes) -> None:
        self.written += data

    def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.aborted = True

    def pause(self) -> None:
        self.reads = False

    def resume(self) -> None:
        self.reads = True

    def kinds(self) -> list[int]:
        return [each.kind for each in read_packets(self.written)]


class NoRequests:
    """Binds nobody."""

    async def bind_subscriber(self, channel: object, topic_filter: str) -> None:
        pass


class NoPresence:
    """Holds nobody."""

    def closed(self, connection: int) -> None:
        pass


class NoTelemetry:
    """Takes nothing: every message goes the ordinary way."""

    def take(self, *_: object) -> bool:
        return False


class NoThings:
    """Knows no SenML device."""

    def are_meant_by(self, _: object) -> bool:
        return False

    def leave(self, _: object) -> None:
        pass


class Reports:
    """Notes what was confirmed."""

    def __init__(self) -> None:
        self.confirmed: list[DeliveredReport] = []

    async def confirm(self, instance: str, report: DeliveredReport) -> None:
        self.confirmed.append(report)


class Line:
    """A client that has connected, its wire and the world behind."""

    def __init__(self, *, version: int = packets.V3_1_1, grant: int | None = None) -> None:
        self.reports = Reports()
        self.tasks = TaskSet(limit=100)
        self.intake = Intake(1_000_000)
        nothing = cast("Any", None)
        self.parts = Parts(
            requests=cast("Any", NoRequests()),
            gathering=cast("Any", NoTelemetry()),
            things=cast("Any", NoThings()),
            presence=cast("Any", NoPresence()),
            pushing=Pushing(nothing, nothing, nothing, self.reports, tasks=self.tasks),
            clients=Clients(SessionStore(10, 1000)),
            limits=Limits(),
            intake=self.intake,
            pace=Pace(per_s=1e9, burst=1000),
            tasks=self.tasks,
            max_in_flight=10,
            repeat_after_s=60,
        )
        self.wire = FakeWire()
        self.connection = Connection(1, self.wire, self.parts)
        self.connection.start()
        self.connection.data_received(Connect(version=version).encode())
        if grant is not None:
            self.connection.data_received(subscribe([("#", grant)], version=version))

    async def settled(self) -> None:
        await self.tasks.finish(within_s=1)
        await asyncio.sleep(0)

    def end(self) -> None:
        self.connection.wire_closed()


async def test_a_push_is_confirmed_by_its_puback() -> None:
    line = Line()

    line.connection.say("a", b"x", qos=1, delivery=DELIVERY)
    await line.settled()
    before = list(line.reports.confirmed)
    line.connection.data_received(ack(4, 1))
    await line.settled()
    line.end()

    assert before == []
    assert line.reports.confirmed == [DELIVERY.report]


async def test_a_push_that_the_subscription_lowers_to_qos_0_is_confirmed_when_it_is_sent() -> None:
    line = Line(grant=0)

    taken = line.connection.say("a", b"x", qos=1, delivery=DELIVERY)
    await line.settled()
    line.end()

    assert taken
    assert line.reports.confirmed == [DELIVERY.report]
    assert line.wire.kinds() == [2, 9, 3]


async def test_a_client_that_does_not_read_gets_no_qos_0_but_qos_1() -> None:
    line = Line()
    line.wire.unsent_bytes = QUIET_BYTES + 1

    dropped = line.connection.say("a", b"x", qos=0)
    kept = line.connection.say("a", b"x", qos=1)
    line.end()

    assert (dropped, kept) == (False, True)


async def test_an_answer_lowered_to_qos_0_is_dropped_like_any_other() -> None:
    line = Line(grant=0)
    line.wire.unsent_bytes = QUIET_BYTES + 1

    dropped = line.connection.say("a", b"x", qos=1, delivery=DELIVERY)
    await line.settled()
    line.end()

    assert not dropped
    assert line.reports.confirmed == []


async def test_above_four_mib_unread_the_client_is_cut_off() -> None:
    line = Line()
    line.wire.unsent_bytes = MAX_UNSENT_BYTES + 1

    line.connection.say("a", b"x", qos=1)
    await line.settled()
    aborted = line.wire.aborted
    line.end()

    assert aborted


async def test_a_client_that_is_cut_off_for_its_unfinished_packet_is_told_why() -> None:
    line = Line(version=packets.V5)

    line.connection.data_received(b"\x30\xff\xff\x30" + b"x" * 600_000)
    goodbye = read_packets(line.wire.written)[-1]
    line.end()

    assert (goodbye.kind, goodbye.code) == (14, 0x97)
    assert line.wire.closed
    assert line.intake.held_bytes == 0


async def test_nothing_is_said_on_a_line_that_is_gone() -> None:
    line = Line()
    line.end()
    before = line.wire.written

    taken = line.connection.say("a", b"x", qos=1)
    line.connection.end(ReasonCode.SERVER_BUSY)
    await line.settled()

    assert not taken
    assert line.wire.written == before
