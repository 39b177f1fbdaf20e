"""What credential-manager expects of the repository of SenML credentials, held by the fake and by MongoDB.

What it has in common with that of tokens (compare-and-set, the log of changes) is one piece of code in
both, and tried in test_credential_repositories; here is what is its own.
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta

import pytest

from libs.contracts.ids import EndpointId
from libs.contracts.senml import DvnUuid
from libs.contracts.tokens import TokenStatus
from libs.store import Store
from services.credential_manager.domain import Change, Phase, SenmlCredential
from services.credential_manager.mongo import MongoSenmlRepository
from services.credential_manager.ports import SenmlRepository
from tests.support.credential_manager import APPLICATION, ENDPOINT, START, InMemorySenmlRepository
from tests.support.servers import StoreServer, fresh_database

DEVICE = DvnUuid("3f0e1c52-7c3f-4a0e-9d3b-2b0c1a4f5e66")
OTHER = DvnUuid("00000000-0000-4000-8000-000000000000")


@pytest.fixture(params=["memory", "mongo"])
async def credentials(request: pytest.FixtureRequest) -> AsyncIterator[SenmlRepository]:
    if request.param == "memory":
        yield InMemorySenmlRepository()
        return
    server: StoreServer = request.getfixturevalue("server")
    store = Store.open(server.url, database=fresh_database(), app_name="contract")
    repository = MongoSenmlRepository(store)
    await repository.prepare()
    yield repository
    await store.close()


def change(number: int) -> Change:
    at = START + timedelta(minutes=number)
    return Change(attempt=f"attempt-{number}", at=at, announce_from=at + timedelta(seconds=3))


def credential(
    number: int, *, value: int | None = None, endpoint: str = ENDPOINT, device: DvnUuid = DEVICE
) -> SenmlCredential:
    made = change(number)
    return SenmlCredential(
        id=f"credential-{number}",
        revision=1,
        attempt=made.attempt,
        changed_at=made.at,
        announce_from=made.announce_from,
        application=APPLICATION,
        endpoint_id=EndpointId(endpoint),
        incarnation="first",
        fingerprint=bytes([number if value is None else value] * 32),
        status=TokenStatus.INACTIVE,
        phase=Phase.LIVE,
        created_at=made.at,
        updated_at=None,
        forget_from=None,
        dvn_uuid=device,
        sealed=b"\x00sealed\xff",
    )


def moved(before: SenmlCredential, status: TokenStatus, number: int) -> SenmlCredential:
    after = before.moved(status, change(number))
    assert after is not None
    return after


async def test_what_is_stored_is_found_again_whole(credentials: SenmlRepository) -> None:
    plain = credential(1)
    revoked = moved(credential(2), TokenStatus.REVOKED, 3)
    claim = credential(5).unconfirmed()

    for one in (plain, revoked, claim):
        assert await credentials.add(one)

    for one in (plain, revoked, claim):
        assert await credentials.find(one.id) == one
        assert await credentials.find_by_value(DEVICE, one.fingerprint) == one
    assert await credentials.find("none") is None
    assert await credentials.find_by_value(OTHER, plain.fingerprint) is None


async def test_a_value_exists_once_per_device(credentials: SenmlRepository) -> None:
    assert await credentials.add(credential(1, value=7))

    assert not await credentials.add(credential(2, value=7, endpoint="tree-2"))
    assert await credentials.add(credential(3, value=7, device=OTHER))
    assert await credentials.find("credential-2") is None


async def test_of_many_who_add_one_value_one_wins(credentials: SenmlRepository) -> None:
    added = await asyncio.gather(*(credentials.add(credential(number, value=7)) for number in range(20)))

    assert added.count(True) == 1


async def test_of_many_who_replace_one_revision_one_wins(credentials: SenmlRepository) -> None:
    before = credential(1)
    await credentials.add(before)

    afters = [moved(before, TokenStatus.ACTIVE, number) for number in range(2, 22)]
    replaced = await asyncio.gather(*(credentials.replace(before, after) for after in afters))

    assert replaced.count(True) == 1
    assert await credentials.find(before.id) == afters[replaced.index(True)]


async def test_the_secret_of_a_revoked_credential_is_gone_and_its_value_is_not(
    credentials: SenmlRepository,
) -> None:
    await credentials.add(credential(1))
    revoked = moved(credential(1), TokenStatus.REVOKED, 2)

    assert await credentials.replace(credential(1), revoked)

    assert await credentials.find("credential-1") == revoked
    assert revoked.sealed == b""
    assert not await credentials.add(credential(3, value=1))


async def test_a_deleted_credential_gives_its_value_back_and_keeps_no_secret(
    credentials: SenmlRepository,
) -> None:
    await credentials.add(credential(1))
    deleted = credential(1).deleted(change(2))

    assert await credentials.replace(credential(1), deleted)

    assert await credentials.find("credential-1") == deleted
    assert deleted.sealed == b""
    assert await credentials.add(credential(3, value=1))


async def test_endpoint_and_device_have_their_credentials_in_any_phase(credentials: SenmlRepository) -> None:
    own = [credential(1), credential(2).unconfirmed(), credential(3).deleted(change(4))]
    others = [credential(5, endpoint="tree-2"), credential(6, device=OTHER)]
    for one in (*reversed(own), *others):
        await credentials.add(one)

    of_endpoint = sorted(await credentials.of_endpoint(ENDPOINT), key=lambda one: one.id)

    assert of_endpoint == [*own, others[1]]
    assert await credentials.of_device(DEVICE) == [*own, others[0]]


async def test_changes_are_due_until_they_are_marked_and_forgotten_when_told(
    credentials: SenmlRepository,
) -> None:
    deleted = credential(1).deleted(change(1))
    await credentials.add(deleted)
    await credentials.add(replace(credential(2), announce_from=None))

    assert await credentials.unannounced(due_by=change(9).at, limit=10) == [deleted]
    assert [one.id async for one in credentials.changed_since(change(2).at)] == ["credential-2"]
    await credentials.mark_announced([deleted])

    assert await credentials.unannounced(due_by=change(9).at, limit=10) == []
    assert await credentials.forget(before=change(60).at) == 1
    assert await credentials.find("credential-1") is None
