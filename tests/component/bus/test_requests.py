"""Requests and handlers against a real server: outcomes, bounds, expiry, correlation."""

import asyncio
from collections.abc import Awaitable, Callable

import msgspec
import pytest
import structlog
from structlog.contextvars import bound_contextvars

from libs.bus import MAX_MESSAGE_BYTES, Bus
from libs.contracts.errors import (
    STATUS_CODES,
    BadRequestError,
    ConflictError,
    DeadlineError,
    ForbiddenError,
    GroveError,
    InternalError,
    PayloadTooLargeError,
    UnavailableError,
    error_for,
)
from libs.contracts.messages import Reply, Request
from tests.component.bus.conftest import Connect
from tests.component.bus.messages import Answer, Question
from tests.support.waiting import eventually


async def double(question: Question) -> Answer:
    return Answer(number=question.number * 2, text=question.text)


def subject_of(bus: Bus) -> str:
    return bus.subjects.service("tester", "test", "Question")


async def ask(bus: Bus, number: int = 21, *, timeout_s: float = 5.0) -> Answer:
    return await bus.request(subject_of(bus), Question(number=number), Answer, timeout_s=timeout_s)


async def test_an_answer_comes_back(bus: Bus) -> None:
    await bus.serve(subject_of(bus), Question, double, queue="tester")

    answer = await ask(bus)

    assert answer.number == 42
    assert answer.correlation_id
    assert answer.timestamp > 0


async def test_replicas_share_the_work(connect: Connect) -> None:
    answered: list[int] = []

    def counting(replica: int) -> Callable[[Question], Awaitable[Answer]]:
        async def handler(question: Question) -> Answer:
            answered.append(replica)
            return await double(question)

        return handler

    client = await connect()
    for replica in range(2):
        server = await connect()
        await server.serve(subject_of(server), Question, counting(replica), queue="tester")

    await asyncio.gather(*(ask(client) for _ in range(100)))

    assert len(answered) == 100
    assert set(answered) == {0, 1}


@pytest.mark.parametrize("status", sorted(code for code in STATUS_CODES if code >= 400))
async def test_an_error_of_the_handler_arrives_as_its_class(bus: Bus, status: int) -> None:
    async def fail(_question: Question) -> Answer:
        raise error_for(status, "because I say so")

    await bus.serve(subject_of(bus), Question, fail, queue="tester")

    with pytest.raises(GroveError) as caught:
        await ask(bus)

    assert caught.value.status_code == status
    assert caught.value.reason_phrase == "because I say so"


async def test_an_unexpected_exception_is_a_500_that_tells_nothing(bus: Bus) -> None:
    async def fail(_question: Question) -> Answer:
        raise RuntimeError("password is swordfish")

    await bus.serve(subject_of(bus), Question, fail, queue="tester")

    with structlog.testing.capture_logs() as logs, pytest.raises(InternalError) as caught:
        await ask(bus)

    assert "swordfish" not in caught.value.reason_phrase
    (line,) = (line for line in logs if line["event"] == "request")
    assert line["log_level"] == "error"
    assert "swordfish" in str(line["exc_info"])


async def test_a_malformed_request_is_a_400_that_names_the_field(bus: Bus) -> None:
    class Wrong(Request, frozen=True):
        number: str

    await bus.serve(subject_of(bus), Question, double, queue="tester")

    with pytest.raises(BadRequestError, match=r"\$\.number"):
        await bus.request(subject_of(bus), Wrong(number="many"), Answer)


async def test_unknown_fields_are_ignored_and_missing_ones_have_defaults(bus: Bus) -> None:
    class Newer(Request, frozen=True):
        number: int
        invented_later: list[int]

    await bus.serve(subject_of(bus), Question, double, queue="tester")

    answer = await bus.request(subject_of(bus), Newer(number=1, invented_later=[1]), Answer)

    assert (answer.number, answer.text) == (2, "")


async def test_an_answer_that_cannot_be_read_is_a_500(bus: Bus) -> None:
    async def strange(_question: Question) -> Reply:
        return Reply()

    await bus.serve(subject_of(bus), Question, strange, queue="tester")

    with pytest.raises(InternalError):
        await ask(bus)


async def test_nobody_there_is_a_503_at_the_deadline(bus: Bus) -> None:
    with pytest.raises(UnavailableError):
        await ask(bus, timeout_s=0.3)


async def test_somebody_who_comes_late_still_answers(connect: Connect) -> None:
    client, server = await connect(), await connect()

    async with asyncio.TaskGroup() as tasks:
        answer = tasks.create_task(ask(client))
        await asyncio.sleep(0.2)
        await server.serve(subject_of(server), Question, double, queue="tester")

    assert answer.result().number == 42


async def test_silence_is_a_504(bus: Bus) -> None:
    async def sleep(_question: Question) -> Answer:
        await asyncio.sleep(0.5)
        return Answer(number=0)

    await bus.serve(subject_of(bus), Question, sleep, queue="tester")

    with pytest.raises(DeadlineError):
        await ask(bus, timeout_s=0.1)


@pytest.mark.parametrize(
    ("size", "fits"),
    [pytest.param(700 * 1024, True, id="below"), pytest.param(MAX_MESSAGE_BYTES + 1, False, id="above")],
)
async def test_nothing_above_768_kib_is_sent(bus: Bus, size: int, fits: bool) -> None:  # noqa: FBT001 - a case
    async def count(question: Question) -> Answer:
        return Answer(number=len(question.text))

    await bus.serve(subject_of(bus), Question, count, queue="tester")
    question = Question(number=0, text="x" * size)

    if fits:
        assert (await bus.request(subject_of(bus), question, Answer)).number == size
    else:
        with pytest.raises(PayloadTooLargeError):
            await bus.request(subject_of(bus), question, Answer)


async def test_an_answer_above_768_kib_is_a_413(bus: Bus) -> None:
    async def boast(_question: Question) -> Answer:
        return Answer(number=0, text="x" * MAX_MESSAGE_BYTES)

    await bus.serve(subject_of(bus), Question, boast, queue="tester")

    with pytest.raises(PayloadTooLargeError):
        await ask(bus)


async def test_an_expired_request_is_dropped_with_room_for_skewed_clocks(bus: Bus) -> None:
    numbers: list[int] = []

    async def note(question: Question) -> Answer:
        numbers.append(question.number)
        return Answer(number=0)

    await bus.serve(subject_of(bus), Question, note, queue="tester")
    now_ms = (await ask(bus, 0)).timestamp
    ages_ms = {1: 29_000, 2: 32_000}
    for number, age_ms in ages_ms.items():
        stale = Question(number=number, timestamp=now_ms - age_ms, timeout=1000)
        await bus._connection.publish(subject_of(bus), msgspec.msgpack.encode(stale))  # noqa: SLF001 - a stamp of the past
    await ask(bus, 3)

    assert sorted(numbers) == [0, 1, 3]


async def test_the_correlation_id_travels_to_the_handler_and_its_requests(bus: Bus) -> None:
    seen: list[object] = []

    async def inner(question: Question) -> Answer:
        seen.append(structlog.contextvars.get_contextvars().get("correlation_id"))
        return await double(question)

    async def outer(question: Question) -> Answer:
        return await bus.request(bus.subjects.service("tester", "test", "Inner"), question, Answer)

    await bus.serve(bus.subjects.service("tester", "test", "Inner"), Question, inner, queue="tester")
    await bus.serve(subject_of(bus), Question, outer, queue="tester")

    with bound_contextvars(correlation_id="abc123"):
        answer = await ask(bus)

    assert seen == ["abc123"]
    assert answer.correlation_id == "abc123"


async def test_handlers_run_beside_each_other(bus: Bus) -> None:
    everybody_in = asyncio.Barrier(20)

    async def meet(question: Question) -> Answer:
        await everybody_in.wait()
        return await double(question)

    await bus.serve(subject_of(bus), Question, meet, queue="tester")

    assert len(await asyncio.gather(*(ask(bus) for _ in range(20)))) == 20


async def test_more_than_can_be_handled_is_503_at_once(connect: Connect) -> None:
    server = await connect(max_in_flight=3)
    client = await connect()
    release = asyncio.Event()

    async def hold(question: Question) -> Answer:
        await release.wait()
        return await double(question)

    await server.serve(subject_of(server), Question, hold, queue="tester")

    async with asyncio.TaskGroup() as tasks:
        calls = [tasks.create_task(_outcome(client)) for _ in range(10)]
        await eventually(lambda: _finished(calls, 7), what="seven refused")
        release.set()

    assert sorted(call.result() for call in calls) == [200] * 3 + [503] * 7


async def _outcome(bus: Bus) -> int:
    try:
        return (await ask(bus)).status_code
    except GroveError as error:
        return error.status_code


async def _finished(calls: list[asyncio.Task[int]], number: int) -> bool:
    return sum(call.done() for call in calls) == number


async def test_one_log_line_per_request(bus: Bus) -> None:
    async def conflict(_question: Question) -> Answer:
        raise ConflictError("somebody was faster")

    await bus.serve(subject_of(bus), Question, double, queue="tester")
    await bus.serve(bus.subjects.service("tester", "test", "Conflict"), Question, conflict, queue="tester")

    with structlog.testing.capture_logs() as logs:
        await ask(bus)
        with pytest.raises(ConflictError):
            await bus.request(bus.subjects.service("tester", "test", "Conflict"), Question(number=1), Answer)

    lines = [line for line in logs if line["event"] == "request"]
    assert [(line["message_type"], line["status"]) for line in lines] == [
        ("Question", 200),
        ("Conflict", 409),
    ]
    assert all(line["duration_ms"] > 0 for line in lines)


async def test_a_request_is_checked_before_each_attempt_and_not_sent_when_that_fails(
    connect: Connect,
) -> None:
    answered: list[int] = []
    client, server = await connect(), await connect()
    attempts = 0

    async def handler(question: Question) -> Answer:
        answered.append(question.number)
        return await double(question)

    async def serve_then_refuse() -> None:
        nonlocal attempts
        attempts += 1
        if attempts == 2:
            await server.serve(subject_of(server), Question, handler, queue="tester")
            raise ForbiddenError("not any more")

    with pytest.raises(ForbiddenError):
        await client.request(subject_of(client), Question(number=1), Answer, check=serve_then_refuse)
    await ask(client, 2)

    assert answered == [2]


async def test_a_check_that_takes_too_long_sends_nothing(connect: Connect) -> None:
    answered: list[int] = []
    client, server = await connect(), await connect()

    async def handler(question: Question) -> Answer:
        answered.append(question.number)
        return await double(question)

    async def for_ever() -> None:
        await asyncio.Event().wait()

    await server.serve(subject_of(server), Question, handler, queue="tester")

    with pytest.raises(UnavailableError):
        await client.request(subject_of(client), Question(number=1), Answer, timeout_s=0.3, check=for_ever)
    await ask(client, 2)

    assert answered == [2]
