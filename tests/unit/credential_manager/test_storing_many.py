"""First tokens of many endpoints in one request: each as if it were stored alone."""

import pytest

from libs.contracts.credentials import FirstToken, StoreTokens
from libs.contracts.errors import BadRequestError, GroveError
from libs.contracts.tokens import TokenStatus
from services.credential_manager.ports import Parts
from services.credential_manager.usecases.tokens import store_tokens
from tests.support.credential_manager import APPLICATION, ENDPOINT, Fakes
from tests.unit.credential_manager.token_calls import validate


def many(*tokens: FirstToken, application: str = APPLICATION) -> StoreTokens:
    return StoreTokens(application_name=application, tokens=tokens)


async def test_each_token_is_stored_or_refused_for_itself(fakes: Fakes, parts: Parts) -> None:
    first = FirstToken(ENDPOINT, "one", "life-1")
    await store_tokens(many(first), parts=parts)

    outcomes = await store_tokens(
        many(
            first,
            FirstToken("tree-2", "one", "life-2"),
            FirstToken("tree-3", "a/b", "life-3"),
            FirstToken("no/id", "two", "life-4"),
            FirstToken("tree-5", "three", "life-5"),
            FirstToken("tree-6", "three", "life-6"),
        ),
        parts=parts,
    )

    said = [each.status_code if isinstance(each, GroveError) else None for each in outcomes]
    assert said == [None, 409, 400, 400, None, 409]
    assert {each.endpoint_id: each.incarnation for each in fakes.tokens.records.values()} == {
        ENDPOINT: "life-1",
        "tree-5": "life-5",
    }
    assert {each.status for each in fakes.tokens.records.values()} == {TokenStatus.INACTIVE}
    assert (await validate(parts, "one")).endpoint_id == ENDPOINT


@pytest.mark.parametrize(
    "cmd",
    [
        pytest.param(many(*[FirstToken(ENDPOINT, "t", "l")] * 51), id="too many"),
        pytest.param(many(FirstToken(ENDPOINT, "t", "l"), application="No Name"), id="no application"),
    ],
)
async def test_what_is_wrong_with_all_of_them_is_one_error(
    fakes: Fakes, parts: Parts, cmd: StoreTokens
) -> None:
    with pytest.raises(BadRequestError):
        await store_tokens(cmd, parts=parts)

    assert not fakes.tokens.records
