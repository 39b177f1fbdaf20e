"""An answer reaches the connection that asked and no other, restarts included (delivery rule 1)."""

import asyncio
from collections import Counter

import aiohttp
import pytest

from tests.support.rest import Operator, Twin
from tests.support.stack import Stack

_HONEST = {200, 503, 504, "no connection"}


async def _ask(twin: Twin) -> tuple[int | str, str | None]:
    """Return the status, and whose metadata came back."""
    try:
        answer = await twin.get()
    except (aiohttp.ClientConnectionError, aiohttp.ClientPayloadError):
        return "no connection", None
    return answer.status, answer.body.get("owner")


async def _ask_until(stop: asyncio.Event, twin: Twin) -> list[tuple[int | str, str | None]]:
    answers = []
    while not stop.is_set():
        answers.append(await _ask(twin))
        await asyncio.sleep(0)
    return answers


@pytest.mark.chaos
async def test_no_answer_is_foreign_when_the_transport_restarts_with_requests_outstanding(
    own_stack: Stack, own_rest: Operator
) -> None:
    version = await own_rest.new_version()
    twins = [
        await own_rest.new_twin(version, endpointId=f"e{n}", metadata={"owner": f"e{n}"}) for n in range(20)
    ]
    stop = asyncio.Event()

    async with asyncio.TaskGroup() as askers:
        tasks = [(twin, askers.create_task(_ask_until(stop, twin), name=twin.endpoint_id)) for twin in twins]
        await asyncio.sleep(0.3)
        await own_stack.kill("http-transport")
        await own_stack.ready("http-transport")
        many = [twins[n % len(twins)] for n in range(1000)]
        fresh = await asyncio.gather(*(_ask(twin) for twin in many))
        stop.set()

    heard = [(twin, answer) for twin, task in tasks for answer in task.result()]
    heard += list(zip(many, fresh, strict=True))
    assert {status for _, (status, _) in heard} <= _HONEST
    assert [
        (twin.endpoint_id, owner)
        for twin, (status, owner) in heard
        if status == 200 and owner != twin.endpoint_id
    ] == []
    assert Counter(status for status, _ in fresh)[200] == 1000
