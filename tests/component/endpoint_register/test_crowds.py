"""Many writers on one endpoint, through two replicas that know nothing of each other."""

import asyncio
import json

import pytest

from libs.contracts import endpoints as epr
from libs.contracts.errors import PreconditionFailedError
from libs.contracts.ids import EndpointId
from libs.contracts.lifecycle import METADATA_UPDATED
from tests.component.endpoint_register.conftest import Client, NewReplica


@pytest.mark.parametrize(
    "crowd", [300, pytest.param(1000, marks=[pytest.mark.soak, pytest.mark.timeout(180)])]
)
async def test_concurrent_updates_of_a_crowd_lose_nothing(
    client: Client, start: NewReplica, crowd: int
) -> None:
    asyncio.get_running_loop().set_debug(False)  # it triples the cost of a task, and this is about a crowd
    replicas = [await start(), await start()]
    await client.listen(METADATA_UPDATED)
    version = await client.new_version()
    endpoint = (await client.new_endpoint(version)).endpoint_id

    await asyncio.gather(
        *(client.device(version, endpoint, "/update/keys", {f"k{n}": n}) for n in range(crowd))
    )

    seen = json.loads(await client.device(version, endpoint, "/get"))
    assert seen == {f"k{n}": n for n in range(crowd)}
    await client.until(lambda: len({event.e_tag for _, event in client.heard}) == crowd)
    assert len({event.e_tag for _, event in client.heard}) == crowd
    await asyncio.gather(*(replica.announcer.stop() for replica in replicas))
    left = await replicas[0].parts.endpoints.find(EndpointId(endpoint), outbox=True)
    assert left is not None
    assert left.outbox == ()


async def test_of_two_writers_with_one_tag_exactly_one_is_refused(client: Client, start: NewReplica) -> None:
    replicas = [await start(), await start()]
    endpoint = (await client.new_endpoint(await client.new_version())).endpoint_id

    for _ in range(20):
        tag = (await client.ask(epr.GET_METADATA, epr.GetMetadata(endpoint_id=endpoint))).e_tag
        outcomes = await asyncio.gather(
            *(
                client.ask(
                    epr.PUT_METADATA_KEY,
                    epr.PutMetadataKey(endpoint_id=endpoint, key="n", payload=b'"%d"' % n, if_match=tag),
                )
                for n in range(2)
            ),
            return_exceptions=True,
        )
        refused = [outcome for outcome in outcomes if isinstance(outcome, PreconditionFailedError)]
        written = [outcome for outcome in outcomes if not isinstance(outcome, BaseException)]
        assert (len(refused), len(written)) == (1, 1)
        await client.ask(epr.PUT_METADATA, epr.PutMetadata(endpoint_id=endpoint, payload=b"{}"))
    assert len(replicas) == 2


async def test_events_of_an_endpoint_are_published_in_the_order_of_its_revisions(
    client: Client, start: NewReplica
) -> None:
    await start()
    await start()
    await client.listen(METADATA_UPDATED)
    version = await client.new_version()
    endpoint = (await client.new_endpoint(version)).endpoint_id

    for number in range(100):
        await client.device(version, endpoint, "/update/keys", {"n": number})

    await client.until(lambda: len({event.e_tag for _, event in client.heard}) == 100)
    first_heard = list(dict.fromkeys(event.e_tag for _, event in client.heard))
    values = {event.e_tag: (event.updated or event.added)["n"] for _, event in client.heard}
    told = [values[tag] if isinstance(values[tag], str) else values[tag].new_value for tag in first_heard]
    assert told == [str(number) for number in range(100)]
