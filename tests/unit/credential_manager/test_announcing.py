"""No change stays untold: not when NATS is away, not when the process dies, not when it is overtaken."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace

import pytest

from libs.contracts.errors import UnavailableError
from libs.contracts.ids import TokenId
from libs.contracts.tokens import TokenStatus
from services.credential_manager.domain import Change, EndpointToken
from services.credential_manager.usecases.changing import new_change
from tests.support.credential_manager import APPLICATION, ENDPOINT, Fakes
from tests.support.waiting import eventually


@pytest.fixture
def change(fakes: Fakes) -> Change:
    return new_change(fakes.parts)


async def stored(fakes: Fakes, change: Change, number: int = 1) -> EndpointToken:
    token = EndpointToken.new(
        TokenId(f"id-{number}"),
        application=APPLICATION,
        endpoint_id=ENDPOINT,
        fingerprint=str(number).encode(),
        change=change,
    )
    assert await fakes.tokens.add(token)
    return token


@asynccontextmanager
async def running(fakes: Fakes) -> AsyncIterator[None]:
    async with asyncio.TaskGroup() as group:
        task = group.create_task(fakes.announcer.run(), name="announcing")
        yield
        task.cancel()


async def all_told(fakes: Fakes) -> bool:
    return all(token.announce_from is None for token in fakes.tokens.records.values())


async def test_what_was_told_is_not_told_again(fakes: Fakes, change: Change) -> None:
    token = await stored(fakes, change)

    await fakes.announcer.tell(token)
    await fakes.announcer.tell(fakes.tokens.records[token.id])

    assert fakes.events.attempts == ["id-1-1-status-changed"]


async def test_a_lost_mark_only_repeats_the_event(fakes: Fakes, change: Change) -> None:
    token = await stored(fakes, change)
    fakes.tokens.away = True

    await fakes.announcer.tell(token)
    fakes.tokens.away = False
    async with running(fakes):
        await eventually(lambda: all_told(fakes), what="the mark is there")

    assert list(fakes.events.published) == ["id-1-1-status-changed"]


async def test_what_a_dead_process_left_is_told_at_the_start_at_once(fakes: Fakes, change: Change) -> None:
    for number in range(100):
        await stored(fakes, change, number)

    async with running(fakes):
        await eventually(lambda: all_told(fakes), what="all are told")

    assert len(fakes.events.published) == 100


async def test_a_start_repeats_the_last_ten_minutes_and_no_more(fakes: Fakes, change: Change) -> None:
    for number in range(2):
        token = await stored(fakes, new_change(fakes.parts), number)
        await fakes.announcer.tell(token)
        fakes.clock.advance(minutes=8)
    fakes.events.attempts.clear()

    async with running(fakes):

        async def repeated() -> bool:
            return bool(fakes.events.attempts)

        await eventually(repeated, what="the last change is repeated")

    assert fakes.events.attempts == ["id-1-1-status-changed"]


async def test_events_are_repeated_until_the_stream_takes_them(fakes: Fakes, change: Change) -> None:
    fakes.events.away = True
    token = await stored(fakes, change)
    with pytest.raises(UnavailableError):
        await fakes.announcer.tell(token)
    await fakes.announcer.tell_if_possible(token)

    async with running(fakes):

        async def tried_again() -> bool:
            return len(fakes.events.attempts) >= 4

        await eventually(tried_again, what="it is tried again")
        assert fakes.events.published == {}
        fakes.events.away = False
        await eventually(lambda: all_told(fakes), what="the event is told")

    assert list(fakes.events.published) == ["id-1-1-status-changed"]


async def test_a_store_that_is_away_is_waited_for(fakes: Fakes, change: Change) -> None:
    await stored(fakes, change)
    fakes.tokens.away = True

    async with running(fakes):
        await asyncio.sleep(0.2)
        fakes.tokens.away = False
        await eventually(lambda: all_told(fakes), what="the event is told")


async def test_a_change_is_left_to_its_maker_until_it_is_due(fakes: Fakes, change: Change) -> None:
    async with running(fakes):
        await asyncio.sleep(0.02)
        token = await stored(fakes, change)
        fakes.announcer.tell_later()
        await asyncio.sleep(0.2)
        assert fakes.events.attempts == []
        fakes.clock.advance(seconds=3)
        await eventually(lambda: all_told(fakes), what="the event is told")

    assert list(fakes.events.published) == [f"{token.id}-1-status-changed"]


async def test_a_revision_that_was_overtaken_is_not_marked_for_its_successor(
    fakes: Fakes, change: Change
) -> None:
    token = await stored(fakes, change)
    revoked = token.moved(TokenStatus.REVOKED, new_change(fakes.parts))
    assert revoked is not None
    assert await fakes.tokens.replace(token, revoked)

    await fakes.announcer.tell(token)

    assert fakes.tokens.records[token.id].announce_from is not None


async def test_deleted_tokens_and_dead_claims_are_forgotten_in_time(fakes: Fakes, change: Change) -> None:
    token = await stored(fakes, change)
    fakes.tokens.records[token.id] = replace(token.deleted(change), announce_from=None)
    claim = (await stored(fakes, change, 2)).unconfirmed()
    fakes.tokens.records[claim.id] = claim

    async def forgotten(after_minutes: int) -> set[str]:
        fakes.clock.advance(minutes=after_minutes)
        fresh = Fakes(tokens=fakes.tokens, clock=fakes.clock)
        with suppress(TimeoutError):
            async with asyncio.timeout(0.1):
                await fresh.announcer.run()
        return set(fakes.tokens.records)

    assert await forgotten(0) == {token.id, claim.id}
    assert await forgotten(1) == {token.id}
    assert await forgotten(14) == set()
