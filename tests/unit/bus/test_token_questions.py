"""Questions about tokens: together where many wait, one by one where few do, and none for whoever gave up."""

import asyncio
from collections.abc import Coroutine

import pytest

from libs.bus.cache import NotAskedError
from libs.bus.requests import SilenceError
from libs.bus.token_questions import ON_THEIR_WAY, TokenQuestions
from libs.contracts.ecap import (
    MAX_TOKENS_TOGETHER,
    EndpointTokensValidationRequest,
    EndpointTokensValidationResponse,
    TokenHolder,
)
from libs.contracts.errors import ForbiddenError, InternalError, UnauthorizedError, UnavailableError
from tests.unit.bus.speakers import InMemoryBus, settle

MANY = 300


class Forest:
    """Tokens ``t0`` to ``t299`` of endpoints with the same numbers."""

    def __init__(self, *, timeout_s: float = 5.0) -> None:
        self.bus = InMemoryBus()
        self.bus.tokens |= {("grove", f"t{number}"): f"ep{number}" for number in range(MANY)}
        self.questions = TokenQuestions(self.bus, timeout_s=timeout_s)

    async def ask(self, number: int) -> str | None:
        return (await self.questions.ask("grove", f"t{number}")).endpoint_id

    @property
    def sent(self) -> int:
        return self.bus.asked[EndpointTokensValidationRequest.__name__]


async def together(asks: list[Coroutine[None, None, str | None]], forest: Forest) -> list[str | None]:
    """Hold all answers back until everybody asks."""
    forest.bus.release.clear()
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(ask, name="ask") for ask in asks]
        await settle()
        forest.bus.release.set()
    return [each.result() for each in tasks]


async def test_each_is_told_of_its_own_token(forest: Forest) -> None:
    answers = await together([forest.ask(number) for number in range(MANY)], forest)

    assert answers == [f"ep{number}" for number in range(MANY)]
    assert forest.bus.asked["token"] == MANY


async def test_those_that_wait_go_together_and_no_more_than_may(forest: Forest) -> None:
    await together([forest.ask(number) for number in range(ON_THEIR_WAY + 2 * MAX_TOKENS_TOGETHER)], forest)

    assert forest.sent == ON_THEIR_WAY + 2


async def test_a_refused_token_is_refused_alone(forest: Forest) -> None:
    forest.bus.tokens["grove", "t5"] = ForbiddenError("token is suspended")
    forest.bus.release.clear()
    async with asyncio.TaskGroup() as group:
        asks = [group.create_task(_outcome(forest, number), name="ask") for number in range(ON_THEIR_WAY + 8)]
        await settle()
        forest.bus.release.set()

    refused = asks[5].result()
    assert isinstance(refused, ForbiddenError)
    assert refused.reason_phrase == "token is suspended"
    assert [each.result() for each in asks if each is not asks[5]] == [
        f"ep{number}" for number in range(ON_THEIR_WAY + 8) if number != 5
    ]


async def test_what_nobody_holds_is_unauthorized(forest: Forest) -> None:
    with pytest.raises(UnauthorizedError):
        await forest.ask(MANY)


async def test_who_gave_up_before_the_question_went_out_is_not_asked_for(forest: Forest) -> None:
    forest.bus.release.clear()
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(forest.ask(number), name="ask") for number in range(ON_THEIR_WAY + 3)]
        await settle()
        tasks[-1].cancel()
        await settle()
        forest.bus.release.set()

    assert forest.bus.asked["token"] == ON_THEIR_WAY + 2


async def test_an_owner_that_is_away_fails_all_that_were_in_the_question_and_the_next_is_asked(
    forest: Forest,
) -> None:
    def away() -> None:
        raise UnavailableError("nobody is there")

    forest.bus.meanwhile = away
    outcomes = await asyncio.gather(*(forest.ask(number) for number in range(20)), return_exceptions=True)
    forest.bus.meanwhile = lambda: None

    assert [type(each) for each in outcomes] == [UnavailableError] * 20
    assert await forest.ask(1) == "ep1"


async def test_silence_and_no_turn_in_time_are_told_apart() -> None:
    forest = Forest(timeout_s=0.05)
    forest.bus.release.clear()

    outcomes = await asyncio.gather(
        *(forest.ask(number) for number in range(ON_THEIR_WAY + 1)), return_exceptions=True
    )

    assert [type(each) for each in outcomes] == [SilenceError] * ON_THEIR_WAY + [NotAskedError]
    forest.bus.release.set()


async def test_an_answer_of_the_wrong_length_is_an_error_and_nobody_elses_token(
    forest: Forest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forest.bus, "_answer", _too_many)

    with pytest.raises(InternalError):
        await forest.ask(1)


def _too_many(message: EndpointTokensValidationRequest) -> object:
    holders = (TokenHolder(token_id="t", endpoint_id="ep"),) * (len(message.tokens) + 1)
    return EndpointTokensValidationResponse(holders=holders)


async def _outcome(forest: Forest, number: int) -> object:
    try:
        return await forest.ask(number)
    except ForbiddenError as error:
        return error


@pytest.fixture
async def forest() -> Forest:
    return Forest()
