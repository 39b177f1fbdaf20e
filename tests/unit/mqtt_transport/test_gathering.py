"""Messages that arrived together go into batches together, and those that may not go stay in their place."""

import asyncio
import time
from collections.abc import Sequence
from typing import Any, cast

import msgspec
import pytest

from libs.bus.identity import Identity
from libs.bus.ingest import Ingest
from libs.bus.publishing import Announced
from libs.bus.seen import SeenReporter
from libs.bus.token_buckets import TokenBuckets
from libs.contracts.errors import GroveError
from libs.contracts.ingest import MAX_MESSAGES, IngestBatch
from libs.contracts.kp1 import Kp1Path
from libs.contracts.subjects import Subjects
from libs.mqtt import PublishReceived
from services.mqtt_transport.domain.bindings import Binding
from services.mqtt_transport.domain.speaking import OnTheWay, Spoken
from services.mqtt_transport.ports import TelemetryChannel
from services.mqtt_transport.usecases.gathering import Gathering, Ticket
from services.mqtt_transport.usecases.presence import Presence
from tests.support.waiting import eventually

SILENT, ASKING, STRANGE = "kp1/v1/dcx/t/json", "kp1/v1/dcx/t/json/7", "kp1/v1/dcx/other/json"


class Stream:
    subjects = Subjects()

    def __init__(self) -> None:
        self.batches: list[IngestBatch] = []

    async def store(
        self, subject: str, body: bytes, *, msg_id: str, deadline_s: float, wait_when_full: bool = False
    ) -> Announced:
        del subject, msg_id, deadline_s, wait_when_full
        self.batches.append(msgspec.msgpack.decode(body, type=IngestBatch))
        return Announced("INGEST", len(self.batches), duplicate=False)


class Owner:
    def __init__(self) -> None:
        self.tickets: list[Ticket] = []

    def sent(self, counter: int, tickets: Sequence[Any]) -> None: ...

    def stored(self, counter: int, tickets: Sequence[Any]) -> None:
        self.tickets += tickets

    def failed(self, counter: int, tickets: Sequence[Any], error: GroveError) -> None:
        raise AssertionError(counter, tickets) from error


class Known:
    """Identity, presence, and who was seen: whoever is let in stays so."""

    epoch = 0
    current = True

    def is_current(self, _binding: Binding) -> bool:
        return self.current

    def note(self, _endpoint_id: str, _app_version: str) -> None: ...


class Channel:
    number = 1

    def __init__(self) -> None:
        self.on_the_way = OnTheWay()
        binding = Binding(endpoint_id="ep", connection=1, app_version="v1", token="t", token_id="i")
        self.topics = {
            topic: Spoken(
                Kp1Path("v1", "dcx", "t", "/json", request_id),
                binding,
                epoch=0,
                endpoint_id="ep",
                until=time.monotonic() + 30,
            )
            for topic, request_id in ((SILENT, None), (ASKING, 7))
        }


class Line:
    """A path from events to the stream."""

    def __init__(self, *, samples_per_s: float = 0) -> None:
        self.known, self.channel, self.stream, self.owner = Known(), Channel(), Stream(), Owner()
        self._gathering = Gathering(
            cast("Identity", self.known),
            cast("Presence", self.known),
            cast("SeenReporter", self.known),
            TokenBuckets(samples_per_s=samples_per_s, burst=3),
        )
        self._gathering.put_into(Ingest(self.stream, run_id=1, owners=self.owner, wait_when_full=True))

    def take(self, events: Sequence[PublishReceived], start: int = 0) -> tuple[int, int]:
        return self._gathering.take(cast("TelemetryChannel", self.channel), events, start)

    async def payloads(self, count: int) -> list[bytes]:
        async def enough() -> bool:
            return sum(ticket.messages for ticket in self.owner.tickets) == count

        await eventually(enough, what=f"{count} messages are stored", deadline_s=5)
        return [message.payload for batch in self.stream.batches for message in batch.messages]


def message(
    number: int, *, topic: str = SILENT, payload: bytes | None = None, qos: int = 1
) -> PublishReceived:
    return PublishReceived(number, topic, payload or b"%d" % number, qos, dup=False, retain=False)


async def test_messages_side_by_side_share_a_ticket_and_keep_their_order() -> None:
    line = Line()

    taken, held = line.take([message(1), message(2), message(0, qos=0), message(3)])

    assert taken == 4
    assert await line.payloads(4) == [b"1", b"2", b"0", b"3"]
    (ticket,) = line.owner.tickets
    assert (ticket.numbers, ticket.messages, ticket.held, ticket.reply) == ([1, 2, 3], 4, held, None)


async def test_more_than_a_batch_holds_fills_batches_to_the_last_message() -> None:
    line = Line()
    line.take([message(1)])

    taken, _ = line.take([message(number) for number in range(2, 2 * MAX_MESSAGES + 11)])

    assert taken == 2 * MAX_MESSAGES + 9
    assert await line.payloads(2 * MAX_MESSAGES + 10) == [
        b"%d" % each for each in range(1, 2 * MAX_MESSAGES + 11)
    ]
    assert [len(batch.messages) for batch in line.stream.batches] == [MAX_MESSAGES, MAX_MESSAGES, 10]
    numbers = [number for ticket in line.owner.tickets for number in ticket.numbers]
    assert numbers == list(range(1, 2 * MAX_MESSAGES + 11))


async def test_what_may_not_be_stored_or_is_not_known_is_left_and_ends_the_run() -> None:
    line = Line()
    events = [
        message(1),
        message(2, payload=b'{"a":1,"a":2}'),
        message(3),
        message(4, topic=STRANGE),
        message(5),
    ]

    runs = [line.take(events, start)[0] for start in (0, 1, 2, 3, 4)]

    assert runs == [1, 0, 1, 0, 1]
    assert await line.payloads(3) == [b"1", b"3", b"5"]


async def test_whoever_wants_a_reply_has_a_ticket_of_its_own() -> None:
    line = Line()
    asking = message(2, topic=ASKING)

    taken, _ = line.take([message(1), asking, message(3), message(4)])

    assert taken == 4
    assert await line.payloads(4) == [b"1", b"2", b"3", b"4"]
    assert [(ticket.numbers, ticket.reply) for ticket in line.owner.tickets] == [
        ([1], None),
        ([2], asking),
        ([3, 4], None),
    ]
    assert [message.wants_reply for message in line.stream.batches[0].messages] == [False, True, False, False]


async def test_nothing_is_taken_for_a_topic_that_was_taken_back() -> None:
    line = Line()
    line.known.epoch = 1

    assert line.take([message(1)]) == (0, 0)

    line = Line()
    line.known.current = False
    assert line.take([message(1)]) == (0, 0)
    await asyncio.sleep(0)
    assert not line.stream.batches


async def test_what_is_over_the_rate_of_its_endpoint_goes_the_ordinary_way() -> None:
    line = Line(samples_per_s=0.001)
    events = [message(number) for number in range(1, 9)]

    assert line.take(events)[0] == 3
    assert line.take(events, 3) == (0, 0)
    assert await line.payloads(3) == [b"1", b"2", b"3"]


async def test_nothing_overtakes_a_message_of_the_same_token_that_is_not_in_a_batch_yet() -> None:
    line = Line()
    token = line.channel.on_the_way.begin("kp1/v1/dcx/t/plain/tank")
    another = line.channel.on_the_way.begin(STRANGE)
    assert (token, another) == ("t", "other")

    assert line.take([message(1)]) == (0, 0)

    line.channel.on_the_way.end("t")
    assert line.take([message(1)])[0] == 1
    assert await line.payloads(1) == [b"1"]


@pytest.mark.parametrize("topic", ["kp1/v1/epmx/t/get", "kp1/v1/dcx", "things/v1/x/up", "", "a/b/dc/t"])
def test_what_is_no_telemetry_holds_nothing_up(topic: str) -> None:
    on_the_way = OnTheWay()

    assert on_the_way.begin(topic) is None
    assert not on_the_way


def test_several_messages_are_on_the_way_until_the_last_one_ends() -> None:
    on_the_way = OnTheWay()
    for _ in range(2):
        on_the_way.begin(SILENT)

    on_the_way.end("t")
    assert "t" in on_the_way
    on_the_way.end("t")
    assert not on_the_way
