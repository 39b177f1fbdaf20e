"""SenML credentials from their creation to their end, and what transports are told of a device."""

from dataclasses import replace
from typing import Any

import pytest
from structlog.testing import capture_logs

from libs.contracts.errors import (
    BadRequestError,
    ConflictError,
    ForbiddenError,
    GroveError,
    NotFoundError,
)
from libs.contracts.senml import DvnUuid
from libs.contracts.tokens import TokenStatus
from services.credential_manager.domain import SecretBox
from services.credential_manager.ports import Parts
from services.credential_manager.usecases.changing import new_change
from tests.support.credential_manager import APPLICATION, ENDPOINT, Fakes
from tests.unit.credential_manager.senml_calls import (
    DEVICE,
    SECRET,
    activate,
    create,
    delete,
    device,
    got,
    listed,
    move,
    secret_number,
    secrets_of,
)
from tests.unit.credential_manager.token_calls import GRAPES

OTHER = DvnUuid("00000000-0000-4000-8000-000000000000")


async def test_a_device_is_known_by_its_first_secret(fakes: Fakes, parts: Parts) -> None:
    credential = await create(parts, dvn_uuid=DEVICE.upper())

    found = await device(parts)

    assert (credential.status, credential.application, credential.dvn_uuid) == (
        TokenStatus.INACTIVE,
        APPLICATION,
        DEVICE,
    )
    assert (found.credential.endpoint_id, found.endpoint.version) == (ENDPOINT, "olives-v1")
    assert [(one.id, one.status, secret) for one, secret in found.secrets] == [
        (credential.id, TokenStatus.INACTIVE, SECRET)
    ]
    assert fakes.events.statuses() == [TokenStatus.INACTIVE]


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"endpoint_id": "no/id"}, BadRequestError),
        ({"dvn_uuid": "no uuid"}, BadRequestError),
        ({"secret": "too short"}, BadRequestError),
        ({"endpoint_id": "tree-9"}, NotFoundError),
        ({"applications": (GRAPES,)}, ForbiddenError),
    ],
    ids=["endpoint-id", "uuid", "secret", "no-endpoint", "limited"],
)
async def test_what_makes_no_sense_is_refused_and_leaves_nothing(
    fields: dict[str, Any], error: type[GroveError], fakes: Fakes, parts: Parts
) -> None:
    with pytest.raises(error) as refused:
        await create(parts, **fields)

    assert fakes.senml.records == {}
    assert "too short" not in refused.value.reason_phrase


async def test_a_device_belongs_to_one_endpoint_until_it_is_deleted(fakes: Fakes, parts: Parts) -> None:
    fakes.directory.applications["tree-2"] = APPLICATION
    first = await create(parts)
    await move(parts, first, TokenStatus.REVOKED)

    with pytest.raises(ConflictError, match="another endpoint"):
        await create(parts, secret_number(1), endpoint_id="tree-2")
    await delete(parts, first)
    await create(parts, endpoint_id="tree-2")

    assert (await device(parts)).credential.endpoint_id == "tree-2"


async def test_of_two_endpoints_that_claim_a_device_at_once_one_has_it_at_most(
    fakes: Fakes, parts: Parts
) -> None:
    fakes.directory.applications["tree-2"] = APPLICATION
    first = await create(parts)
    fakes.senml.records.clear()

    def claim_meanwhile(asked: int) -> None:
        if asked == 4:  # behind the insert
            fakes.senml.records[first.id] = first.unconfirmed()

    fakes.directory.before_answering = claim_meanwhile
    with pytest.raises(ConflictError, match="just being given"):
        await create(parts, secret_number(1), endpoint_id="tree-2")

    assert list(fakes.senml.records) == [first.id]


async def test_an_endpoint_may_have_several_devices(parts: Parts) -> None:
    await create(parts)
    await create(parts, dvn_uuid=OTHER)

    assert await secrets_of(parts, OTHER) == [SECRET]
    assert (await listed(parts))[1] == 2


async def test_two_secrets_are_valid_until_the_first_is_revoked(parts: Parts) -> None:
    old = await create(parts)
    await create(parts, secret_number(1))

    before = await secrets_of(parts)
    await move(parts, old, TokenStatus.REVOKED)

    assert before == [SECRET, secret_number(1)]
    assert await secrets_of(parts) == [secret_number(1)]


async def test_a_device_has_each_secret_once_and_a_revoked_one_never_again(
    fakes: Fakes, parts: Parts
) -> None:
    credential = await create(parts)

    with pytest.raises(ConflictError, match="already"):
        await create(parts)
    await move(parts, credential, TokenStatus.REVOKED)
    with pytest.raises(ConflictError, match="revoked"):
        await create(parts)

    assert list(fakes.senml.records) == [credential.id]


async def test_a_device_has_eight_secrets_at_most(parts: Parts) -> None:
    for number in range(8):
        await create(parts, secret_number(number))

    with pytest.raises(ConflictError, match="8 secrets"):
        await create(parts, secret_number(8))


async def test_a_claim_left_behind_gives_way_and_is_seen_by_nobody(fakes: Fakes, parts: Parts) -> None:
    credential = await create(parts)
    claim = fakes.senml.records[credential.id] = credential.unconfirmed()

    assert await listed(parts) == ([], 0)
    for ask in (
        device(parts),
        got(parts, claim),
        activate(parts, claim),
        move(parts, claim, TokenStatus.REVOKED),
        delete(parts, claim),
    ):
        with pytest.raises(NotFoundError):
            await ask
    again = await create(parts)

    assert list(fakes.senml.records) == [again.id]


async def test_an_endpoint_that_vanishes_during_the_creation_keeps_no_credential(
    fakes: Fakes, parts: Parts
) -> None:
    def vanish(asked: int) -> None:
        if asked == 2:
            fakes.directory.applications.clear()

    fakes.directory.before_answering = vanish

    with pytest.raises(NotFoundError):
        await create(parts)

    assert fakes.senml.records == {}
    assert fakes.events.published == {}


async def test_a_claim_taken_by_a_removal_is_not_confirmed(fakes: Fakes, parts: Parts) -> None:
    def remove_meanwhile(asked: int) -> None:
        if asked == 2:
            (claim,) = fakes.senml.records.values()
            fakes.senml.records[claim.id] = replace(claim, revision=claim.revision + 1)

    fakes.directory.before_answering = remove_meanwhile

    with pytest.raises(ConflictError):
        await create(parts)


async def test_a_credential_is_created_although_nothing_can_be_told(fakes: Fakes, parts: Parts) -> None:
    fakes.events.away = True

    await create(parts)

    assert await secrets_of(parts) == [SECRET]


# --- devices ----------------------------------------------------------------------------------------


async def test_an_unknown_device_is_not_found(fakes: Fakes, parts: Parts) -> None:
    await create(parts)

    with pytest.raises(NotFoundError, match="device"):
        await device(parts, OTHER)
    with pytest.raises(BadRequestError):
        await device(parts, "x")
    fakes.directory.applications.clear()
    with pytest.raises(NotFoundError, match="device"):
        await device(parts)


async def test_a_device_of_an_earlier_life_of_its_endpoint_is_not_found(fakes: Fakes, parts: Parts) -> None:
    await create(parts)
    fakes.directory.incarnations[ENDPOINT] = "second"

    with pytest.raises(NotFoundError, match="device"):
        await device(parts)


async def test_only_secrets_that_are_accepted_are_told(parts: Parts) -> None:
    suspended, revoked = await create(parts), await create(parts, secret_number(1))
    await activate(parts, suspended)
    await move(parts, suspended, TokenStatus.SUSPENDED)
    await move(parts, revoked, TokenStatus.REVOKED)

    assert await secrets_of(parts) == []
    await move(parts, suspended, TokenStatus.ACTIVE)
    assert await secrets_of(parts) == [SECRET]


async def test_the_first_use_makes_a_secret_active_and_later_ones_change_nothing(
    fakes: Fakes, parts: Parts
) -> None:
    credential = await create(parts)

    await activate(parts, credential)
    active = fakes.senml.records[credential.id]
    await activate(parts, credential)

    assert active.status is TokenStatus.ACTIVE
    assert fakes.senml.records[credential.id] == active


async def test_a_use_never_brings_back_what_operators_took_away(parts: Parts) -> None:
    suspended, revoked, deleted = [await create(parts, secret_number(number)) for number in range(3)]
    await activate(parts, suspended)
    await move(parts, suspended, TokenStatus.SUSPENDED)
    await move(parts, revoked, TokenStatus.REVOKED)
    await delete(parts, deleted)

    for one in (suspended, revoked):
        with pytest.raises(ForbiddenError):
            await activate(parts, one)
    with pytest.raises(NotFoundError):
        await activate(parts, deleted)
    with pytest.raises(NotFoundError):
        await activate(parts, suspended, OTHER)


async def test_a_revocation_that_overtakes_a_first_use_wins(fakes: Fakes, parts: Parts) -> None:
    credential = await create(parts)

    def revoke_first() -> None:
        fakes.senml.before_replacing = lambda: None
        revoked = credential.moved(TokenStatus.REVOKED, new_change(parts))
        assert revoked is not None
        fakes.senml.records[credential.id] = revoked

    fakes.senml.before_replacing = revoke_first

    with pytest.raises(ForbiddenError):
        await activate(parts, credential)


async def test_a_secret_sealed_under_another_key_is_as_good_as_none(fakes: Fakes, parts: Parts) -> None:
    credential = await create(parts)
    other = replace(fakes.parts, secrets=SecretBox("another key of the tests, long enough too"))

    with capture_logs() as logs:
        assert await secrets_of(other) == []

    assert [line["credential_id"] for line in logs] == [credential.id]
