"""A removal takes the tokens of the endpoint it is about, and of no later one that has its id."""

from dataclasses import replace

import pytest

from libs.contracts.errors import ConflictError, UnauthorizedError, UnavailableError
from libs.contracts.ids import EndpointId
from services.credential_manager.domain import Phase
from services.credential_manager.ports import Parts
from tests.support.credential_manager import APPLICATION, ENDPOINT, Fakes
from tests.unit.credential_manager.token_calls import (
    create,
    delete_endpoint_tokens,
    remove_endpoint,
    store,
    validate,
)


def begin_again(fakes: Fakes, incarnation: str | None = "second") -> None:
    """Let an endpoint of the same id be seen in its next life."""
    fakes.directory.applications[ENDPOINT] = APPLICATION
    fakes.directory.incarnations[ENDPOINT] = incarnation


async def is_accepted(parts: Parts, token: str) -> bool:
    try:
        await validate(parts, token)
    except UnauthorizedError:
        return False
    return True


async def test_a_belated_removal_spares_the_next_incarnation(fakes: Fakes, parts: Parts) -> None:
    await store(parts, "sn-1")
    await remove_endpoint(fakes, parts)
    await store(parts, "sn-1", incarnation="second")
    begin_again(fakes)
    await create(parts, "by an operator")

    await delete_endpoint_tokens(parts, "first")

    assert await is_accepted(parts, "sn-1")
    assert await is_accepted(parts, "by an operator")


async def test_a_belated_removal_spares_the_first_token_of_an_endpoint_that_nobody_sees_yet(
    fakes: Fakes, parts: Parts
) -> None:
    await store(parts, "sn-1")
    await remove_endpoint(fakes, parts)
    await store(parts, "sn-1", incarnation="second")

    await delete_endpoint_tokens(parts, "first")

    assert await is_accepted(parts, "sn-1")


async def test_a_removal_takes_the_first_token_and_those_of_operators(fakes: Fakes, parts: Parts) -> None:
    await store(parts, "sn-1")
    await create(parts, "by an operator")

    await remove_endpoint(fakes, parts)

    assert not await is_accepted(parts, "sn-1")
    assert not await is_accepted(parts, "by an operator")
    assert fakes.directory.asked == 2


@pytest.mark.parametrize(
    ("recorded", "named"),
    [
        pytest.param(None, "first", id="old record"),
        pytest.param("first", None, id="old endpoint-register"),
        pytest.param(None, None, id="both old"),
    ],
)
async def test_without_an_incarnation_it_is_decided_by_whether_an_endpoint_is_seen(
    fakes: Fakes, parts: Parts, recorded: str | None, named: str | None
) -> None:
    begin_again(fakes, recorded)
    await store(parts, "sn-1", incarnation=recorded)
    await create(parts, "by an operator")

    await delete_endpoint_tokens(parts, named)
    spared = [await is_accepted(parts, token) for token in ("sn-1", "by an operator")]
    await remove_endpoint(fakes, parts, named)

    assert spared == [True, True]
    assert not await is_accepted(parts, "sn-1")
    assert not await is_accepted(parts, "by an operator")


async def test_a_removal_that_cannot_be_decided_takes_nothing_and_is_repeated(
    fakes: Fakes, parts: Parts
) -> None:
    await store(parts, "sn-1", incarnation=None)

    def away(_: int) -> None:
        raise UnavailableError("endpoint-register is away")

    fakes.directory.before_answering = away

    with pytest.raises(UnavailableError):
        await delete_endpoint_tokens(parts)

    assert await is_accepted(parts, "sn-1")


async def test_a_token_that_came_to_another_life_while_a_removal_looked_stays(
    fakes: Fakes, parts: Parts
) -> None:
    token, _ = await create(parts, "sn-1")
    claim = fakes.tokens.records[token.id] = token.unconfirmed()
    fakes.directory.applications.clear()

    def confirm_first() -> None:
        fakes.tokens.before_replacing = lambda: None
        begin_again(fakes)
        fakes.tokens.records[token.id] = replace(token, revision=claim.revision + 1, incarnation="second")

    fakes.tokens.before_replacing = confirm_first

    await delete_endpoint_tokens(parts, "first")

    assert await is_accepted(parts, "sn-1")


async def test_a_claim_is_taken_by_the_removal_that_hid_its_endpoint(fakes: Fakes, parts: Parts) -> None:
    token, _ = await create(parts, "sn-1")
    fakes.tokens.records[token.id] = token.unconfirmed()

    await remove_endpoint(fakes, parts)

    assert fakes.tokens.records[token.id].phase is Phase.DELETED


async def test_a_token_belongs_to_the_incarnation_that_was_seen_behind_its_insert(
    fakes: Fakes, parts: Parts
) -> None:
    def begin_again_in_between(asked: int) -> None:
        if asked == 2:
            begin_again(fakes)

    fakes.directory.before_answering = begin_again_in_between
    token, _ = await create(parts, "sn-1")

    await delete_endpoint_tokens(parts, "first")

    assert (token.incarnation, await is_accepted(parts, "sn-1")) == ("second", True)


async def test_a_first_token_is_not_given_to_a_life_whose_predecessor_still_has_it(
    fakes: Fakes, parts: Parts
) -> None:
    await store(parts, "sn-1")

    with pytest.raises(ConflictError):
        await store(parts, "sn-1", incarnation="second")
    await store(parts, "sn-1", incarnation="first")
    await store(parts, "sn-1", incarnation=None)

    assert [token.incarnation for token in fakes.tokens.records.values()] == ["first"]


async def test_other_endpoints_keep_their_tokens(fakes: Fakes, parts: Parts) -> None:
    await store(parts, "sn-1", "tree-2")

    await remove_endpoint(fakes, parts)

    assert (await validate(parts, "sn-1")).endpoint_id == EndpointId("tree-2")


async def test_endless_overtaking_ends_a_removal(fakes: Fakes, parts: Parts) -> None:
    await store(parts, "sn-1")

    def overtake() -> None:
        (token,) = fakes.tokens.records.values()
        fakes.tokens.records[token.id] = replace(token, revision=token.revision + 1)

    fakes.tokens.before_replacing = overtake

    with pytest.raises(ConflictError, match="concurrent"):
        await remove_endpoint(fakes, parts)
