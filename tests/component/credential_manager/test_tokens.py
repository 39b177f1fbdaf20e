"""A token over the bus, from creation to deletion, with real neighbours."""

from libs.contracts.tokens import TokenStatus
from tests.component.credential_manager.world import Caller, EndpointRegister, Events, Replica


async def test_a_token_is_created_used_suspended_and_reactivated(
    service: Replica, caller: Caller, register: EndpointRegister, events: Events
) -> None:
    endpoint = register.new_endpoint()

    created = await caller.create(endpoint)

    assert created.status is TokenStatus.INACTIVE
    assert len(created.token) == 24
    assert created.token.isalnum()
    assert (await caller.validate(created.token)).endpoint_id == endpoint
    assert [token.status for token in await caller.tokens(endpoint)] == [TokenStatus.ACTIVE]
    for status, answer in (
        (TokenStatus.SUSPENDED, 403),
        (TokenStatus.ACTIVE, 200),
        (TokenStatus.REVOKED, 403),
    ):
        assert await caller.set_status(endpoint, created.endpoint_token_id, status) == 204
        assert await caller.refusal(created.token) == answer
    await events.until_told(created.endpoint_token_id, TokenStatus.REVOKED)
