"""What an operator changes is seen by whoever follows events over REST."""

import asyncio

import aiohttp

from tests.support.live_events import Block, blocks_of
from tests.support.rest import Operator
from tests.support.stack import Stack


async def _next(response: aiohttp.ClientResponse) -> Block:
    async with asyncio.timeout(10):
        (block,) = blocks_of((await response.content.readuntil(b"\n\n")).decode())
    return block


async def test_a_change_of_metadata_is_followed_live_and_after_coming_back(
    suite: Stack, rest: Operator
) -> None:
    twin = await rest.new_twin(metadata={"model": "T-2"})
    metadata = f"/epr/api/v1/endpoints/{twin.endpoint_id}/metadata"
    url = f"{suite.api}/live/api/v1/events?type=endpoint.metadata.updated&endpointId={twin.endpoint_id}"
    key = {"Authorization": f"Bearer {suite.api_key}"}
    async with aiohttp.ClientSession(headers=key) as session:
        async with session.get(url) as response:
            opening = await _next(response)
            await rest.done("PUT", f"{metadata}/model", "T-3")
            live = await _next(response)
        await rest.done("PUT", f"{metadata}/model", "T-4")
        async with session.get(url, headers={"Last-Event-ID": opening.place}) as response:
            await _next(response)
            replayed, missed = await _next(response), await _next(response)

    assert live.event == "endpoint.metadata.updated"
    assert live.data is not None
    assert live.data["updated"] == {"model": {"newValue": '"T-3"', "oldValue": '"T-2"'}}
    assert replayed == live
    assert missed.data is not None
    assert missed.data["updated"] == {"model": {"newValue": '"T-4"', "oldValue": '"T-3"'}}
