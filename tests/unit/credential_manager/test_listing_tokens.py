"""Lists of tokens and the entity tags by which they are recognised."""

import pytest

from libs.contracts.errors import (
    BadRequestError,
    ForbiddenError,
    NotFoundError,
)
from services.credential_manager.ports import Parts
from tests.support.credential_manager import APPLICATION, Fakes
from tests.unit.credential_manager.token_calls import (
    GRAPES,
    create,
    listed,
    validate,
)

# --- validating -----------------------------------------------------------------------------------


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
