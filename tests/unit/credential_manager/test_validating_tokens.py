"""Whose token is this: what transports are told."""

import asyncio
from dataclasses import replace

import pytest

from libs.contracts.ecap import MAX_TOKENS_TOGETHER, EndpointTokensValidationRequest, TokenClaim
from libs.contracts.errors import (
    BadRequestError,
    ForbiddenError,
    UnauthorizedError,
    UnavailableError,
)
from libs.contracts.ids import TokenId
from libs.contracts.tokens import TokenStatus
from services.credential_manager.domain import EndpointToken
from services.credential_manager.ports import Parts
from services.credential_manager.usecases.validating import validate_tokens
from tests.support.credential_manager import APPLICATION, ENDPOINT, Fakes
from tests.unit.credential_manager.token_calls import (
    GRAPES,
    create,
    move,
    validate,
)

# --- validating -----------------------------------------------------------------------------------


async def test_the_first_use_makes_a_token_active_and_the_second_writes_nothing(
    fakes: Fakes, parts: Parts
) -> None:
    _, value = await create(parts)

    first = await validate(parts, value)
    second = await validate(parts, value)

    assert (first.status, first.endpoint_id) == (TokenStatus.ACTIVE, ENDPOINT)
    assert second == first


async def test_the_first_use_is_answered_although_nothing_can_be_told(fakes: Fakes, parts: Parts) -> None:
    _, value = await create(parts)
    fakes.events.away = True

    assert (await validate(parts, value)).status is TokenStatus.ACTIVE


async def test_concurrent_first_uses_agree(fakes: Fakes, parts: Parts) -> None:
    _, value = await create(parts)

    answers = await asyncio.gather(*(validate(parts, value) for _ in range(50)))

    assert {answer.revision for answer in answers} == {answers[0].revision}


async def test_a_token_is_known_only_in_its_application(fakes: Fakes, parts: Parts) -> None:
    _, value = await create(parts)

    for application, token in ((GRAPES, value), (APPLICATION, "other"), (APPLICATION, "a/b"), ("", "")):
        with pytest.raises(UnauthorizedError) as refused:
            await validate(parts, token, application)
        assert value not in refused.value.reason_phrase


@pytest.mark.parametrize("status", [TokenStatus.SUSPENDED, TokenStatus.REVOKED], ids=["suspended", "revoked"])
async def test_a_refused_token_says_why(status: TokenStatus, fakes: Fakes, parts: Parts) -> None:
    token, value = await create(parts)
    await validate(parts, value)
    await move(parts, token, status)

    with pytest.raises(ForbiddenError, match=status.value.lower()):
        await validate(parts, value)


def revoke_meanwhile(fakes: Fakes, token: EndpointToken) -> None:
    """Let somebody revoke a token between the next read and the write that follows it."""

    def revoke() -> None:
        fakes.tokens.before_replacing = lambda: None
        current = fakes.tokens.records[token.id]
        fakes.tokens.records[token.id] = replace(
            current, status=TokenStatus.REVOKED, revision=current.revision + 1, attempt="somebody else"
        )

    fakes.tokens.before_replacing = revoke


async def test_a_suspension_that_overtakes_the_first_use_wins(fakes: Fakes, parts: Parts) -> None:
    token, value = await create(parts)
    revoke_meanwhile(fakes, token)

    with pytest.raises(ForbiddenError, match="revoked"):
        await validate(parts, value)


# --- many at once ---------------------------------------------------------------------------------


async def test_each_of_many_tokens_is_answered_for_itself_and_in_order(fakes: Fakes, parts: Parts) -> None:
    new, new_value = await create(parts)
    used, used_value = await create(parts)
    await validate(parts, used_value)
    suspended, suspended_value = await create(parts)
    await validate(parts, suspended_value)
    await move(parts, suspended, TokenStatus.SUSPENDED)
    values = (suspended_value, "unknown", new_value, "a/b", used_value)
    claims = (*(TokenClaim(APPLICATION, value) for value in values), TokenClaim(GRAPES, used_value))

    answers = await validate_tokens(EndpointTokensValidationRequest(tokens=claims), parts=parts)

    told = [each.id if isinstance(each, EndpointToken) else type(each) for each in answers]
    nobody = UnauthorizedError
    assert told == [ForbiddenError, nobody, new.id, nobody, used.id, nobody]
    assert fakes.tokens.records[new.id].status is TokenStatus.ACTIVE


async def test_a_change_that_overtakes_one_of_many_first_uses_wins(fakes: Fakes, parts: Parts) -> None:
    revoked, revoked_value = await create(parts)
    other, other_value = await create(parts)

    revoke_meanwhile(fakes, revoked)
    claims = (TokenClaim(APPLICATION, revoked_value), TokenClaim(APPLICATION, other_value))

    refused, let_in = await validate_tokens(EndpointTokensValidationRequest(tokens=claims), parts=parts)

    assert isinstance(refused, ForbiddenError)
    assert let_in == fakes.tokens.records[other.id]
    assert fakes.tokens.records[other.id].status is TokenStatus.ACTIVE


async def test_first_uses_that_cannot_be_written_are_not_answered_and_others_are(
    fakes: Fakes, parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, new_value = await create(parts)
    used, used_value = await create(parts)
    await validate(parts, used_value)

    async def away(_tokens: object, _change: object) -> set[TokenId]:
        raise UnavailableError("the store cannot be reached")

    monkeypatch.setattr(fakes.tokens, "activate", away)
    claims = (TokenClaim(APPLICATION, new_value), TokenClaim(APPLICATION, used_value))

    unknown, known = await validate_tokens(EndpointTokensValidationRequest(tokens=claims), parts=parts)

    assert isinstance(unknown, UnavailableError)
    assert known == fakes.tokens.records[used.id]


async def test_one_token_asked_about_twice_at_once_is_activated_once(fakes: Fakes, parts: Parts) -> None:
    token, value = await create(parts)
    claims = (TokenClaim(APPLICATION, value),) * 2

    first, second = await validate_tokens(EndpointTokensValidationRequest(tokens=claims), parts=parts)

    assert first == second == fakes.tokens.records[token.id]


async def test_more_tokens_than_may_be_asked_about_at_once_are_refused(parts: Parts) -> None:
    claims = (TokenClaim(APPLICATION, "t"),) * (MAX_TOKENS_TOGETHER + 1)

    with pytest.raises(BadRequestError, match="at most 64"):
        await validate_tokens(EndpointTokensValidationRequest(tokens=claims), parts=parts)
