"""Identity: what is remembered, what an event takes back, and lookups that an event overtakes (rule 17)."""

import asyncio
import gc
import weakref
from collections import Counter
from collections.abc import Callable

import pytest

from libs.bus.cache import MAX_REPEATS, NotAskedError
from libs.bus.identity import Identity
from libs.bus.requests import SilenceError
from libs.contracts.ecap import EndpointTokenRevokedEvent
from libs.contracts.errors import (
    ForbiddenError,
    GroveError,
    NotFoundError,
    UnauthorizedError,
    UnavailableError,
)
from libs.contracts.tokens import TokenStatus
from tests.unit.bus.speakers import InMemoryBus, settle

DEFAULT = "token"
VERSION_ASKED = "AppVersionRequest"
TOKEN_ASKED = "token"


class Field:
    """An identity cache between a bus and a clock that the test moves."""

    def __init__(self, *, max_entries: int = 100) -> None:
        self.bus = InMemoryBus()
        self.now = 0.0
        self.identity = Identity(self.bus, clock=lambda: self.now, max_entries=max_entries)

    async def endpoint(self, token: str = DEFAULT, *, application: str = "grove") -> str:
        return (await self.identity.speaker(application, token)).endpoint_id


@pytest.fixture
async def field() -> Field:
    field = Field()
    await field.identity.start()
    return field


async def test_a_token_is_looked_up_once(field: Field) -> None:
    assert [await field.endpoint() for _ in range(3)] == ["ep"] * 3

    assert field.bus.asked[TOKEN_ASKED] == 1


async def test_tokens_belong_to_one_application(field: Field) -> None:
    field.bus.tokens["forest", "token"] = "another"

    assert (await field.endpoint(), await field.endpoint(application="forest")) == ("ep", "another")


@pytest.mark.parametrize("token", ["a.b", "a+b", "a#b", "x" * 257, "\ud800"], ids=ascii)
async def test_what_cannot_be_a_token_is_refused_without_asking(field: Field, token: str) -> None:
    with pytest.raises(UnauthorizedError):
        await field.endpoint(token)

    assert not field.bus.asked


@pytest.mark.parametrize("name", ["grove", "Grove-v1", "grove-V1", "grove-", "-", "..", "grove-v1\n"])
async def test_what_cannot_be_a_version_is_refused_without_asking(field: Field, name: str) -> None:
    with pytest.raises(NotFoundError):
        await field.identity.version(name)

    assert not field.bus.asked


@pytest.mark.parametrize(
    ("answer", "age_s", "lookups"),
    [
        pytest.param("ep", 29.0, 1, id="remembered for 30 s"),
        pytest.param("ep", 30.0, 2, id="and no longer"),
        pytest.param(ForbiddenError(), 4.0, 1, id="a refusal for 5 s"),
        pytest.param(ForbiddenError(), 5.0, 2, id="and no longer than that"),
        pytest.param(UnavailableError(), 0.0, 2, id="a failure never"),
    ],
)
async def test_how_long_answers_are_remembered(
    field: Field, answer: str | GroveError, age_s: float, lookups: int
) -> None:
    field.bus.tokens["grove", "token"] = answer

    await asyncio.gather(field.endpoint(), return_exceptions=True)
    field.now += age_s
    await asyncio.gather(field.endpoint(), return_exceptions=True)

    assert field.bus.asked[TOKEN_ASKED] == lookups


def revoked(field: Field) -> None:
    field.bus.revoke("ep")


def suspended(field: Field) -> None:
    field.bus.move("ep", TokenStatus.SUSPENDED)


def deleted(field: Field) -> None:
    field.bus.move("ep", None)


def cut(field: Field) -> None:
    field.bus.cut()


TAKES_BACK = [pytest.param(event, id=event.__name__) for event in (revoked, suspended, deleted, cut)]
Tell = Callable[[Field], None]


@pytest.mark.parametrize("tell", TAKES_BACK)
async def test_an_answer_is_taken_back(field: Field, tell: Tell) -> None:
    await field.endpoint()
    epoch = field.identity.epoch
    field.bus.tokens["grove", "token"] = ForbiddenError("token is suspended")

    tell(field)

    with pytest.raises(ForbiddenError):
        await field.endpoint()
    assert field.identity.epoch != epoch


@pytest.mark.parametrize("tell", TAKES_BACK)
async def test_a_lookup_on_its_way_is_discarded_and_repeated(field: Field, tell: Tell) -> None:
    field.bus.release.clear()

    async with asyncio.TaskGroup() as tasks:
        call = tasks.create_task(_outcome(field))
        await settle()
        field.bus.tokens["grove", "token"] = ForbiddenError("token is suspended")
        tell(field)
        joined = tasks.create_task(_outcome(field))
        await settle()
        field.bus.release.set()

    assert call.result() == joined.result() == "token is suspended"


@pytest.mark.parametrize("status", [TokenStatus.ACTIVE, TokenStatus.INACTIVE], ids=["reactivated", "created"])
async def test_a_refusal_on_its_way_is_repeated_when_a_token_of_its_application_is_let_in(
    field: Field, status: TokenStatus
) -> None:
    field.bus.tokens["grove", "token"] = UnauthorizedError("unknown token")
    field.bus.release.clear()

    async with asyncio.TaskGroup() as tasks:
        call = tasks.create_task(_outcome(field))
        await settle()
        field.bus.tokens["grove", "token"] = "ep"
        field.bus.move("ep", status)
        field.bus.release.set()

    assert call.result() == "ep"


async def test_a_remembered_refusal_is_taken_back_when_a_token_of_its_application_is_let_in(
    field: Field,
) -> None:
    field.bus.tokens["grove", "token"] = UnauthorizedError("unknown token")
    await _outcome(field)
    field.bus.tokens["grove", "token"] = "ep"

    field.bus.move("somebody else", TokenStatus.ACTIVE, application="forest")
    before = await _outcome(field)
    field.bus.move("ep", TokenStatus.ACTIVE)
    after = await _outcome(field)

    assert (before, after) == ("unknown token", "ep")


async def test_the_event_of_the_first_use_repeats_nothing(field: Field) -> None:
    field.bus.release.clear()

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(field.endpoint())
        await settle()
        field.bus.move("ep", TokenStatus.ACTIVE)
        field.bus.release.set()

    assert field.bus.asked[TOKEN_ASKED] == 1


async def test_events_of_others_neither_repeat_nor_take_back(field: Field) -> None:
    field.bus.release.clear()

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(field.endpoint())
        await settle()
        for number in range(100):
            field.bus.revoke(f"other{number}")
        field.bus.release.set()
    field.bus.revoke("other")
    await field.endpoint()

    assert field.bus.asked[TOKEN_ASKED] == 1


async def test_a_token_that_changes_for_ever_is_a_503_never_a_stale_answer(field: Field) -> None:
    field.bus.meanwhile = lambda: field.bus.revoke("ep")

    with pytest.raises(UnavailableError):
        await field.endpoint()

    assert field.bus.asked[TOKEN_ASKED] == MAX_REPEATS


async def test_revocations_are_told_after_they_are_felt(field: Field) -> None:
    heard: list[str] = []
    epochs: list[int] = []
    await field.endpoint()
    before = field.identity.epoch

    def hear(event: EndpointTokenRevokedEvent) -> None:
        heard.append(event.endpoint_id)
        epochs.append(field.identity.epoch)

    field.identity.on_revoked(hear)
    field.bus.revoke("ep")
    field.bus.move("ep", TokenStatus.ACTIVE)

    assert heard == ["ep"]
    assert epochs[0] > before


@pytest.mark.parametrize(
    ("application", "version", "again"),
    [
        pytest.param("grove", None, 2, id="the application"),
        pytest.param("grove", "grove-v1", 2, id="the version"),
        pytest.param("grove", "grove-v2", 1, id="another version"),
        pytest.param("forest", None, 1, id="another application"),
    ],
)
async def test_a_changed_configuration_is_asked_for_again(
    field: Field, application: str, version: str | None, again: int
) -> None:
    await field.identity.version("grove-v1")

    field.bus.configure(application, version)
    await field.identity.version("grove-v1")

    assert field.bus.asked[VERSION_ASKED] == again


@pytest.mark.parametrize(
    ("application", "version", "asked"),
    [
        pytest.param("grove", None, 2, id="the application"),
        pytest.param("grove", "grove-v1", 2, id="the version"),
        pytest.param("grove", "grove-v2", 1, id="another version"),
        pytest.param("forest", None, 1, id="another application"),
    ],
)
async def test_a_version_that_is_being_looked_up_is_asked_for_again_only_if_it_is_concerned(
    field: Field, application: str, version: str | None, asked: int
) -> None:
    field.bus.release.clear()

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(field.identity.version("grove-v1"))
        await settle()
        field.bus.configure(application, version)
        field.bus.release.set()

    assert field.bus.asked[VERSION_ASKED] == asked


async def test_a_version_that_was_unknown_is_found_as_soon_as_it_is_created(field: Field) -> None:
    with pytest.raises(NotFoundError):
        await field.identity.version("grove-v2")
    field.bus.versions["grove-v2"] = None

    field.bus.configure("grove", "grove-v2")

    assert (await field.identity.version("grove-v2")).application_name == "grove"


async def test_memory_is_bounded_whatever_strangers_send() -> None:
    field = Field(max_entries=10)
    await field.identity.start()

    for number in range(500):
        await _outcome(field, f"stranger{number}")
        field.bus.tokens["grove", f"t{number}"] = f"ep{number}"
        await field.endpoint(f"t{number}")

    assert len(field.identity._tokens) == 10  # noqa: SLF001 - nothing else shows what is kept
    assert field.identity._concerned._count <= 20  # noqa: SLF001 - the same
    assert await field.endpoint("t499") == "ep499"


class Secret(str):
    """A token whose end can be seen."""

    __slots__ = ("__weakref__",)


@pytest.mark.parametrize("known", [True, False], ids=["accepted", "refused"])
async def test_a_token_is_not_kept(field: Field, known: bool) -> None:  # noqa: FBT001 - a case
    if known:
        field.bus.tokens["grove", "secret"] = "ep"
    secret = Secret("secret")
    seen = weakref.ref(secret)

    for _ in range(3):
        await _outcome(field, secret)
    del secret
    await settle()
    gc.collect()

    assert seen() is None
    assert field.bus.asked[TOKEN_ASKED] == 1


async def _outcome(field: Field, token: str = DEFAULT) -> str:
    try:
        return await field.endpoint(token)
    except GroveError as error:
        return error.reason_phrase


async def test_a_fleet_that_comes_at_once_is_asked_for_by_and_by() -> None:
    bus = InMemoryBus()
    identity = Identity(bus, timeout_s=60)
    bus.tokens |= {("grove", f"token-{number}"): "ep" for number in range(1000)}
    bus.release.clear()
    async with asyncio.TaskGroup() as group:
        tasks = [
            group.create_task(outcome(identity, f"token-{number}"), name="device") for number in range(1000)
        ]
        await settle()
        asked_at_once = bus.asked[TOKEN_ASKED]
        bus.release.set()

    assert {task.result() for task in tasks} == {None}
    assert 0 < asked_at_once <= 256
    assert bus.asked[TOKEN_ASKED] == 1000


async def test_who_waits_too_long_to_be_asked_for_is_told_to_come_back() -> None:
    bus = InMemoryBus()
    identity = Identity(bus, timeout_s=0.05)
    bus.release.clear()
    async with asyncio.TaskGroup() as group:
        waiting = [
            group.create_task(outcome(identity, f"token-{number}"), name="device") for number in range(300)
        ]

    outcomes = Counter(type(task.result()) for task in waiting)
    asked = bus.asked[TOKEN_ASKED]
    assert outcomes == {SilenceError: asked, NotAskedError: 300 - asked}
    assert asked < 10


async def outcome(identity: Identity, token: str) -> GroveError | None:
    try:
        await identity.speaker("grove", token)
    except GroveError as error:
        return error
    return None
