"""What credential-manager expects of its repositories, held by the fake of the unit tests and by MongoDB."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from typing import TypeAlias

import pytest

from libs.contracts.api_keys import Scope
from libs.contracts.ids import ApiKeyId, ApplicationName, EndpointId, TokenId
from libs.contracts.tokens import TokenStatus
from libs.store import Store
from services.credential_manager.domain import ApiKey, Change, EndpointToken
from services.credential_manager.mongo import MongoApiKeyRepository, MongoTokenRepository
from services.credential_manager.ports import ApiKeyRepository, TokenRepository
from tests.support.credential_manager import (
    APPLICATION,
    ENDPOINT,
    START,
    InMemoryApiKeyRepository,
    InMemoryTokenRepository,
)
from tests.support.servers import StoreServer, fresh_database

Repositories: TypeAlias = tuple[TokenRepository, ApiKeyRepository]


@pytest.fixture(params=["memory", "mongo"])
async def repositories(request: pytest.FixtureRequest) -> AsyncIterator[Repositories]:
    if request.param == "memory":
        yield InMemoryTokenRepository(), InMemoryApiKeyRepository()
        return
    server: StoreServer = request.getfixturevalue("server")
    store = Store.open(server.url, database=fresh_database(), app_name="contract")
    tokens, api_keys = MongoTokenRepository(store), MongoApiKeyRepository(store)
    await tokens.prepare()
    await api_keys.prepare()
    yield tokens, api_keys
    await store.close()


@pytest.fixture
def tokens(repositories: Repositories) -> TokenRepository:
    return repositories[0]


@pytest.fixture
def api_keys(repositories: Repositories) -> ApiKeyRepository:
    return repositories[1]


def change(number: int) -> Change:
    at = START + timedelta(minutes=number)
    return Change(attempt=f"attempt-{number}", at=at, announce_from=at + timedelta(seconds=3))


def token(
    number: int, *, value: int | None = None, endpoint: str = ENDPOINT, application: str = APPLICATION
) -> EndpointToken:
    return EndpointToken.new(
        TokenId(f"token-{number}"),
        application=ApplicationName(application),
        endpoint_id=EndpointId(endpoint),
        fingerprint=bytes([number if value is None else value] * 32),
        change=change(number),
    )


def api_key(number: int, *, seeded: bool = False) -> ApiKey:
    key = ApiKey.seed(ApiKeyId(f"key-{number}"), fingerprint=bytes([number] * 32), change=change(number))
    return replace(key, seeded=seeded)


def moved(before: EndpointToken, status: TokenStatus, number: int) -> EndpointToken:
    after = before.moved(status, change(number))
    assert after is not None
    return after


async def test_what_is_stored_is_found_again_whole(tokens: TokenRepository) -> None:
    plain = replace(token(1), incarnation="first")
    deleted = moved(token(2), TokenStatus.ACTIVE, 3).deleted(change(4))
    claim = token(5).unconfirmed()

    for one in (plain, deleted, claim):
        assert await tokens.add(one)

    for one in (plain, deleted, claim):
        assert await tokens.find(one.id) == one
        assert await tokens.find_by_value(one.application, one.fingerprint) == one
    assert await tokens.find(TokenId("none")) is None
    assert await tokens.find_by_value(APPLICATION, token(2).fingerprint) is None


async def test_many_values_are_found_at_once_each_in_its_application(tokens: TokenRepository) -> None:
    stored = [token(1), token(2), token(3, value=2, application="grapes"), token(4)]
    for one in stored:
        assert await tokens.add(one)
    asked = [token(number).fingerprint for number in (2, 1, 9)]

    found = await tokens.find_by_values(APPLICATION, asked)

    assert sorted(each.id for each in found) == ["token-1", "token-2"]
    assert await tokens.find_by_values(APPLICATION, []) == []


async def test_a_value_exists_once_per_application(tokens: TokenRepository) -> None:
    assert await tokens.add(token(1, value=7))

    assert not await tokens.add(token(2, value=7, endpoint="tree-2"))
    assert await tokens.add(token(3, value=7, application="grapes"))
    assert await tokens.find(TokenId("token-2")) is None


async def test_adding_the_same_record_again_is_recognised_as_ours(tokens: TokenRepository) -> None:
    assert await tokens.add(token(1))
    assert await tokens.replace(token(1), moved(token(1), TokenStatus.ACTIVE, 2))

    assert await tokens.add(token(1))
    found = await tokens.find(TokenId("token-1"))
    assert found is not None
    assert found.status is TokenStatus.ACTIVE


async def test_of_many_who_add_one_value_one_wins(tokens: TokenRepository) -> None:
    added = await asyncio.gather(*(tokens.add(token(number, value=7)) for number in range(20)))

    assert added.count(True) == 1


async def test_of_many_who_replace_one_revision_one_wins(tokens: TokenRepository) -> None:
    before = token(1)
    await tokens.add(before)

    afters = [moved(before, TokenStatus.ACTIVE, number) for number in range(2, 22)]
    replaced = await asyncio.gather(*(tokens.replace(before, after) for after in afters))

    assert replaced.count(True) == 1
    assert await tokens.find(before.id) == afters[replaced.index(True)]


async def test_replacing_again_is_recognised_as_ours_but_not_behind_somebody_else(
    tokens: TokenRepository,
) -> None:
    before = token(1)
    after = moved(before, TokenStatus.ACTIVE, 2)
    await tokens.add(before)
    assert await tokens.replace(before, after)

    assert await tokens.replace(before, after)
    assert await tokens.replace(after, moved(after, TokenStatus.SUSPENDED, 3))
    assert not await tokens.replace(before, after)
    assert not await tokens.replace(token(9), moved(token(9), TokenStatus.ACTIVE, 9))


async def test_fields_that_end_are_gone(tokens: TokenRepository) -> None:
    claim = token(1).unconfirmed()
    await tokens.add(claim)

    assert await tokens.replace(claim, claim.confirmed(change(2), incarnation="first"))

    assert await tokens.find(claim.id) == claim.confirmed(change(2), incarnation="first")
    assert await tokens.forget(before=change(99).at) == 0


async def test_a_deleted_token_gives_its_value_back(tokens: TokenRepository) -> None:
    await tokens.add(token(1))

    assert await tokens.replace(token(1), token(1).deleted(change(2)))

    assert await tokens.add(token(3, value=1))


async def test_only_the_current_revision_is_discarded(tokens: TokenRepository) -> None:
    claim = token(1).unconfirmed()
    await tokens.add(claim)
    await tokens.replace(claim, claim.confirmed(change(2), incarnation="first"))

    await tokens.discard(claim)
    assert await tokens.find(claim.id) is not None
    await tokens.discard(claim.confirmed(change(2), incarnation="first"))
    assert await tokens.find(claim.id) is None
    await tokens.discard(claim)


async def test_an_endpoint_has_its_tokens_in_any_phase(tokens: TokenRepository) -> None:
    own = [token(1), token(2).unconfirmed(), token(3).deleted(change(4))]
    for one in (*own, token(5, endpoint="tree-2")):
        await tokens.add(one)

    assert sorted(await tokens.of_endpoint(ENDPOINT), key=lambda one: one.id) == own


async def test_due_changes_are_listed_oldest_first_until_they_are_marked(tokens: TokenRepository) -> None:
    for number in (3, 1, 2, 4):
        await tokens.add(token(number))
    await tokens.add(token(5).unconfirmed())
    due_by = change(3).announce_from

    assert await tokens.unannounced(due_by=due_by, limit=10) == [token(1), token(2), token(3)]
    assert await tokens.unannounced(due_by=due_by, limit=1) == [token(1)]
    await tokens.mark_announced([token(1)])
    assert await tokens.unannounced(due_by=due_by, limit=1) == [token(2)]


async def test_many_are_marked_at_once_whatever_their_revisions(tokens: TokenRepository) -> None:
    stored = [token(1), token(2), moved(token(3), TokenStatus.ACTIVE, 4), token(5)]
    for one in (token(1), token(2), token(3), token(5)):
        await tokens.add(one)
    await tokens.replace(token(3), stored[2])
    newer = moved(token(5), TokenStatus.ACTIVE, 6)
    await tokens.replace(token(5), newer)

    await tokens.mark_announced(stored)
    await tokens.mark_announced([])

    assert await tokens.unannounced(due_by=change(9).at, limit=10) == [newer]


async def test_many_are_activated_at_once_but_for_those_that_changed(tokens: TokenRepository) -> None:
    used = [token(number) for number in range(1, 5)]
    for one in used:
        await tokens.add(one)
    revoked = moved(token(1), TokenStatus.REVOKED, 5)
    await tokens.replace(token(1), revoked)
    claim = token(6).unconfirmed()
    await tokens.add(claim)
    confirmed = claim.confirmed(change(7), incarnation=None)
    await tokens.replace(claim, confirmed)

    active = await tokens.activate([*used, confirmed], change(8))
    again = await tokens.activate([*used, confirmed], change(8))
    others = await tokens.activate([*used, confirmed], change(9))

    assert active == {"token-2", "token-3", "token-4", "token-6"}
    assert (again, others) == (active, set()), "the same write sent again is ours, another is not"
    assert await tokens.find(token(1).id) == revoked
    for before in (*used[1:], confirmed):
        assert await tokens.find(before.id) == before.moved(TokenStatus.ACTIVE, change(8))


async def test_a_mark_does_not_hide_a_newer_revision(tokens: TokenRepository) -> None:
    await tokens.add(token(1))
    after = moved(token(1), TokenStatus.REVOKED, 2)
    await tokens.replace(token(1), after)

    await tokens.mark_announced([token(1)])

    assert await tokens.unannounced(due_by=change(9).at, limit=10) == [after]


async def test_changes_since_an_instant_are_listed_oldest_first(tokens: TokenRepository) -> None:
    for number in (1, 2, 3):
        await tokens.add(token(number))
    after = moved(token(1), TokenStatus.ACTIVE, 4)
    await tokens.replace(token(1), after)

    assert [one async for one in tokens.changed_since(change(3).at)] == [token(3), after]


async def test_many_changes_are_listed_to_the_last(tokens: TokenRepository) -> None:
    for number in range(200):
        await tokens.add(token(number))

    assert [one async for one in tokens.changed_since(START)] == [token(number) for number in range(200)]


async def test_only_what_is_told_and_due_is_forgotten(tokens: TokenRepository) -> None:
    untold, told = token(1).deleted(change(1)), token(2).deleted(change(2))
    await tokens.add(untold)
    await tokens.add(told)
    await tokens.add(token(3))
    await tokens.mark_announced([told])

    assert await tokens.forget(before=change(2).at) == 0
    assert await tokens.forget(before=change(60).at) == 1
    assert await tokens.find(told.id) is None
    assert await tokens.find(untold.id) == untold


async def test_keys_are_found_by_id_and_value_whole(api_keys: ApiKeyRepository) -> None:
    limited = replace(
        api_key(1), applications=("olives",), scope=Scope.READ, expires_at=change(9).at, name="büro"
    )

    assert await api_keys.add(limited)

    assert await api_keys.find(limited.id) == limited
    assert await api_keys.find_by_value(limited.fingerprint) == limited
    assert await api_keys.find(ApiKeyId("none")) is None
    assert not await api_keys.add(replace(limited, id=ApiKeyId("key-2")))


async def test_a_revocation_is_due_until_it_is_marked(api_keys: ApiKeyRepository) -> None:
    key = api_key(1)
    await api_keys.add(key)
    assert await api_keys.unannounced(due_by=change(99).at, limit=10) == []
    revoked = key.with_revocation(change(2))

    assert await api_keys.replace(key, revoked)

    assert await api_keys.unannounced(due_by=change(99).at, limit=10) == [revoked]
    await api_keys.mark_announced([revoked])
    assert await api_keys.unannounced(due_by=change(99).at, limit=10) == []
    assert await api_keys.forget(before=change(99).at) == 0


async def test_seeded_keys_are_known_and_pages_are_newest_first(api_keys: ApiKeyRepository) -> None:
    keys = [api_key(number, seeded=number == 2) for number in (1, 2, 3)]
    for key in keys:
        await api_keys.add(key)

    assert await api_keys.seeded() == [keys[1]]
    assert await api_keys.page(offset=0, limit=2) == ([keys[2], keys[1]], 3)
    assert await api_keys.page(offset=2, limit=2) == ([keys[0]], 3)


async def test_many_are_stored_together_and_those_that_are_not_are_told(tokens: TokenRepository) -> None:
    await tokens.add(token(0))
    again = replace(token(0), id=TokenId("another"))

    stored = await tokens.add_many([token(1), token(2)])
    some = await tokens.add_many([again, token(3)])

    assert stored == {"token-1", "token-2"}
    assert [await tokens.find(name) for name in ("token-1", "token-2")] == [token(1), token(2)]
    assert some <= {"token-3"}  # the embedded store leaves the others out as well
    assert (await tokens.find("token-3") is not None) == bool(some)
    assert await tokens.find("another") is None
