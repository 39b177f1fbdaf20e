"""Keys of operators, and the admin key in step with its variable."""

import asyncio
from typing import Any

import pytest

from libs.contracts.api_keys import CreateApiKey, ListApiKeys, NewApiKey, Scope
from libs.contracts.errors import (
    BadRequestError,
    ConflictError,
    NotFoundError,
    UnauthorizedError,
    UnavailableError,
)
from services.credential_manager.domain import ApiKey
from services.credential_manager.ports import Parts
from services.credential_manager.usecases import api_keys
from tests.support.credential_manager import Fakes

OLD, NEW = "old admin key of the tests", "new admin key of the tests"


async def create(parts: Parts, **fields: Any) -> tuple[ApiKey, str]:  # noqa: ANN401 - fields of the Struct
    return await api_keys.create_api_key(CreateApiKey(body=NewApiKey(name="key", **fields)), parts=parts)


async def accepted(parts: Parts, value: str) -> bool:
    try:
        await api_keys.check_api_key(value, parts=parts)
    except UnauthorizedError:
        return False
    return True


async def test_a_key_says_what_it_may_do_until_it_is_revoked(fakes: Fakes, parts: Parts) -> None:
    key, value = await create(parts, scope=Scope.WRITE, applications=("olives",))

    checked = await api_keys.check_api_key(value, parts=parts)
    assert (checked.id, checked.scope, checked.applications) == (key.id, Scope.WRITE, ("olives",))
    for _ in range(2):
        await api_keys.revoke_api_key(key.id, parts=parts)

    assert not await accepted(parts, value)
    assert list(fakes.events.published) == [f"{key.id}-2-revoked"]


async def test_a_key_ends_at_its_expiry(fakes: Fakes, parts: Parts) -> None:
    _, value = await create(parts, expiry_date="2026-11-21T07:00:00+00:00")

    assert await accepted(parts, value)
    fakes.clock.advance(hours=1)
    assert not await accepted(parts, value)


async def test_unknown_and_revoked_keys_are_refused_in_the_same_words(fakes: Fakes, parts: Parts) -> None:
    key, value = await create(parts)
    await api_keys.revoke_api_key(key.id, parts=parts)
    phrases = set()

    for refused in (value, "unknown", ""):
        with pytest.raises(UnauthorizedError) as error:
            await api_keys.check_api_key(refused, parts=parts)
        phrases.add(error.value.reason_phrase)

    assert len(phrases) == 1


async def test_a_key_that_makes_no_sense_is_refused(fakes: Fakes, parts: Parts) -> None:
    for fields in ({"applications": ()}, {"expiry_date": "2020-01-01T00:00:00Z"}):
        with pytest.raises(BadRequestError):
            await create(parts, **fields)
    with pytest.raises(NotFoundError):
        await api_keys.revoke_api_key("none", parts=parts)
    with pytest.raises(BadRequestError):
        await api_keys.list_api_keys(ListApiKeys(limit=1001), parts=parts)


async def test_keys_are_listed_newest_first(fakes: Fakes, parts: Parts) -> None:
    ids = []
    for _ in range(3):
        ids.append((await create(parts))[0].id)
        fakes.clock.advance(seconds=1)

    content, total = await api_keys.list_api_keys(ListApiKeys(offset=1, limit=2), parts=parts)

    assert ([key.id for key in content], total) == ([ids[1], ids[0]], 3)


async def test_a_revocation_that_cannot_be_told_is_unavailable_until_a_repetition_has_told_it(
    fakes: Fakes, parts: Parts
) -> None:
    key, value = await create(parts)
    fakes.events.away = True

    with pytest.raises(UnavailableError):
        await api_keys.revoke_api_key(key.id, parts=parts)
    assert not await accepted(parts, value)
    fakes.events.away = False
    await api_keys.revoke_api_key(key.id, parts=parts)

    assert fakes.events.names() == ["revoked"]


async def test_the_admin_key_is_seeded_once_and_unlimited(fakes: Fakes, parts: Parts) -> None:
    first = await api_keys.seed_admin_key(OLD, parts=parts)
    second = await api_keys.seed_admin_key(OLD, parts=parts)

    checked = await api_keys.check_api_key(OLD, parts=parts)
    assert (checked.name, checked.scope, checked.applications) == ("admin", Scope.ADMIN, None)
    assert first == second == checked
    with pytest.raises(ConflictError, match="GROVE_ADMIN_KEY"):
        await api_keys.revoke_api_key(checked.id, parts=parts)


async def test_another_admin_key_revokes_the_former_one_and_rolling_back_reinstates_it(
    fakes: Fakes, parts: Parts
) -> None:
    former = await api_keys.seed_admin_key(OLD, parts=parts)
    await api_keys.seed_admin_key(NEW, parts=parts)

    assert (await accepted(parts, OLD), await accepted(parts, NEW)) == (False, True)
    assert fakes.api_keys.records[former.id].announce_from == fakes.clock.now()
    await api_keys.revoke_api_key(former.id, parts=parts)

    await api_keys.seed_admin_key(OLD, parts=parts)
    assert (await accepted(parts, OLD), await accepted(parts, NEW)) == (True, False)


async def test_replicas_that_start_together_agree_on_one_admin_key(fakes: Fakes, parts: Parts) -> None:
    keys = await asyncio.gather(*(api_keys.seed_admin_key(OLD, parts=parts) for _ in range(5)))

    assert len({key.id for key in keys}) == 1
    assert await accepted(parts, OLD)


async def test_the_value_of_another_key_cannot_become_the_admin_key(fakes: Fakes, parts: Parts) -> None:
    _, value = await create(parts)

    with pytest.raises(ConflictError, match="GROVE_ADMIN_KEY") as error:
        await api_keys.seed_admin_key(value, parts=parts)

    assert value not in error.value.reason_phrase
