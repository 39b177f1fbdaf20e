"""A token over the bus, from creation to deletion, with real neighbours and a second replica."""

import asyncio
from collections import Counter

import pytest

from libs.contracts.credentials import (
    DELETE_ENDPOINT_TOKENS,
    DELETE_TOKEN,
    LIST_TOKENS,
    DeleteEndpointTokens,
    DeleteToken,
    ListTokens,
)
from libs.contracts.errors import ConflictError, GroveError, NotFoundError, PreconditionFailedError
from libs.contracts.tokens import TokenStatus
from tests.component.credential_manager.world import (
    APPLICATION,
    Caller,
    EndpointRegister,
    Events,
    Replica,
    running_replica,
)
from tests.support.servers import NatsServer, StoreServer


async def test_a_token_is_created_used_suspended_reactivated_and_revoked(
    service: Replica, caller: Caller, register: EndpointRegister, events: Events
) -> None:
    endpoint = register.new_endpoint()

    created = await caller.create(endpoint)

    assert (created.status, created.application_name) == (TokenStatus.INACTIVE, APPLICATION)
    assert len(created.token) == 24
    assert created.token.isalnum()
    validated = await caller.validate(created.token)
    assert (validated.endpoint_id, validated.token_id) == (endpoint, created.endpoint_token_id)
    assert [token.status for token in await caller.tokens(endpoint)] == [TokenStatus.ACTIVE]
    for status, answer in (
        (TokenStatus.SUSPENDED, 403),
        (TokenStatus.ACTIVE, 200),
        (TokenStatus.REVOKED, 403),
    ):
        assert await caller.set_status(endpoint, created.endpoint_token_id, status) == 204
        assert await caller.answer(created.token) == answer
    await events.until_told(created.endpoint_token_id, TokenStatus.REVOKED)
    with pytest.raises(ConflictError):
        await caller.store(endpoint, created.token)


async def test_a_rotation_keeps_two_tokens_until_the_old_one_is_deleted(
    service: Replica, caller: Caller, register: EndpointRegister, events: Events
) -> None:
    endpoint = register.new_endpoint()
    serial = f"serial of {endpoint}"
    await caller.store(endpoint, serial)
    old = (await caller.tokens(endpoint))[0]
    successor = await caller.create(endpoint)

    assert [await caller.answer(token) for token in (serial, successor.token)] == [200, 200]
    delete = DeleteToken(endpoint_id=endpoint, token_id=old.endpoint_token_id)
    assert (await caller.ask(DELETE_TOKEN, delete)).status_code == 204

    assert await caller.answer(serial) == 401
    assert await caller.answer(successor.token) == 200
    await events.until_told(old.endpoint_token_id, None)
    with pytest.raises(NotFoundError):
        await caller.ask(DELETE_TOKEN, delete)


async def test_a_list_is_conditional_and_so_are_changes(
    service: Replica, caller: Caller, register: EndpointRegister
) -> None:
    endpoint = register.new_endpoint()
    created = await caller.create(endpoint)
    listed = await caller.ask(LIST_TOKENS, ListTokens(endpoint_id=endpoint))

    again = await caller.ask(LIST_TOKENS, ListTokens(endpoint_id=endpoint, if_none_match=listed.e_tag))
    await caller.validate(created.token)
    token_id = created.endpoint_token_id
    outdated = DeleteToken(endpoint_id=endpoint, token_id=token_id, if_match=listed.e_tag)

    assert (again.status_code, again.body, again.e_tag) == (304, None, listed.e_tag)
    with pytest.raises(PreconditionFailedError):
        await caller.ask(DELETE_TOKEN, outdated)


async def test_an_endpoint_that_goes_during_the_creation_keeps_no_token(
    service: Replica, caller: Caller, register: EndpointRegister
) -> None:
    endpoint = register.new_endpoint()
    register.vanish_after = 1

    with pytest.raises(NotFoundError):
        await caller.create(endpoint, f"token of {endpoint}")

    register.vanish_after = None
    assert await caller.tokens(endpoint) == []
    assert await caller.answer(f"token of {endpoint}") == 401


async def test_deleting_the_tokens_of_an_endpoint_can_be_repeated(
    service: Replica, caller: Caller, register: EndpointRegister, events: Events
) -> None:
    endpoint = register.new_endpoint()
    created = [await caller.create(endpoint) for _ in range(3)]
    del register.applications[endpoint]  # hidden, as it is before its tokens are deleted

    for _ in range(2):
        request = DeleteEndpointTokens(endpoint_id=endpoint)
        assert (await caller.ask(DELETE_ENDPOINT_TOKENS, request)).status_code == 204

    for token in created:
        assert await caller.answer(token.token) == 401
        await events.until_told(token.endpoint_token_id, None)


async def test_concurrent_first_uses_on_two_replicas_all_succeed(
    service: Replica,
    nats: NatsServer,
    store: StoreServer,
    caller: Caller,
    register: EndpointRegister,
    events: Events,
) -> None:
    created = await caller.create(register.new_endpoint())

    async with running_replica(nats, store):
        answers = await asyncio.gather(*(caller.answer(created.token) for _ in range(100)))
        await events.until_told(created.endpoint_token_id, TokenStatus.ACTIVE)

    assert Counter(answers) == {200: 100}
    assert events.statuses(created.endpoint_token_id) == [TokenStatus.INACTIVE, TokenStatus.ACTIVE]


async def test_of_many_who_create_one_value_on_two_replicas_one_wins(
    service: Replica, nats: NatsServer, store: StoreServer, caller: Caller, register: EndpointRegister
) -> None:
    one, other = register.new_endpoint(), register.new_endpoint()

    async def create(endpoint: str) -> int:
        try:
            await caller.create(endpoint, f"wanted by {one}")
        except GroveError as error:
            return error.status_code
        return 201

    async with running_replica(nats, store):
        for endpoints in ((one, one), (one, other)):
            outcomes = Counter(await asyncio.gather(*(create(endpoint) for endpoint in endpoints * 10)))
            if endpoints == (one, one):
                assert outcomes == {201: 1, 409: 19}
    tokens = [*await caller.tokens(one), *await caller.tokens(other)]

    assert len(tokens) == 1
    assert (await caller.validate(f"wanted by {one}")).endpoint_id == one
