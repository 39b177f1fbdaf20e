"""How a token begins: created by an operator, or stored by endpoint-register."""

from dataclasses import replace
from typing import Any

import pytest

from libs.contracts.errors import (
    BadRequestError,
    ConflictError,
    ForbiddenError,
    GroveError,
    NotFoundError,
    UnauthorizedError,
)
from libs.contracts.ids import TokenId
from libs.contracts.tokens import TokenStatus
from services.credential_manager.domain import EndpointToken, Phase
from services.credential_manager.ports import Parts
from tests.support.credential_manager import APPLICATION, ENDPOINT, Fakes
from tests.unit.credential_manager.token_calls import (
    GRAPES,
    create,
    delete,
    listed,
    move,
    store,
    validate,
)

# --- validating -----------------------------------------------------------------------------------


async def test_two_tokens_are_valid_during_a_rotation(fakes: Fakes, parts: Parts) -> None:
    old, old_value = await create(parts)
    _, new_value = await create(parts, "serial number 7")

    for value in (old_value, new_value):
        assert (await validate(parts, value)).endpoint_id == ENDPOINT
    await delete(parts, old)

    assert (await validate(parts, new_value)).endpoint_id == ENDPOINT
    with pytest.raises(UnauthorizedError):
        await validate(parts, old_value)


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"endpoint_id": "no/id"}, BadRequestError),
        ({"application_name": "No Name"}, BadRequestError),
        ({"token": "a+b"}, BadRequestError),
        ({"endpoint_id": "tree-9"}, NotFoundError),
        ({"application_name": GRAPES}, BadRequestError),
        ({"applications": (GRAPES,)}, ForbiddenError),
        ({"applications": (GRAPES,), "application_name": GRAPES}, ForbiddenError),
    ],
    ids=["endpoint-id", "name", "token", "no-endpoint", "mismatch", "limited", "limited-mismatch"],
)
async def test_a_token_that_makes_no_sense_is_refused_and_leaves_nothing(
    fields: dict[str, Any], error: type[GroveError], fakes: Fakes, parts: Parts
) -> None:
    with pytest.raises(error) as refused:
        await create(parts, **fields)

    assert fakes.tokens.records == {}
    assert "a+b" not in refused.value.reason_phrase


async def test_a_value_exists_once_per_application(fakes: Fakes, parts: Parts) -> None:
    fakes.directory.applications |= {"tree-2": APPLICATION, "vine": GRAPES}
    await create(parts, "t")

    for endpoint_id in (ENDPOINT, "tree-2"):
        with pytest.raises(ConflictError, match="already in use"):
            await create(parts, "t", endpoint_id=endpoint_id)
    vine, _ = await create(parts, "t", endpoint_id="vine", application_name=GRAPES)

    assert vine.application == GRAPES


async def test_an_endpoint_that_vanishes_during_the_creation_keeps_no_token(
    fakes: Fakes, parts: Parts
) -> None:
    def vanish(asked: int) -> None:
        if asked == 2:
            fakes.directory.applications.clear()

    fakes.directory.before_answering = vanish

    with pytest.raises(NotFoundError):
        await create(parts, "t")

    assert fakes.tokens.records == {}
    assert fakes.events.published == {}


async def test_tokens_deleted_between_insert_and_confirmation_stay_deleted(
    fakes: Fakes, parts: Parts
) -> None:
    claims: list[EndpointToken] = []

    def delete_meanwhile(asked: int) -> None:
        if asked == 2:
            claims.extend(fakes.tokens.records.values())
            fakes.tokens.records.clear()

    fakes.directory.before_answering = delete_meanwhile

    with pytest.raises(ConflictError):
        await create(parts, "t")

    assert [claim.phase for claim in claims] == [Phase.UNCONFIRMED]
    assert fakes.tokens.records == {}


async def test_a_claim_is_not_seen_by_anybody(fakes: Fakes, parts: Parts) -> None:
    token, _ = await create(parts, "t")
    fakes.tokens.records[token.id] = claim = token.unconfirmed()

    content, total = (await listed(parts)).page or ([], -1)
    assert (content, total) == ([], 0)
    with pytest.raises(UnauthorizedError):
        await validate(parts, "t")
    with pytest.raises(NotFoundError):
        await move(parts, claim, TokenStatus.REVOKED)
    with pytest.raises(NotFoundError):
        await delete(parts, claim)


async def test_a_claim_left_behind_gives_way_to_the_next_try_for_the_same_endpoint(
    fakes: Fakes, parts: Parts
) -> None:
    fakes.directory.applications["tree-2"] = APPLICATION
    token, _ = await create(parts, "t")
    fakes.tokens.records[token.id] = token.unconfirmed()

    with pytest.raises(ConflictError, match="being created"):
        await create(parts, "t", endpoint_id="tree-2")
    again, _ = await create(parts, "t")

    assert list(fakes.tokens.records) == [again.id]


async def test_a_token_is_created_although_nothing_can_be_told(fakes: Fakes, parts: Parts) -> None:
    fakes.events.away = True

    _, value = await create(parts)

    assert (await validate(parts, value)).endpoint_id == ENDPOINT


async def test_an_endpoint_has_room_for_a_thousand_tokens(fakes: Fakes, parts: Parts) -> None:
    token, _ = await create(parts)
    fakes.tokens.records.update(
        {
            f"x{number}": replace(token, id=TokenId(f"x{number}"), fingerprint=bytes([number % 256]))
            for number in range(999)
        }
    )

    with pytest.raises(ConflictError, match="1000"):
        await create(parts)


async def test_storing_twice_for_the_same_endpoint_changes_nothing(fakes: Fakes, parts: Parts) -> None:
    await store(parts, "t")
    before = dict(fakes.tokens.records)

    await store(parts, "t")

    assert fakes.tokens.records == before
    with pytest.raises(ConflictError):
        await store(parts, "t", "tree-2")
    assert fakes.directory.asked == 0


async def test_a_revoked_token_never_returns(fakes: Fakes, parts: Parts) -> None:
    token, value = await create(parts, "t")
    await move(parts, token, TokenStatus.REVOKED)

    for back in (
        store(parts, value),
        create(parts, value),
        move(parts, token, TokenStatus.ACTIVE),
        move(parts, token, TokenStatus.SUSPENDED),
    ):
        with pytest.raises(ConflictError, match=r"revoked|Revoked"):
            await back
    await delete(parts, token)
    await store(parts, value)
