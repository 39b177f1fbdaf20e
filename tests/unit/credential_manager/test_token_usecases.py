"""What operators, devices and endpoint-register can do to tokens, and what each may not."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from libs.contracts.errors import (
    BadRequestError,
    ConflictError,
    ForbiddenError,
    GroveError,
    NotFoundError,
    PreconditionFailedError,
    UnauthorizedError,
    UnavailableError,
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
    remove_endpoint,
    store,
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


async def test_a_suspension_that_overtakes_the_first_use_wins(fakes: Fakes, parts: Parts) -> None:
    token, value = await create(parts)

    def revoke_meanwhile() -> None:
        fakes.tokens.before_replacing = lambda: None
        current = fakes.tokens.records[token.id]
        fakes.tokens.records[token.id] = replace(
            current, status=TokenStatus.REVOKED, revision=current.revision + 1, attempt="somebody else"
        )

    fakes.tokens.before_replacing = revoke_meanwhile

    with pytest.raises(ForbiddenError, match="revoked"):
        await validate(parts, value)


# --- creating -------------------------------------------------------------------------------------


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


# --- storing --------------------------------------------------------------------------------------


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


# --- changing -------------------------------------------------------------------------------------


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


# --- listing --------------------------------------------------------------------------------------


async def test_a_list_is_not_repeated_while_nothing_changes(fakes: Fakes, parts: Parts) -> None:
    _, value = await create(parts)
    first = await listed(parts)

    assert first.page is not None
    assert first.page[1] == 1
    assert (await listed(parts, if_none_match=first.e_tag)).page is None
    await validate(parts, value)
    assert (await listed(parts, if_none_match=first.e_tag)).page is not None


async def test_the_list_of_an_endpoint_without_tokens_depends_on_the_endpoint(
    fakes: Fakes, parts: Parts
) -> None:
    assert (await listed(parts)).page == ([], 0)
    with pytest.raises(ForbiddenError):
        await listed(parts, applications=(GRAPES,))
    fakes.directory.applications.clear()
    with pytest.raises(NotFoundError):
        await listed(parts)


async def test_a_list_keeps_to_the_limits_of_the_key(fakes: Fakes, parts: Parts) -> None:
    await create(parts)

    assert (await listed(parts, applications=(APPLICATION,))).page is not None
    with pytest.raises(ForbiddenError, match="olives"):
        await listed(parts, applications=(GRAPES,))
    with pytest.raises(BadRequestError):
        await listed(parts, limit=0)
