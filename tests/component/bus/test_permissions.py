"""What the bus needs is what production's NATS users may: libs.contracts.access fits."""

import pytest
from structlog.testing import capture_logs

from libs.bus import Bus
from libs.contracts.connectivity import CONNECTED, ConnectedEvent
from libs.contracts.ecap import VALIDATE_TOKEN
from libs.contracts.errors import DeadlineError
from libs.contracts.streams import events_stream, presence_consumer
from tests.component.bus.messages import Answer, Happened, Question
from tests.component.bus.test_consuming import Handled, consuming, until_settled
from tests.component.bus.test_requests import double
from tests.support.servers import NatsServer
from tests.support.waiting import eventually


async def connected(nats: NatsServer, service: str) -> Bus:
    return await Bus.connect(url=nats.url_for(service), service=service, replica=f"{service}-1")


async def test_services_ask_answer_and_tell_with_their_own_users(nats: NatsServer) -> None:
    transport = await connected(nats, "http-transport")
    owner = await connected(nats, "credential-manager")
    heard: list[int] = []
    question = VALIDATE_TOKEN.subject(transport.subjects)
    revoked = owner.subjects.event("credential-manager", "endpoint", "token", "revoked")

    with capture_logs() as logs:
        await owner.serve(question, Question, double, queue="credential-manager")
        await transport.listen(
            transport.subjects.events_of("endpoint", "token"),
            Happened,
            lambda event: heard.append(event.number),
        )
        answers = [await transport.request(question, Question(number=n), Answer) for n in range(3)]
        await owner.broadcast(revoked, Happened(number=7))
        await eventually(lambda: _found(heard, 7), what="heard")

    assert [answer.number for answer in answers] == [0, 2, 4]
    assert [line for line in logs if "denied" in line["event"]] == []
    await owner.stop_serving()
    for bus in (transport, owner):
        await bus.ping()
        await bus.close()


async def test_the_register_reads_presence_and_transports_learn_generations_with_their_own_users(
    nats: NatsServer,
) -> None:
    register = await connected(nats, "endpoint-register")
    transport = await connected(nats, "mqtt-transport")
    stream, spec = events_stream(register.subjects), presence_consumer(register.subjects)
    handled = Handled()

    with capture_logs() as logs:
        await register.ensure_stream(stream)
        async with consuming(register, spec, handled):
            event = ConnectedEvent(endpoints={"tree": "olives-v1"}, run_id="r")
            announced = await transport.announce(CONNECTED.subject(transport.subjects), event, msg_id="c-1")
            await eventually(
                lambda: _found([each.sequence for each in handled.deliveries], announced.sequence),
                what="handled",
            )
            await until_settled(register, spec)

    assert await transport.stream_created_ms(stream.name) == handled.deliveries[-1].stream_created_ms
    assert [line for line in logs if "denied" in line["event"]] == []
    for bus in (register, transport):
        await bus.close()


async def test_what_a_user_may_not_say_is_an_error_in_the_log(nats: NatsServer) -> None:
    transport = await connected(nats, "http-transport")
    foreign = transport.subjects.service("data-collection", "test", "Question")

    with capture_logs() as logs, pytest.raises(DeadlineError):
        await transport.request(foreign, Question(number=1), Answer, timeout_s=0.3)

    assert [line["log_level"] for line in logs if line["event"] == "bus_permission_denied"] == ["error"]
    await transport.close()


async def _found(values: list[int], value: int) -> bool:
    return value in values
