"""The front door: the order of checks, order per endpoint, tsx, and errors told once."""

import asyncio
import json
from datetime import UTC, datetime

import pytest
import structlog

from libs.bus.extensions import extensions
from libs.bus.front_door import Answer, FrontDoor
from libs.bus.identity import Identity
from libs.contracts import kp1
from libs.contracts.errors import (
    ConflictError,
    DeadlineError,
    ForbiddenError,
    GroveError,
    NotFoundError,
    UnauthorizedError,
    UnavailableError,
)
from libs.contracts.kp1 import MAX_PAYLOAD_BYTES
from tests.unit.bus.speakers import InMemoryBus, settle

NOW = datetime(2026, 7, 1, 12, 0, 0, 123_000, tzinfo=UTC)
TOO_LARGE = b"x" * (MAX_PAYLOAD_BYTES + 1)


class House:
    """A front door, and the owners behind it."""

    def __init__(self, *, queue_wait_s: float = 30.0) -> None:
        self.bus = InMemoryBus()
        self.identity = Identity(self.bus)
        self.door = FrontDoor(self.identity, extensions(self.bus, now=lambda: NOW), queue_wait_s=queue_wait_s)

    async def ask(self, topic: str, payload: bytes = b"{}") -> Answer:
        return await self.door.answer(kp1.parse_topic(topic), payload)


@pytest.fixture
async def house() -> House:
    house = House()
    await house.identity.start()
    return house


async def test_a_request_reaches_its_owner(house: House) -> None:
    answer = await house.ask("kp1/grove-v1/epmx/token/update/keys/0", b'{"a":1}')

    assert answer == Answer(200, "", b'{"a":1}')
    (request,) = house.bus.received
    assert (request.app_version_name, request.endpoint_id) == ("grove-v1", "ep")
    assert (request.resource_path, request.request_id) == ("/update/keys", 0)


@pytest.mark.parametrize(
    ("topic", "payload", "narrowed", "holder", "status"),
    [
        pytest.param("kp1/other-v1/bcx/nobody/x", TOO_LARGE, ("tsx",), None, 404, id="version first"),
        pytest.param("kp1/grove-v1/bcx/nobody/x", TOO_LARGE, None, None, 404, id="then extension"),
        pytest.param("kp1/grove-v1/epmx/nobody/x", TOO_LARGE, ("tsx",), None, 404, id="its being allowed"),
        pytest.param("kp1/grove-v1/dcx/nobody/x", TOO_LARGE, None, None, 404, id="and its being there"),
        pytest.param("kp1/grove-v1/epmx/token/x", TOO_LARGE, None, UnauthorizedError(), 401, id="then token"),
        pytest.param("kp1/grove-v1/epmx/token/x", TOO_LARGE, None, ForbiddenError(), 403, id="then state"),
        pytest.param("kp1/grove-v1/epmx/token/x", TOO_LARGE, None, "ep", 413, id="then size"),
        pytest.param("kp1/grove-v1/epmx/token/x", b"", None, "ep", 404, id="the rest is the owner's"),
    ],
)
async def test_the_first_check_that_fails_decides(
    house: House,
    topic: str,
    payload: bytes,
    narrowed: tuple[str, ...] | None,
    holder: str | GroveError | None,
    status: int,
) -> None:
    house.bus.versions["grove-v1"] = narrowed
    house.bus.extension_error = NotFoundError("unknown resource")
    if holder is not None:
        house.bus.tokens["grove", "token"] = holder

    answer = await house.ask(topic, payload)

    assert answer.status_code == status
    assert answer.is_error
    assert set(json.loads(answer.body)) == {"statusCode", "reasonPhrase"}


@pytest.mark.parametrize(
    ("holder", "status"),
    [
        pytest.param(ForbiddenError("suspended"), 403, id="suspended"),
        pytest.param(UnauthorizedError(), 401, id="deleted"),
        pytest.param("somebody else", 503, id="given to another"),
        pytest.param("ep", 200, id="still let in"),
    ],
)
async def test_what_waited_for_its_owner_is_not_said_for_who_would_not_be_let_in_any_more(
    house: House, holder: str | GroveError, status: int
) -> None:
    def change() -> None:
        house.bus.tokens["grove", "token"] = holder
        house.bus.revoke("ep")

    house.bus.before_sending = change

    answer = await house.ask("kp1/grove-v1/epmx/token/get")

    assert answer.status_code == status
    assert len(house.bus.received) == (status == 200)


async def test_a_stranger_costs_no_owner_a_question_about_tokens(house: House) -> None:
    await house.ask("kp1/other-v1/epmx/token/get")
    await house.ask("kp1/grove-v1/bcx/token/get")

    assert house.bus.asked["token"] == 0


async def test_an_owners_error_is_told_as_it_is(house: House) -> None:
    house.bus.extension_error = ConflictError("somebody was faster")

    answer = await house.ask("kp1/grove-v1/epmx/token/update")

    assert answer == Answer(409, "somebody was faster")
    assert json.loads(answer.body) == {"statusCode": 409, "reasonPhrase": "somebody was faster"}


async def test_what_nobody_expected_is_a_500_whose_details_are_in_the_log_alone(house: House) -> None:
    house.bus.extension_error = ValueError("secret detail")

    with structlog.testing.capture_logs() as logs:
        answer = await house.ask("kp1/grove-v1/epmx/token/update")

    assert answer == Answer(500, "Internal Server Error")
    assert [repr(line["exc_info"]) for line in logs] == ["ValueError('secret detail')"]


async def test_one_log_line_without_the_token(house: House) -> None:
    with structlog.testing.capture_logs() as logs:
        await house.ask("kp1/grove-v1/epmx/token/get/5")
        await house.ask("kp1/grove-v1/epmx/nobody/get")

    served, refused = logs
    assert (served["event"], served["status"], served["endpoint_id"]) == ("kp1_request", 200, "ep")
    assert (served["extension"], served["resource"]) == ("epmx", "/get")
    assert (refused["status"], refused["reason"]) == (401, "unknown token")
    assert "'token'" not in repr([list(line.values()) for line in logs])


async def test_requests_of_one_endpoint_wait_for_each_other_in_order(house: House) -> None:
    tokens = ("token", "second token")
    house.bus.tokens["grove", tokens[1]] = "ep"
    for token in tokens:
        await house.door.admit(kp1.parse_topic(f"kp1/grove-v1/epmx/{token}/update"))
    house.bus.release.clear()

    async with asyncio.TaskGroup() as tasks:
        for number in range(50):
            topic = f"kp1/grove-v1/epmx/{tokens[number % 2]}/update"
            tasks.create_task(house.ask(topic, b"%d" % number))
        await settle()
        in_flight = len(house.bus.received)
        house.bus.release.set()

    assert in_flight == 1
    assert [request.payload for request in house.bus.received] == [b"%d" % number for number in range(50)]


async def test_tsx_does_not_wait_for_epmx(house: House) -> None:
    await house.ask("kp1/grove-v1/epmx/token/get")
    house.bus.release.clear()

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(house.ask("kp1/grove-v1/epmx/token/get"))
        await settle()
        answer = await house.ask("kp1/grove-v1/tsx/token")
        house.bus.release.set()

    assert answer.status_code == 200


async def test_a_turn_that_does_not_come_is_a_504() -> None:
    house = House(queue_wait_s=0.01)
    await house.identity.start()
    await house.ask("kp1/grove-v1/epmx/token/get")
    house.bus.release.clear()

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(house.ask("kp1/grove-v1/epmx/token/get"))
        await settle()
        answer = await house.ask("kp1/grove-v1/epmx/token/get")
        house.bus.release.set()

    assert answer.status_code == DeadlineError.status_code
    assert len(house.bus.received) == 2


async def test_whoever_lost_its_token_while_waiting_is_refused(house: House) -> None:
    await house.ask("kp1/grove-v1/epmx/token/get")
    house.bus.release.clear()

    async with asyncio.TaskGroup() as tasks:
        first = tasks.create_task(house.ask("kp1/grove-v1/epmx/token/get"))
        await settle()
        second = tasks.create_task(house.ask("kp1/grove-v1/epmx/token/get"))
        await settle()
        house.bus.tokens["grove", "token"] = ForbiddenError("token is suspended")
        house.bus.revoke("ep")
        house.bus.release.set()

    assert first.result().status_code == 200
    assert second.result() == Answer(403, "token is suspended")


async def test_an_owner_that_is_away_is_a_503_and_remembered_by_nobody(house: House) -> None:
    house.bus.tokens["grove", "token"] = UnavailableError()
    first = await house.ask("kp1/grove-v1/epmx/token/get")
    house.bus.tokens["grove", "token"] = "ep"
    second = await house.ask("kp1/grove-v1/epmx/token/get")

    assert (first.status_code, second.status_code) == (503, 200)


@pytest.mark.parametrize(
    ("payload", "told"),
    [
        pytest.param(b"", {"timestamp": 1_782_907_200_123}, id="nothing"),
        pytest.param(b"{}", {"timestamp": 1_782_907_200_123}, id="empty object"),
        pytest.param(b'{"timezone":null}', {"timestamp": 1_782_907_200_123}, id="null"),
        pytest.param(b'{"timezone":"UTC"}', {"timestamp": 1_782_907_200_123}, id="UTC has no offset"),
        pytest.param(
            b'{"timezone":"Atlantic/Reykjavik"}', {"timestamp": 1_782_907_200_123}, id="nor Iceland"
        ),
        pytest.param(
            b'{"timezone":"Europe/Athens"}',
            {"timestamp": 1_782_907_200_123, "offset": 10_800},
            id="summer in Athens",
        ),
        pytest.param(
            b'{"timezone":"America/St_Johns"}',
            {"timestamp": 1_782_907_200_123, "offset": -9_000},
            id="half hours west",
        ),
    ],
)
async def test_tsx_tells_the_time_and_an_offset_only_where_there_is_one(
    house: House, payload: bytes, told: dict[str, int]
) -> None:
    answer = await house.ask("kp1/grove-v1/tsx/token/9", payload)

    assert (answer.status_code, json.loads(answer.payload)) == (200, told)


@pytest.mark.parametrize(
    ("topic", "payload", "status"),
    [
        pytest.param("kp1/grove-v1/tsx/token", b'{"timezone":"Mars/Olympus"}', 400, id="no such zone"),
        pytest.param("kp1/grove-v1/tsx/token", b'{"timezone":"../../etc/passwd"}', 400, id="a path"),
        pytest.param("kp1/grove-v1/tsx/token", b'{"timezone":"/etc/localtime"}', 400, id="absolute path"),
        pytest.param("kp1/grove-v1/tsx/token", b'{"timezone":"Europe"}', 400, id="a folder of zones"),
        pytest.param("kp1/grove-v1/tsx/token", b'{"timezone":3}', 400, id="a number"),
        pytest.param("kp1/grove-v1/tsx/token", b'["UTC"]', 400, id="an array"),
        pytest.param("kp1/grove-v1/tsx/token", b"\xff", 400, id="not UTF-8"),
        pytest.param("kp1/grove-v1/tsx/token/now", b"", 404, id="a resource"),
        pytest.param("kp1/grove-v1/tsx/nobody", b"", 401, id="a stranger"),
    ],
)
async def test_what_tsx_refuses(house: House, topic: str, payload: bytes, status: int) -> None:
    assert (await house.ask(topic, payload)).status_code == status


async def test_every_extension_that_exists_is_served_or_a_404(house: House) -> None:
    answers = {
        name: (await house.ask(f"kp1/grove-v1/{name}/token", b"")).status_code for name in kp1.EXTENSIONS
    }

    assert answers == {"epmx": 200, "tsx": 200, "dcx": 404, "cex": 404, "cmx": 404}


async def test_persisting_tries_again_what_may_yet_succeed(house: House) -> None:
    house.bus.extension_error = ConflictError("somebody was faster")

    def heal_at_the_third() -> None:
        if len(house.bus.received) == 2:
            house.bus.extension_error = None

    house.bus.meanwhile = heal_at_the_third
    answer = await house.door.answer(kp1.parse_topic("kp1/grove-v1/epmx/token/update"), b"{}", persist_s=10.0)

    assert (answer.status_code, len(house.bus.received)) == (200, 3)


async def test_persisting_ends_in_time_whatever_the_owner_does(house: House) -> None:
    house.bus.release.clear()

    answer = await house.door.answer(kp1.parse_topic("kp1/grove-v1/epmx/token/update"), b"{}", persist_s=0.2)

    assert answer == Answer(504, "no answer within 0.2 s")


async def test_persisting_does_not_repeat_what_is_refused_for_good(house: House) -> None:
    house.bus.extension_error = NotFoundError("unknown resource")

    answer = await house.door.answer(kp1.parse_topic("kp1/grove-v1/epmx/token/x"), b"{}", persist_s=10.0)

    assert (answer.status_code, len(house.bus.received)) == (404, 1)


async def test_who_speaks_is_told_once_it_is_known_whatever_becomes_of_the_request(house: House) -> None:
    heard: list[tuple[str, str]] = []
    house.bus.extension_error = NotFoundError("unknown resource")

    for topic in ("kp1/grove-v1/epmx/token/x", "kp1/grove-v1/epmx/nobody/x"):
        await house.door.answer(
            kp1.parse_topic(topic),
            b"",
            heard=lambda path, caller: heard.append((path.app_version, caller.endpoint_id)),
        )

    assert heard == [("grove-v1", "ep")]


async def test_whose_token_it_is_can_be_asked_without_an_extension(house: House) -> None:
    assert (await house.door.identify("grove-v1", "token")).endpoint_id == "ep"
    with pytest.raises(UnauthorizedError):
        await house.door.identify("grove-v1", "nobody")
