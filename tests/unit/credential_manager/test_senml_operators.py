"""What operators do with the credentials of SenML devices, and what of them is never shown."""

import logging
from typing import Any

import msgspec
import pytest
from structlog.testing import capture_logs

from libs.contracts.errors import (
    BadRequestError,
    ConflictError,
    ForbiddenError,
    NotFoundError,
    PreconditionFailedError,
    UnavailableError,
)
from libs.contracts.senml import DvnUuid
from libs.contracts.tokens import TokenStatus
from services.credential_manager.domain import Phase
from services.credential_manager.ports import Parts
from tests.support.credential_manager import APPLICATION, ENDPOINT, Fakes
from tests.unit.credential_manager.senml_calls import (
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
from tests.unit.credential_manager.token_calls import GRAPES, delete_endpoint_tokens, remove_endpoint

OTHER = DvnUuid("00000000-0000-4000-8000-000000000000")


async def test_credentials_are_listed_and_read_without_their_secrets(parts: Parts) -> None:
    created = [await create(parts, secret_number(number)) for number in range(3)]
    await activate(parts, created[0])

    content, total = await listed(parts, order="ASC", limit=2)
    active, _ = await listed(parts, status=(TokenStatus.ACTIVE,))
    one, e_tag = await got(parts, created[1])

    assert ([each.id for each in content], total) == ([each.id for each in created[:2]], 3)
    assert [each.id for each in active] == [created[0].id]
    assert one is not None
    assert one.id == created[1].id
    assert await got(parts, created[1], if_none_match=e_tag) == (None, e_tag)


async def test_a_list_tells_of_no_endpoint_that_a_key_may_not_see(fakes: Fakes, parts: Parts) -> None:
    with pytest.raises(NotFoundError):
        await listed(parts, endpoint_id="tree-9")
    with pytest.raises(ForbiddenError):
        await listed(parts, applications=(GRAPES,))
    assert await listed(parts, applications=(APPLICATION,)) == ([], 0)
    await create(parts)
    with pytest.raises(ForbiddenError):
        await listed(parts, applications=(GRAPES,))
    with pytest.raises(BadRequestError):
        await listed(parts, limit=0)


@pytest.mark.parametrize("ask", [got, move, delete], ids=["get", "status", "delete"])
async def test_a_limited_key_reaches_credentials_of_its_applications_only(
    ask: Any,  # noqa: ANN401 - one of the three functions above, called with different arguments
    parts: Parts,
) -> None:
    credential = await create(parts)
    how = (TokenStatus.REVOKED,) if ask is move else ()

    with pytest.raises(NotFoundError):
        await ask(parts, credential, *how, credential_id="id-none")
    with pytest.raises(ForbiddenError, match="olives"):
        await ask(parts, credential, *how, applications=(GRAPES,))
    await ask(parts, credential, *how, applications=(APPLICATION,))


@pytest.mark.parametrize("change", [move, delete], ids=["status", "delete"])
async def test_a_condition_fails_once_the_credential_has_changed(
    change: Any,  # noqa: ANN401 - one of the two functions above, called with different arguments
    parts: Parts,
) -> None:
    credential = await create(parts)
    _, seen = await got(parts, credential)
    await activate(parts, credential)
    how = (TokenStatus.REVOKED,) if change is move else ()

    with pytest.raises(PreconditionFailedError):
        await change(parts, credential, *how, if_match=seen)
    await change(parts, credential, *how, if_match=(await got(parts, credential))[1])


async def test_states_change_as_those_of_tokens_do(fakes: Fakes, parts: Parts) -> None:
    credential = await create(parts)

    with pytest.raises(ConflictError, match=r"Inactive.*Suspended"):
        await move(parts, credential, TokenStatus.SUSPENDED)
    for status in (TokenStatus.ACTIVE, TokenStatus.SUSPENDED, TokenStatus.ACTIVE, TokenStatus.REVOKED):
        await move(parts, credential, status)
        await move(parts, credential, status)
        assert fakes.events.statuses()[-1] is status
    with pytest.raises(ConflictError, match=r"Revoked.*Active"):
        await move(parts, credential, TokenStatus.ACTIVE)

    assert fakes.events.names().count("revoked") == 2


@pytest.mark.parametrize("change", ["revoke", "delete", "delete-all"])
async def test_a_change_that_cannot_be_told_is_unavailable_until_a_repetition_has_told_it(
    change: str, fakes: Fakes, parts: Parts
) -> None:
    credential = await create(parts)
    fakes.events.away = True

    async def perform() -> None:
        if change == "revoke":
            await move(parts, credential, TokenStatus.REVOKED)
        elif change == "delete":
            await delete(parts, credential)
        else:
            await remove_endpoint(fakes, parts)

    for _ in range(2):
        with pytest.raises(UnavailableError, match="stored"):
            await perform()
    fakes.events.away = False
    await perform()

    assert "revoked" in fakes.events.names()
    assert fakes.senml.records[credential.id].announce_from is None
    assert fakes.senml.records[credential.id].sealed == b""


async def test_a_store_that_is_away_is_unavailable(fakes: Fakes, parts: Parts) -> None:
    credential = await create(parts)
    fakes.senml.away = True

    for ask in (create(parts), device(parts), activate(parts, credential), listed(parts)):
        with pytest.raises(UnavailableError):
            await ask


# --- removal of the endpoint ------------------------------------------------------------------------


async def test_a_removal_takes_the_credentials_of_its_endpoint_and_no_others(
    fakes: Fakes, parts: Parts
) -> None:
    fakes.directory.applications["tree-2"] = APPLICATION
    gone = await create(parts)
    await create(parts, endpoint_id="tree-2", dvn_uuid=OTHER)

    for _ in range(2):
        await remove_endpoint(fakes, parts)

    assert fakes.senml.records[gone.id].phase is Phase.DELETED
    with pytest.raises(NotFoundError):
        await device(parts)
    assert await secrets_of(parts, OTHER) == [SECRET]


async def test_a_belated_removal_spares_the_next_incarnation(fakes: Fakes, parts: Parts) -> None:
    await create(parts)
    await remove_endpoint(fakes, parts)
    fakes.directory.applications[ENDPOINT] = APPLICATION
    fakes.directory.incarnations[ENDPOINT] = "second"
    await create(parts)

    await delete_endpoint_tokens(parts, "first")
    await delete_endpoint_tokens(parts, None)

    assert await secrets_of(parts) == [SECRET]


async def test_a_claim_is_taken_by_the_removal_that_hid_its_endpoint(fakes: Fakes, parts: Parts) -> None:
    credential = await create(parts)
    fakes.senml.records[credential.id] = credential.unconfirmed()

    await remove_endpoint(fakes, parts)

    assert fakes.senml.records[credential.id].phase is Phase.DELETED


# --- secrets ----------------------------------------------------------------------------------------


async def test_a_secret_is_in_no_event_error_or_log(
    fakes: Fakes, parts: Parts, caplog: pytest.LogCaptureFixture
) -> None:
    errors: list[str] = []
    with capture_logs() as logs, caplog.at_level(logging.DEBUG):
        credential = await create(parts)
        for _ in range(2):
            try:
                await create(parts)
            except ConflictError as error:
                errors.append(repr(error))
            await move(parts, credential, TokenStatus.REVOKED)
        await delete(parts, credential)

    said = [msgspec.json.encode(one.event).decode() for one in fakes.events.published.values()]
    assert len(said) == 5
    assert len(errors) == 2
    assert not [text for text in (*said, *errors, repr(logs), caplog.text) if SECRET in text]
    assert SECRET not in repr(fakes.senml.records)
    assert SECRET.encode() not in b"".join(one.sealed for one in fakes.senml.records.values())


async def test_what_is_told_of_a_device_shows_no_secret(parts: Parts) -> None:
    await create(parts)

    assert SECRET not in repr(await device(parts))
