"""How tokens change state and end, and what callers may rely on."""

from dataclasses import replace
from typing import Any

import pytest

from libs.contracts.errors import (
    ConflictError,
    ForbiddenError,
    NotFoundError,
    PreconditionFailedError,
    UnauthorizedError,
    UnavailableError,
)
from libs.contracts.tokens import TokenStatus
from services.credential_manager.ports import Parts
from tests.support.credential_manager import APPLICATION, Fakes
from tests.unit.credential_manager.token_calls import (
    GRAPES,
    create,
    delete,
    listed,
    move,
    remove_endpoint,
    validate,
)

# --- validating -----------------------------------------------------------------------------------


async def test_the_same_state_again_changes_nothing(fakes: Fakes, parts: Parts) -> None:
    token, _ = await create(parts)
    before = dict(fakes.tokens.records)

    await move(parts, token, TokenStatus.INACTIVE)

    assert fakes.tokens.records == before
    with pytest.raises(ConflictError, match=r"Inactive.*Suspended"):
        await move(parts, token, TokenStatus.SUSPENDED)


@pytest.mark.parametrize("change", [move, delete], ids=["status", "delete"])
async def test_a_token_is_found_only_at_its_endpoint_and_within_the_limits(
    change: Any,  # noqa: ANN401 - one of the two functions above, called with different arguments
    fakes: Fakes,
    parts: Parts,
) -> None:
    token, _ = await create(parts)
    how = (TokenStatus.REVOKED,) if change is move else ()

    for fields in ({"endpoint_id": "tree-2"}, {"token_id": "id-none"}):
        with pytest.raises(NotFoundError):
            await change(parts, token, *how, **fields)
    with pytest.raises(ForbiddenError, match="olives"):
        await change(parts, token, *how, applications=(GRAPES,))

    await change(parts, token, *how, applications=(APPLICATION,))


@pytest.mark.parametrize("change", [move, delete], ids=["status", "delete"])
async def test_a_condition_fails_once_any_token_of_the_endpoint_has_changed(
    change: Any,  # noqa: ANN401 - one of the two functions above, called with different arguments
    fakes: Fakes,
    parts: Parts,
) -> None:
    token, _ = await create(parts)
    how = (TokenStatus.REVOKED,) if change is move else ()
    seen = (await listed(parts)).e_tag
    await create(parts)

    with pytest.raises(PreconditionFailedError):
        await change(parts, token, *how, if_match=seen)
    await change(parts, token, *how, if_match=(await listed(parts)).e_tag)


async def test_a_change_is_told_before_it_is_confirmed(fakes: Fakes, parts: Parts) -> None:
    token, value = await create(parts)
    await validate(parts, value)

    for status in (TokenStatus.SUSPENDED, TokenStatus.ACTIVE, TokenStatus.REVOKED):
        await move(parts, token, status)
        assert fakes.events.statuses()[-1] is status
    await delete(parts, token)

    assert fakes.events.statuses()[-1] is None
    assert fakes.events.names().count("revoked") == 3


@pytest.mark.parametrize("change", ["suspend", "delete", "delete-all"])
async def test_a_change_that_cannot_be_told_is_unavailable_until_a_repetition_has_told_it(
    change: str, fakes: Fakes, parts: Parts
) -> None:
    token, value = await create(parts)
    await validate(parts, value)
    fakes.events.away = True

    async def perform() -> None:
        if change == "suspend":
            await move(parts, token, TokenStatus.SUSPENDED)
        elif change == "delete":
            await delete(parts, token)
        else:
            await remove_endpoint(fakes, parts)

    for _ in range(2):
        with pytest.raises(UnavailableError, match="stored"):
            await perform()
        with pytest.raises((ForbiddenError, UnauthorizedError)):
            await validate(parts, value)
    fakes.events.away = False
    await perform()

    assert "revoked" in fakes.events.names()
    assert fakes.tokens.records[token.id].announce_from is None


async def test_a_deletion_that_was_told_cannot_be_repeated(fakes: Fakes, parts: Parts) -> None:
    token, _ = await create(parts)
    await delete(parts, token)

    with pytest.raises(NotFoundError):
        await delete(parts, token)


async def test_deleting_all_tokens_of_an_endpoint_can_be_repeated_and_spares_others(
    fakes: Fakes, parts: Parts
) -> None:
    fakes.directory.applications["tree-2"] = APPLICATION
    _, other = await create(parts, endpoint_id="tree-2")
    values = [(await create(parts))[1] for _ in range(3)]
    left, _ = await create(parts, "claim")
    fakes.tokens.records[left.id] = left.unconfirmed()

    for _ in range(2):
        await remove_endpoint(fakes, parts)

    for value in (*values, "claim"):
        with pytest.raises(UnauthorizedError):
            await validate(parts, value)
    assert (await validate(parts, other)).endpoint_id == "tree-2"


async def test_a_store_that_is_away_is_unavailable(fakes: Fakes, parts: Parts) -> None:
    token, value = await create(parts)
    fakes.tokens.away = True

    for attempt in (create(parts), validate(parts, value), move(parts, token, TokenStatus.REVOKED)):
        with pytest.raises(UnavailableError):
            await attempt


async def test_endless_overtaking_ends_in_a_conflict(fakes: Fakes, parts: Parts) -> None:
    token, _ = await create(parts)

    def overtake() -> None:
        current = fakes.tokens.records[token.id]
        fakes.tokens.records[token.id] = replace(current, revision=current.revision + 1)

    fakes.tokens.before_replacing = overtake

    with pytest.raises(ConflictError, match="concurrent"):
        await move(parts, token, TokenStatus.REVOKED)
