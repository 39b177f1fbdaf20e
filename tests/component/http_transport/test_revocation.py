"""A token that is taken back is felt at once, whatever the cache holds and whatever NATS does meanwhile."""

import asyncio
import time

import pytest

from libs.contracts.tokens import TokenStatus
from tests.component.http_transport.conftest import StartTransport, Transport
from tests.support.owners import VERSION
from tests.support.servers import NatsServer


async def test_answers_are_remembered(transport: Transport) -> None:
    token = transport.owners.new_token()

    for _ in range(10):
        await transport.update(token)

    assert transport.owners.asked == {"version": 1, "token": 1, "epmx": 10}


async def test_production_permissions_are_enough(start: StartTransport, own_nats: NatsServer) -> None:
    transport = await start(server=own_nats)
    token = transport.owners.new_token()
    await transport.update(token)

    await transport.owners.suspend(token)

    await transport.status_becomes(token, 403)


async def test_suspending_and_reactivating_are_felt_within_a_second(transport: Transport) -> None:
    token = transport.owners.new_token()
    assert (await transport.update(token)).status == 200

    for status, felt in [(TokenStatus.SUSPENDED, 403), (TokenStatus.ACTIVE, 200)] * 3:
        await transport.owners.move(token, status)
        await transport.status_becomes(token, felt, within_s=1.0)


async def test_a_new_token_is_accepted_although_it_was_unknown_a_moment_ago(transport: Transport) -> None:
    token = transport.owners.new_token()
    holder = transport.owners.tokens.pop(("grove", token))
    assert (await transport.update(token)).status == 401

    transport.owners.tokens["grove", token] = holder
    await transport.owners.move(token, TokenStatus.INACTIVE)

    await transport.status_becomes(token, 200)


async def test_another_endpoints_revocation_asks_nothing_again(transport: Transport) -> None:
    token = transport.owners.new_token(endpoint_id="mine")
    other = transport.owners.new_token(endpoint_id="other")
    await transport.update(token)

    await transport.owners.suspend(other)
    await transport.status_becomes(other, 403)
    asked = transport.owners.asked["token"]  # for the other one once, or twice where the event came meanwhile
    await transport.update(token)

    assert transport.owners.asked["token"] == asked


async def test_a_narrowed_version_is_felt_within_a_second(transport: Transport) -> None:
    token = transport.owners.new_token()
    assert (await transport.update(token)).status == 200

    await transport.owners.configure(VERSION, ("tsx",))

    await transport.status_becomes(token, 404)


async def test_a_request_that_waited_for_its_turn_is_checked_again(transport: Transport) -> None:
    token = transport.owners.new_token()
    transport.owners.release.clear()

    async with asyncio.TaskGroup() as tasks:
        calls = [tasks.create_task(transport.update(token)) for _ in range(3)]
        await asyncio.sleep(0.2)
        await transport.owners.suspend(token)
        await asyncio.sleep(0.2)
        transport.owners.release.set()

    assert sorted(call.result().status for call in calls) == [200, 403, 403]


@pytest.mark.parametrize("tell", [False, True], ids=["nobody could tell", "told as well"])
async def test_suspended_while_nats_is_away_is_refused_by_the_first_request_after(
    start: StartTransport,
    own_nats: NatsServer,
    tell: bool,  # noqa: FBT001 - a case
) -> None:
    transport = await start(server=own_nats, owner_s=1)
    token = transport.owners.new_token()
    assert (await transport.update(token)).status == 200

    await own_nats.kill()
    endpoint_id, _ = transport.owners.tokens["grove", token]
    transport.owners.tokens["grove", token] = (endpoint_id, TokenStatus.SUSPENDED)
    during = await transport.update(token)
    await own_nats.start()
    if tell:
        await transport.owners.tell_when_possible(endpoint_id, TokenStatus.SUSPENDED)
    started = time.monotonic()
    after = [(await transport.update(token)).status for _ in range(5)]

    assert during.status in {503, 504}
    assert 200 not in after
    assert 403 in after
    assert time.monotonic() - started < 10
    assert len(transport.owners.received) == 1


async def test_requests_during_a_restart_of_nats_come_through_or_are_told_to_come_back(
    start: StartTransport, own_nats: NatsServer
) -> None:
    transport = await start(server=own_nats)
    token = transport.owners.new_token()
    await transport.update(token)
    statuses: set[int] = set()

    async def use() -> None:
        while True:
            statuses.add((await transport.update(token)).status)

    async with asyncio.TaskGroup() as tasks:
        user = tasks.create_task(use())
        await own_nats.kill()
        await asyncio.sleep(0.3)
        await own_nats.start()
        await transport.status_becomes(token, 200, within_s=10)
        user.cancel()

    assert statuses <= {200, 503, 504}


async def test_readiness_follows_nats(start: StartTransport, own_nats: NatsServer) -> None:
    transport = await start(server=own_nats)
    await transport.ready_becomes(ready=True)

    await own_nats.kill()
    await transport.ready_becomes(ready=False)
    await own_nats.start()
    await transport.ready_becomes(ready=True)
